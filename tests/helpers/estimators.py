"""Real predictions of two estimators on the same few images."""

from __future__ import annotations

import json
from pathlib import Path

from rcnet_rt.datasets.results import read_results, write_results


def few_images(shared_data: Path, folder: Path, names: list[str], count: int) -> dict[str, Path]:
    """Write the predictions of estimators on the first images; return the files by name."""
    source = shared_data / "predictions" / "val1540"
    entries = {name: read_results(source / f"{name}.json.gz") for name in names}
    images = sorted({entry["image_id"] for some in entries.values() for entry in some})[:count]
    files = {}
    for name, some in entries.items():
        files[name] = folder / f"{name}.json"
        write_results(files[name], [entry for entry in some if entry["image_id"] in set(images)])
    assert all(json.loads(file.read_text()) for file in files.values())
    return files
