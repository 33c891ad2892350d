"""The report: one self-contained HTML page, and its figures as PNG files."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import chain
from pathlib import Path
from typing import Any

from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.average_precision import Interval
from rcnet_rt.evaluation.compare import Comparison, Evaluation
from rcnet_rt.evaluation.joint_figures import JointFigures
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.evaluation.report_rows import LEGEND, formatted, points, rows_of, sorted_baselines
from rcnet_rt.report import captions
from rcnet_rt.report.charts import charts
from rcnet_rt.report.folder import GENERATOR, PAGE, write_folder
from rcnet_rt.report.images import MAX_POSES_DRAWN, ImageComparison, compare_images
from rcnet_rt.report.joint_charts import joint_charts
from rcnet_rt.report.numbers import ERROR_TYPES_OKS, Floats, Numbers, collect
from rcnet_rt.report.png import encode, require_packages
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.version import __version__

__all__ = ["Subject", "write_report"]

MAX_IMAGES = 4  # images with the largest gain, and as many with the largest loss
WITH_INTERVAL = {
    "AP": "ap",
    "AP50": "ap50",
    "AP75": "ap75",
    "APm": "ap_medium",
    "APl": "ap_large",
    "AR": "ar",
}


@dataclass(frozen=True)
class Subject:
    """What a report is about.

    Attributes:
        results: name of the results file.
        weights: the weights that refined its scores.
        backend: name of the backend that ran them.
        images: number of images of the results that have ground truth.
        seen: number of these that the weights were trained on.
        note: how the scores were computed, if not as `rcnet-rt refine` does.
        choice: how the best baseline was chosen.
    """

    results: str
    weights: Weights
    backend: str
    images: int
    seen: int
    note: str = ""
    choice: str = "on the same images, which is optimistic"

    @property
    def trained_on_all(self) -> bool:
        """Whether all images were trained on; else the report covers the others."""
        return 0 < self.seen == self.images


def write_report(
    folder: Path,
    subject: Subject,
    data: LabeledResults,
    refined: Floats,
    evaluation: Evaluation,
    baselines: Mapping[str, Floats],
    dataset: Dataset,
    joints: JointFigures | None = None,
    resamples: int = 1000,
) -> None:
    """Write the report of an evaluation into a folder, atomically.

    Args:
        folder: new, empty, or with an earlier report.
        subject: what the report is about.
        data: the results with the ground truth of the evaluated images.
        refined: (E,) refined scores of the results' entries.
        evaluation: of the same scores.
        baselines: (E,) the other scores that the evaluation compares, by name.
        dataset: the dataset with the image files; images without a file are not shown.
        joints: of the joints on the evaluated images, where poses have joint estimates.
        resamples: of the bootstrap.

    Raises:
        OutputError: a package is missing, or the folder is not free or cannot be written.
    """
    require_packages()
    numbers = collect(data, refined, evaluation, baselines, resamples)
    drawn = charts(numbers) | ({} if joints is None else joint_charts(joints))
    figures = {name: encode(figure) for name, figure in drawn.items()}
    gained = [change for change in numbers.images if change.weight > 0]
    lost = [change for change in reversed(numbers.images) if change.weight < 0]
    shown = {
        "gained": list(compare_images(data, refined, gained, dataset, MAX_IMAGES)),
        "lost": list(compare_images(data, refined, lost, dataset, MAX_IMAGES)),
    }
    figures.update(_image_files(chain(*shown.values())))
    page = _render(subject, numbers, shown, figures, joints)
    files = {f"{name}.png": content for name, content in figures.items()}
    write_folder(folder, {PAGE: page.encode(), **files})


def _image_files(shown: Iterator[ImageComparison]) -> Iterator[tuple[str, bytes]]:
    for shown_image in shown:
        yield f"image-{shown_image.change.image}-raw", shown_image.orders.before.png
        yield f"image-{shown_image.change.image}-refined", shown_image.orders.after.png


def _render(
    subject: Subject,
    numbers: Numbers,
    shown: Mapping[str, Sequence[ImageComparison]],
    figures: Mapping[str, bytes],
    joints: JointFigures | None,
) -> str:
    from jinja2 import Environment, StrictUndefined

    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    template = resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8")
    evaluation = numbers.evaluation
    tables = [_table("All images", evaluation.all_images, numbers.gains)]
    if (complete := evaluation.complete_images) is not None:
        tables.append(_table("Images with complete annotations", complete, {"ap": complete.gain}))
    return environment.from_string(template).render(
        generator=GENERATOR,
        version=__version__,
        subject=subject,
        held_out=_held_out(subject.weights),
        numbers=numbers,
        comparison=evaluation.all_images,
        tables=tables,
        joints=joints,
        images=shown,
        captions=captions,
        points=points,
        formatted=formatted,
        error_types_oks=ERROR_TYPES_OKS,
        max_poses_drawn=MAX_POSES_DRAWN,
        legend=LEGEND,
        sources={
            name: f"data:image/png;base64,{base64.b64encode(content).decode()}"
            for name, content in figures.items()
        },
    )


def _table(title: str, comparison: Comparison, gains: Mapping[str, Interval]) -> dict[str, Any]:
    """Return the table of a comparison for the template."""
    baselines = sorted_baselines(comparison)
    reports = (comparison.before, *baselines.values(), comparison.after)
    rows = []
    for row in rows_of(comparison):
        change, better = row.change(comparison.before, comparison.after)
        gain = gains.get(WITH_INTERVAL.get(row.label, ""))
        rows.append(
            {
                "label": row.label,
                "values": [row.text(row.value(report)) for report in reports],
                "change": change,
                "better": better,
                "interval": _interval(gain) if gain else "",
            }
        )
    names = ["raw", *(name.replace("_", " ") for name in baselines), "refined"]
    return {"title": title, "comparison": comparison, "names": names, "rows": rows}


def _interval(gain: Interval) -> str:
    return f"{points(gain.low, '+')} to {points(gain.high, '+')}"


def _held_out(weights: Weights) -> list[dict[str, str]]:
    """Return the held-out figures in the metadata of weights."""
    figures = weights.training.get("figures")
    if not isinstance(figures, dict):
        return []
    rows = (_held_out_row(str(name), part) for name, part in figures.items())
    return [row for row in rows if row is not None]


def _held_out_row(name: str, figures: Any) -> dict[str, str] | None:
    """Return one row; None where a weights file has no valid figures."""
    try:
        gain, low, high = (100 * float(value) for value in figures["gain"])
        before, after = (100 * float(figures["scores"][n]["AP"]) for n in ("before", "after"))
        images = int(figures["images"])
    except (KeyError, TypeError, ValueError):
        return None
    return {
        "images": f"{name}, {images:,}",
        "raw": f"{before:.2f}",
        "refined": f"{after:.2f}",
        "gain": f"{gain:+.2f} [{low:+.2f}, {high:+.2f}]",
    }
