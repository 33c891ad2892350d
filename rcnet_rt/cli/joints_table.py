"""The tables of joints of `eval`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from rcnet_rt.evaluation.joint_figures import ConfidenceFigures, JointFigures
from rcnet_rt.evaluation.report_rows import points

__all__ = ["JOINTS_LEGEND", "joints_table"]

JOINTS_LEGEND = (
    "Joints: confidence against the share of joints with a keypoint similarity of at least 0.5 "
    "(COCO's OKS of that joint alone). All joints count; one that the truth lacks, and one of a "
    "pose that matches nobody, is not right. ECE: 15 bins of equal mass. Coverage: share of "
    "annotated joints, on poses matched at OKS >= 0.5, in their 90 % ellipse."
)


def joints_table(figures: JointFigures | None, over: str) -> Iterator[Table | Text]:
    """Yield what to print of the joints: nothing where the poses have no joint estimates.

    Args:
        figures: of the results.
        over: what the images are, such as "all images".
    """
    if figures is None:
        return
    yield Text(f"joints over {over}: {figures.poses:,} poses", "bold")
    sides = {"raw": figures.raw, "calibrated": figures.calibrated}
    known = {name: side for name, side in sides.items() if side is not None}
    coverage = figures.coverage
    table = Table()
    table.add_column("x100", no_wrap=True)
    for figure in ("ECE", "Brier"):
        for name in known:
            table.add_column(f"{figure} {name}", justify="right")
    if coverage is not None:
        table.add_column("coverage of 90 %", justify="right")
    columns = [(side.error, side.brier) for side in known.values()]
    values = [error for error, _ in columns] + [brier for _, brier in columns]
    if coverage is not None:
        values.append(np.array(coverage.by_joint))
    table.add_row("mean", *(points(float(np.nanmean(column))) for column in values))
    worst = [points(float(np.nanmax(column))) for column in values[: 2 * len(known)]]
    if coverage is not None:
        worst.append(points(float(values[-1][_farthest(values[-1])])))
    table.add_row("worst joint", *worst, end_section=True)
    for place, joint in enumerate(figures.joints):
        cells = (points(float(column[place])) for column in values)
        table.add_row(joint.replace("_", " "), *cells)
    yield table
    for name, side in known.items():
        yield Text(f"only annotated joints, {name}: {_annotated(side)}")
    if coverage is not None:
        groups = ", ".join(f"{name} {points(share)}" for name, share in coverage.groups.items())
        yield Text(
            f"ellipses cover: {groups}; area {points(coverage.relative_area)} % of that of one "
            "conformal radius per joint"
        )
    yield Text("")


def _annotated(side: ConfidenceFigures) -> str:
    """Return the mean over joints where only annotated joints count."""
    error, brier = (np.nanmean(each) for each in (side.annotated_error, side.annotated_brier))
    return f"ECE {points(float(error))}, Brier {points(float(brier))}"


def _farthest(coverage: npt.NDArray[np.float64]) -> int:
    return int(np.nanargmax(np.abs(coverage - 0.9)))
