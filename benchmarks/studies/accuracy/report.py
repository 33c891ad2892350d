"""results.json to RESULTS.md."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.studies.accuracy.parts import PARTS
from benchmarks.studies.accuracy.study import CHANGE
from rcnet_rt.training.config import PRESETS

__all__ = ["gain_text", "keep", "provenance", "provenance_text", "store"]

INTRODUCTION = f"""# Accuracy on real predictions

Every figure is of images that the scorer was not trained on: five folds by image, held-out scores
pooled and ranked over all images. AP in points (× 100), mean over fold seeds ± their standard
deviation; a row without ± needs no training.

Intervals are 95 % of a paired bootstrap over images. On each resample the difference of APs is
averaged over the fold seeds, so an interval tells what other images would have changed, not what
another seed would. **≈** marks an interval that holds 0: a difference inside the noise.

*formula* is score × (joints found - 1) for Lightweight OpenPose and score × mean joint score above
0.2 for YOLO-Pose. *Fully annotated* images have their crowds and people without keypoints annotated
too; on the others a right pose of such a person counts as wrong. *fall / rise*: images whose own AP
(that image judged by itself) is more than {CHANGE:g} below or above that of the raw score.
"""
VIEWS = {"all": "All images", "complete": "Fully annotated images"}


def keep(folder: Path, part: str, result: dict[str, Any]) -> None:
    """Put a part into results.json, beside the parts that are there, and write RESULTS.md."""
    known = store(folder, PARTS, part, result)
    pages = [_part(name, part) for name, part in known.items()]
    (folder / "RESULTS.md").write_text("\n".join([INTRODUCTION, *pages]))


def store(folder: Path, order: Iterable[str], part: str, result: dict[str, Any]) -> dict[str, Any]:
    """Put a part into results.json, beside the parts that are there; return all, in order."""
    path = folder / "results.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[part] = result
    ordered = {name: known[name] for name in order if name in known}
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(ordered, indent=1, ensure_ascii=False) + "\n")
    return ordered


def provenance(command: str, seconds: float) -> dict[str, Any]:
    """Return when, by what and on what figures were made."""
    packages = ("rcnet-rt", "torch", "numpy", "lightgbm")
    versions = {name: _version(name) for name in packages}
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "command": command,
        "seconds": round(seconds),
        "machine": _machine(),
        "default_recipe": asdict(PRESETS["residual"]),
        "versions": {"python": platform.python_version(), **versions},
    }


def provenance_text(made: dict[str, Any]) -> str:
    """Return that as a sentence."""
    versions = ", ".join(f"{package} {version}" for package, version in made["versions"].items())
    return (
        f"`{made['command']}`, {made['date']}, {made['seconds'] / 60:.0f} minutes on "
        f"{made['machine']}; {versions}."
    )


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{os.cpu_count()} cores of {names[0] if names else platform.machine()}"


def _part(name: str, result: dict[str, Any]) -> str:
    made = result["made"]
    lines = [f"## {PARTS[name].title}", "", provenance_text(made), ""]
    for estimator, table in result["estimators"].items():
        for view, title in VIEWS.items():
            figures, over = table[view], table[view]["over"]
            lines += [
                f"### {estimator}: {title.lower()} ({figures['images']} images, "
                f"{figures['people']} people)",
                "",
                f"| scores | AP | {' | '.join(f'over {name}' for name in over)} | fall / rise |",
                f"| --- | --- | {'--- | ' * len(over)}--- |",
                *(_row(row, over) for row in figures["rows"]),
                "",
            ]
    return "\n".join(lines)


def _row(row: dict[str, Any], over: list[str]) -> str:
    if "ap" not in row:
        return f"| {row['name']} |{' |' * (len(over) + 2)}"
    spread = "" if row["spread"] is None else f" ± {row['spread']:.2f}"
    gains = " | ".join(gain_text(row["gains"].get(name)) for name in over)
    changed = row["images"]
    return (
        f"| {row['name']} | {row['ap']:.2f}{spread} | {gains} | "
        f"{changed['fall']:.0f} / {changed['rise']:.0f} |"
    )


def gain_text(gain: dict[str, float] | None) -> str:
    """Return a difference with its interval; nothing where there is none."""
    if gain is None or gain["low"] == gain["high"] == 0:
        return ""
    noise = " ≈" if gain["low"] <= 0 <= gain["high"] else ""
    return f"{gain['difference']:+.2f} [{gain['low']:.2f}, {gain['high']:.2f}]{noise}"
