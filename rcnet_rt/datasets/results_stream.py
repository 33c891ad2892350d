"""COCO results of any size in flat memory: poses on disk, whole images a block at a time.

The file is parsed once. Each entry leaves a row of numbers in a temporary file and a few bytes in
memory: its image and where its score stands in the text.
"""

from __future__ import annotations

import errno
import gzip
import json
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from rcnet_rt.datasets.files import atomic_text
from rcnet_rt.datasets.ids import ImageId
from rcnet_rt.datasets.json_entries import EntryBlock, copy_with_texts, open_text, read_entries
from rcnet_rt.datasets.results import (
    Entry,
    check_finite,
    check_results,
    keypoint_values,
)
from rcnet_rt.errors import DatasetError
from rcnet_rt.files.reading import open_input
from rcnet_rt.poses.adapters import FILE_NAMES, box_corners, entry_signals, found_joints
from rcnet_rt.poses.arrays import float32_of
from rcnet_rt.poses.joint_estimates import JOINT_CONFIDENCE, joint_estimates
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton

__all__ = ["ResultsStream", "open_results"]

BLOCK = 20_000  # poses
KNOWN_KEYS = {"image_id", "category_id", "keypoints", "score", "bbox", "box", *FILE_NAMES}

Refine = Callable[[list[Poses]], list[Poses]]
Rows = npt.NDArray[np.void]
Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class ResultsStream:
    """The poses of a results file, read once; see `open_results`.

    Attributes:
        skeleton: of the keypoints.
        pose_count: how many entries the file has.
        image_count: how many images they are of.
        other_keys: of entries, which are copied by `write` and are no part of the poses.
    """

    def __init__(self, path: Path, file: BinaryIO, rows: BinaryIO) -> None:
        self._path, self._file, self._rows = path, file, rows
        self._spans: list[Integers] = [np.zeros((0, 2), np.int64)]
        self._owners: list[Integers] = [np.zeros(0, np.int64)]
        self._numbers: dict[ImageId, int] = {}
        self._signals: dict[int, Entry] = {}
        self._flags = True
        self._has_estimates = False
        self.pose_count = 0
        self.other_keys: set[str] = set()

    @property
    def image_count(self) -> int:
        """How many images the poses are of."""
        return len(self._numbers)

    def read(self, choose: Callable[[Sequence[Entry]], Skeleton], finite: bool) -> None:
        """Parse the file; `choose` gives the skeleton by the first entries."""
        with open_text(self._file) as text:
            for block in read_entries(text):
                self._add(block, choose, finite)
        self._span_array = np.concatenate(self._spans)
        owners = np.concatenate(self._owners)
        # Images are numbered in order of appearance, so that a file sorted by image stays as it is.
        self._order = np.argsort(owners, kind="stable")
        self._ends = np.cumsum(np.bincount(owners, minlength=self.image_count))

    def _add(
        self, block: EntryBlock, choose: Callable[[Sequence[Entry]], Skeleton], finite: bool
    ) -> None:
        entries = check_results(self._path, block.entries, self.pose_count)
        if self.pose_count == 0:
            self.skeleton = choose(entries)
            self._row = _row_type(len(self.skeleton.keypoints))
        values = keypoint_values(entries, self.skeleton, self.pose_count)
        if finite:
            check_finite(entries, values, self.pose_count)
        self._keep(entries, values)
        self._spans.append(block.scores)

    def _keep(self, entries: list[Entry], values: npt.NDArray[np.float64]) -> None:
        rows = np.zeros(len(entries), self._row)
        rows["values"] = float32_of(values)
        rows["score"] = float32_of([entry["score"] for entry in entries])
        corners = [box_corners(entry) for entry in entries]
        rows["has_box"] = [box is not None for box in corners]
        boxes = [box or (0.0,) * 4 for box in corners]
        rows["box"] = float32_of(boxes).reshape(-1, 4)
        rows.tofile(self._rows)
        self._flags = self._flags and bool(np.isin(rows["values"][:, :, 2], (0, 1, 2)).all())
        self.other_keys.update(*entries)
        self.other_keys -= KNOWN_KEYS
        if any(entry["category_id"] != 1 for entry in entries):
            self.other_keys.add("category_id")
        numbers = self._numbers
        owners = [numbers.setdefault(entry["image_id"], len(numbers)) for entry in entries]
        self._owners.append(np.array(owners, np.int64))
        self._has_estimates |= any(JOINT_CONFIDENCE in entry for entry in entries)
        for index, entry in enumerate(entries, start=self.pose_count):
            known = {key: entry[key] for key in FILE_NAMES if entry.get(key) is not None}
            if known:
                entry_signals([entry])  # raises where they are not numbers
                arrays = {key: float32_of(value) for key, value in known.items()}
                self._signals[index] = {"image_id": entry["image_id"], **arrays}
        self.pose_count += len(entries)

    def by_image(self) -> Iterator[tuple[ImageId, Poses]]:
        """Yield the id and the poses of each image, in order of first appearance."""
        ids = iter(list(self._numbers))
        for ends, rows, indices in self._blocks():
            for poses in self._images(ends, rows, indices):
                yield next(ids), poses

    def pooled(self) -> Iterator[Poses]:
        """Yield all poses in large blocks, those of many images together."""
        for _, rows, indices in self._blocks():
            yield from self._images([len(rows)], rows, indices)

    def write(self, path: Path, refine: Refine) -> None:
        """Write the same text with refined scores, whole or not at all.

        Joint estimates follow the score where the refined poses have them.

        Args:
            path: gzipped where the name ends in .gz; may be the file itself.
            refine: takes the poses of some images and returns them with other scores.

        Raises:
            DatasetError: joint estimates are to be written, and the file has some already.
            OutputError: it cannot be written.
        """
        scores = np.zeros(self.pose_count)
        estimates = None
        for ends, rows, indices in self._blocks():
            refined = refine(self._images(ends, rows, indices))
            scores[indices] = np.concatenate([poses.scores for poses in refined])
            if refined[0].joint_confidence is not None:
                estimates = self._room() if estimates is None else estimates
                estimates[indices] = np.concatenate([_flat_estimates(poses) for poses in refined])

        def texts(some: slice) -> Iterable[str]:
            values = map(repr, scores[some].tolist())
            return values if estimates is None else map(_with_estimates, values, estimates[some])

        with atomic_text(path) as target, open_text(self._file) as source:
            copy_with_texts(source, target, self._span_array, texts)

    def _room(self) -> Floats:
        """Return room on disk for confidence and covariance of all joints: (N, K, 5)."""
        if self._has_estimates:
            raise DatasetError(
                f"{self._path} has {JOINT_CONFIDENCE} already; refine the file that the estimator "
                "wrote, or leave --joint-confidence out"
            )
        shape = self.pose_count, len(self.skeleton.keypoints), 5
        with tempfile.TemporaryFile() as file:
            return np.memmap(cast("BinaryIO", file), np.float32, "w+", shape=shape)

    def _blocks(self) -> Iterator[tuple[list[int], Rows, Integers]]:
        """Yield where each of some images ends, their rows, and which entries these are."""
        first = begin = 0
        while first < self.image_count:
            last = int(np.searchsorted(self._ends, begin + BLOCK, "right"))
            last = max(last, first + 1)
            ends = self._ends[first:last]
            indices = self._order[begin : ends[-1]]
            yield (ends - begin).tolist(), self._read_rows(indices), indices
            first, begin = last, int(ends[-1])

    def _read_rows(self, indices: Integers) -> Rows:
        """Return rows of the temporary file; neighbours are read together."""
        parts = []
        for run in np.split(indices, np.flatnonzero(np.diff(indices) != 1) + 1):
            self._rows.seek(int(run[0]) * self._row.itemsize)
            content = self._rows.read(len(run) * self._row.itemsize)
            parts.append(np.frombuffer(content, self._row))
        return np.concatenate(parts)

    def _images(self, ends: list[int], rows: Rows, indices: Integers) -> list[Poses]:
        """Return the poses of the images that end at these rows."""
        # Copies, so that who keeps the scores does not keep all rows.
        values, scores, boxes = (
            np.ascontiguousarray(rows[name]) for name in ("values", "score", "box")
        )
        keypoints = np.where(found_joints(values)[..., None], values[:, :, :2], np.float32(np.nan))
        third = None if self._flags else np.ascontiguousarray(values[:, :, 2])
        boxed = rows["has_box"].tolist()
        images = []
        for begin, end in zip([0, *ends[:-1]], ends, strict=True):
            some = slice(begin, end)
            images.append(
                Poses(
                    keypoints[some],
                    scores[some],
                    keypoint_scores=None if third is None else third[some],
                    boxes=boxes[some] if all(boxed[some]) else None,
                    **self._signals_of(indices[some]),
                )
            )
        return images

    def _signals_of(self, indices: Integers) -> dict[str, Any]:
        if not self._signals:
            return {}
        return entry_signals([self._signals.get(index, {}) for index in indices.tolist()])


@contextmanager
def open_results(
    path: Path, choose: Callable[[Sequence[Entry]], Skeleton], finite: bool = True
) -> Iterator[ResultsStream]:
    """Yield the poses of a COCO results file, plain, gzipped or a pipe.

    Args:
        path: the file.
        choose: gives the skeleton by the first entries.
        finite: whether a number that is not finite is an error.

    Raises:
        DatasetError: a damaged file, not a list of entries, or an entry that lacks something.
    """
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_input(path))
            rows = cast("BinaryIO", stack.enter_context(tempfile.TemporaryFile()))
            stream = ResultsStream(path, file, rows)
            stream.read(choose, finite)
        except (EOFError, zlib.error, ValueError, RecursionError, gzip.BadGzipFile) as error:
            raise DatasetError(
                f"{path} is cut off or not JSON ({error}); fetch or write it again"
            ) from error
        except OSError as error:
            # Poses are kept in a temporary file meanwhile.
            full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
            advice = f"free some space in {tempfile.gettempdir()}" if full else "check the path"
            raise DatasetError(
                f"{path} cannot be read: {error.strerror or error}; {advice}"
            ) from error
        yield stream


def _flat_estimates(poses: Poses) -> Floats:
    """Return (N, K, 5): confidence, and the four entries of the covariance, of each joint."""
    confidence, covariance = poses.joint_confidence, poses.joint_covariance
    assert confidence is not None
    assert covariance is not None
    flat = covariance.reshape(*confidence.shape, 4)
    return np.concatenate([confidence[..., None], flat], axis=2)


def _with_estimates(score: str, estimates: Floats) -> str:
    """Return the text of a score and of the (K, 5) estimates of the pose's joints after it."""
    known = joint_estimates(estimates[:, 0], estimates[:, 1:].reshape(-1, 2, 2))
    return f"{score}, {json.dumps(known)[1:-1]}"


def _row_type(joints: int) -> np.dtype[np.void]:
    return np.dtype(
        [
            ("values", np.float32, (joints, 3)),
            ("score", np.float32),
            ("box", np.float32, (4,)),
            ("has_box", np.bool_),
        ]
    )
