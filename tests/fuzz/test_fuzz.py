"""Any file, id, address or video is either understood or refused with an `RcnetError`."""

from __future__ import annotations

import json
import string
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rcnet_rt.datasets.annotations import load_annotations
from rcnet_rt.datasets.ids import ImageIndex, id_fault, number_of
from rcnet_rt.datasets.openpose import read_openpose
from rcnet_rt.datasets.pose_files import read_pose_file
from rcnet_rt.errors import DatasetError, RcnetError, SourceError
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.privacy import mask_address, mask_credentials
from rcnet_rt.video.address import Address, parse_address
from rcnet_rt.video.sandbox import SandboxedSource
from rcnet_rt.video.sink import VideoSink
from rcnet_rt.workflows.rescore import rescore
from tests.helpers.mutations import damaged_bytes, json_files, json_scalars

EXAMPLES, MANY, VIDEOS = 30, 1000, 6
WEIGHTS = "formula:score_times_confidence"

JOINTS = [float(value) for joint in range(17) for value in (100 + joint, 50 + 9 * joint, 0.75)]
RESULT = {
    "image_id": 872,
    "category_id": 1,
    "keypoints": JOINTS,
    "score": 0.62,
    "bbox": [90.0, 40.0, 60.0, 170.0],
}
RESULTS = [RESULT, {**RESULT, "image_id": "b.jpg", "consensus": [0.5] * 9}]
OPENPOSE = {
    "version": 1.3,
    "people": [{"person_id": [-1], "pose_keypoints_2d": [*JOINTS, 9.0, 9.0, 0.5]}],
}
MMPOSE = [
    {
        "frame_id": 0,
        "instances": [
            {
                "keypoints": [[100.0 + joint, 50.0] for joint in range(17)],
                "keypoint_scores": [0.5] * 17,
                "bbox": [[90.0, 40.0, 150.0, 210.0]],
                "bbox_score": 0.9,
            }
        ],
    }
]
ANNOTATIONS = {
    "images": [{"id": 872, "file_name": "a.jpg", "width": 640, "height": 480}],
    "categories": [{"id": 1, "name": "person", "keypoints": ["nose"]}],
    "annotations": [
        {
            "id": 1,
            "image_id": 872,
            "category_id": 1,
            "keypoints": [*map(int, JOINTS[:2]), 2] * 17,
            "bbox": [90, 40, 60, 170],
            "area": 5000.0,
            "iscrowd": 0,
            "num_keypoints": 17,
        }
    ],
}
HEADER = {
    "rcnet_rt": "0.1.0",
    "source": "a.mp4",
    "estimator": "yolo-pose",
    "weights": "yolo-pose",
    "skeleton": "coco17",
    "threshold": 0.3,
    "image_size": [640, 480],
}
FRAME = {
    "frame": 0,
    "time": 0.0,
    "poses": [
        {
            "keypoints": [None, *([[10.0, 20.0, 0.5]] * 16)],
            "box": [1.0, 2.0, 30.0, 40.0],
            "score_raw": 0.5,
            "score": 0.6,
            "kept": True,
        }
    ],
}

often = pytest.mark.parametrize(
    "examples", [EXAMPLES, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"]
)


def for_all(examples: int, *strategies: st.SearchStrategy[Any]) -> Callable[[Any], None]:
    """Return what checks a property on so many drawn values."""
    limits = settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))

    def check(holds: Callable[..., None]) -> None:
        limits(given(*strategies)(holds))()

    return check


@contextmanager
def folder_with(**files: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        for stem, content in files.items():
            (Path(name) / f"{stem}.json").write_bytes(content)
        yield Path(name)


@often
def test_results_files(examples: int) -> None:
    @for_all(examples, json_files(RESULTS))
    def refined_or_refused(content: bytes) -> None:
        with folder_with(results=content) as folder:
            path, out = folder / "results.json", folder / "out.json"
            try:
                rescore(path, out, WEIGHTS)
            except RcnetError:
                assert not out.exists()
                return
            before, after = (_without_scores(each.read_bytes()) for each in (path, out))
            assert before == after


def _without_scores(content: bytes) -> str:
    """Return the entries as text, for NaN does not equal itself."""
    entries = json.loads(content.decode(json.detect_encoding(content), "surrogatepass"))
    return json.dumps([{**entry, "score": None} for entry in entries])


@often
def test_pose_files_with_any_numbers(examples: int) -> None:
    @for_all(examples, json_files(RESULTS))
    def read_or_refused(content: bytes) -> None:
        with folder_with(results=content) as folder, suppress(RcnetError):
            _ = read_pose_file(folder / "results.json").images
        with folder_with(results=content) as folder, suppress(RcnetError):
            rescore(folder / "results.json", folder / "out.json", WEIGHTS, on_error="raw")


@often
def test_recordings(examples: int) -> None:
    @for_all(examples, json_files(HEADER), json_files(FRAME))
    def read_or_refused(header: bytes, frame: bytes) -> None:
        for content in (header + b"\n" + frame, json.dumps(HEADER).encode() + b"\n" + frame):
            with folder_with(recording=content) as folder, suppress(RcnetError):
                rescore(folder / "recording.json", folder / "out.json", WEIGHTS)


@often
def test_files_of_mmpose(examples: int) -> None:
    @for_all(examples, json_files(MMPOSE))
    def read_or_refused(content: bytes) -> None:
        with folder_with(results=content) as folder, suppress(RcnetError):
            rescore(folder / "results.json", folder / "out.json", WEIGHTS)


@often
def test_openpose_folders(examples: int) -> None:
    @for_all(examples, json_files(OPENPOSE), json_files(OPENPOSE))
    def read_or_refused(first: bytes, second: bytes) -> None:
        with folder_with(a_0_keypoints=first, a_1_keypoints=second) as folder:
            with suppress(RcnetError):
                read_openpose(folder)
            with suppress(RcnetError):
                rescore(folder, folder / "out", WEIGHTS)


@often
def test_annotation_files(examples: int) -> None:
    @for_all(examples, json_files(ANNOTATIONS))
    def read_or_refused(content: bytes) -> None:
        with folder_with(annotations=content) as folder, suppress(DatasetError):
            load_annotations(folder / "annotations.json", "val2017", COCO17)


@often
def test_ids(examples: int) -> None:
    @for_all(examples, json_scalars, json_scalars)
    def named_or_refused(value: Any, other: Any) -> None:
        entries = [{**RESULT, "image_id": value}, {**RESULT, "image_id": other}]
        with folder_with(results=json.dumps(entries).encode()) as folder:
            path, out = folder / "results.json", folder / "out.json"
            faults = [id_fault(value), id_fault(other)]
            if any(faults):
                with pytest.raises(DatasetError, match="expected a number or text"):
                    rescore(path, out, WEIGHTS)
                return
            assert -(2**63) <= number_of(value) < 2**63
            assert ImageIndex([(value,)]).find(value) == 0
            rescore(path, out, WEIGHTS)
            written = json.loads(out.read_bytes())
            assert [entry["image_id"] for entry in written] == [value, other]


SECRET = st.text(string.ascii_letters + string.digits, min_size=6, max_size=10).map(
    lambda text: f"Zq{text}"
)
NOISE = st.text(string.ascii_lowercase + string.digits + "!$%^*()_+-.,~[]{}|\\:/?#&;=", max_size=4)
PLACES = (
    "{scheme}://{s}@host/live",  # with a sign such as "?" behind it, this would be the host
    "{scheme}://me:{a}{s}{b}@host:554/live",
    "{scheme}://{s}:{a}@host/live",
    "{scheme}://host/live?{a}token={s}{b}",
    "{scheme}://host/live?user=me&password={s}&{b}",
    "{scheme}://host/live#{a}{s}",
    "{scheme}://me:{a}{s}@host/live?x={b}",
)


@often
def test_no_address_shows_its_secret(examples: int) -> None:
    schemes = st.sampled_from(["rtsp", "http", "https", "RTSP", "ftp", "s3"])

    @for_all(examples, st.sampled_from(PLACES), schemes, SECRET, NOISE, NOISE)
    def hidden(place: str, scheme: str, secret: str, a: str, b: str) -> None:
        url = place.format(scheme=scheme, s=secret, a=a, b=b)
        for shown in (
            mask_address(url),
            mask_credentials(url),
            mask_credentials(f"no such file: {url!r}; check the path"),
            str(SourceError(f"{url} cannot be opened")),
        ):
            assert secret not in shown, url
        with suppress(SourceError):
            address = parse_address(url)
            assert secret not in f"{address} {address!r} {address.stem}"


@often
def test_any_text_is_an_address_or_refused(examples: int) -> None:
    @for_all(examples, st.text() | st.from_regex(r"(?i)(rtsp|http|x)s?:/{0,3}.*"))
    def parsed_or_refused(text: str) -> None:
        try:
            address = parse_address(text)
        except SourceError:
            return
        assert isinstance(address, Address)
        assert address.stem
        assert mask_credentials(mask_credentials(text)) == mask_credentials(text)


@lru_cache
def clip(suffix: str) -> bytes:
    """Return a video of four small frames."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / f"clip{suffix}"
        with VideoSink(path, (64, 48), Fraction(10), Fraction(1, 10)) as sink:
            for index in range(4):
                sink.write(np.full((48, 64, 3), 60 * index, np.uint8), Fraction(index, 10))
        return path.read_bytes()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize(
    "examples", [VIDEOS, pytest.param(300, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_videos(examples: int, suffix: str) -> None:
    @for_all(examples, damaged_bytes(clip(suffix)))
    def decoded_or_refused(content: bytes) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / f"clip{suffix}"
            path.write_bytes(content)
            with suppress(SourceError), SandboxedSource(path) as source:
                for _ in source:
                    pass
