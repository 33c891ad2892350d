"""The tables of joints of `eval`."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from rich.table import Table
from rich.text import Text

from rcnet_rt.evaluation.joint_figures import JointFigures, mean_of
from rcnet_rt.evaluation.joints import LEVEL
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
    columns = {f"ECE {name}": side.error for name, side in known.items()}
    columns |= {f"Brier {name}": side.brier for name, side in known.items()}
    worst = [max(values.tolist(), key=_or_lowest) for values in columns.values()]
    coverage = figures.coverage
    if coverage is not None:
        columns["coverage of 90 %"] = np.array(coverage.by_joint)
        worst.append(max(coverage.by_joint, key=lambda share: _or_lowest(abs(share - LEVEL))))
    table = Table()
    table.add_column("x100", no_wrap=True)
    for name in columns:
        table.add_column(name, justify="right")
    table.add_row("mean", *(points(mean_of(values)) for values in columns.values()))
    table.add_row("worst joint", *map(points, worst), end_section=True)
    for place, joint in enumerate(figures.joints):
        cells = (points(float(values[place])) for values in columns.values())
        table.add_row(joint.replace("_", " "), *cells)
    yield table
    for name, side in known.items():
        error, brier = side.annotated_means
        yield Text(f"only annotated joints, {name}: ECE {points(error)}, Brier {points(brier)}")
    if coverage is not None:
        groups = ", ".join(f"{name} {points(share)}" for name, share in coverage.groups.items())
        yield Text(
            f"ellipses cover: {groups}; their area is {points(coverage.relative_area)} % of that "
            "of one conformal radius per joint"
        )
    yield Text("")


def _or_lowest(value: float) -> float:
    """Return what an undefined value is sorted by."""
    return -math.inf if math.isnan(value) else value
