from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.errors import SourceError
from rcnet_rt.poses.frame import Frame
from rcnet_rt.video.segments import WHOLE, Span, decode_span, find_spans, open_media
from rcnet_rt.video.videofile import VideoFileSource
from tests.helpers.fleet import write_video


def frames_of(path: Path) -> list[Frame]:
    with VideoFileSource(path) as source:
        return [item for item in source if isinstance(item, Frame)]


def spans_of(path: Path, seconds: float) -> list[Span]:
    with open_media(path, path.name) as container:
        return find_spans(container, path.name, seconds)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("closed.mp4", {"bf": "3"}),
        ("open.mp4", {"bf": "3", "x264-params": "open-gop=1"}),
        ("transport.ts", {"bf": "2"}),
        ("intra.mp4", {"gop": 1}),
        ("hevc.mp4", {"codec": "libx265", "x265-params": "open-gop=1:log-level=none"}),
        ("vp9.webm", {"codec": "libvpx-vp9"}),
    ],
)
def test_parts_have_the_very_frames_of_the_whole(
    tmp_path: Path, name: str, options: dict[str, str]
) -> None:
    path = write_video(tmp_path / name, 70, **options)
    whole, spans = frames_of(path), spans_of(path, 0.6)
    assert len(spans) > 2
    parts: list[Frame] = []
    for span in spans:
        # As of a remote file: it is opened by somebody else, and each part on its own.
        with path.open("rb") as file, open_media(file, name) as container:
            parts += decode_span(container, name, span)
    assert [frame.index for frame in parts] == list(range(70))
    for frame, other in zip(parts, whole, strict=True):
        assert (frame.index, frame.time) == (other.index, other.time)
        assert np.array_equal(frame.image_bgr, other.image_bgr)


def test_a_real_video_is_divided(shared_data: Path) -> None:
    path = shared_data / "videos" / "sports.mp4"
    spans = spans_of(path, 2.0)
    assert [span.first_frame for span in spans] == [0, 60, 120, 180]
    with open_media(path, path.name) as container:
        last = list(decode_span(container, path.name, spans[-1]))
    for frame, other in zip(last, frames_of(path)[180:], strict=True):
        assert frame.time == other.time
        assert np.array_equal(frame.image_bgr, other.image_bgr)


@pytest.mark.parametrize(
    ("name", "options", "seconds"),
    [
        ("short.mp4", {}, 10.0),
        ("one_keyframe.mp4", {"gop": 1000}, 0.5),
        ("no_time_stamps.avi", {"codec": "mpeg4"}, 0.5),
        ("some_packets_show_nothing.webm", {"codec": "libvpx"}, 0.5),
    ],
)
def test_what_cannot_be_divided_stays_whole(
    tmp_path: Path, name: str, options: dict[str, str], seconds: float
) -> None:
    assert spans_of(write_video(tmp_path / name, 40, **options), seconds) == [WHOLE]


def test_recordings_that_were_joined_stay_whole(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.ts", 40)
    path.write_bytes(path.read_bytes() * 2)  # the times begin again
    assert spans_of(path, 0.5) == [WHOLE]


def test_a_part_with_fewer_frames_than_its_index_is_an_error(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", 40)
    span = spans_of(path, 0.5)[-1]
    wrong = Span(span.first_frame, (span.frames or 0) + 1, span.begin, span.end, span.seek)
    with (
        open_media(path, path.name) as container,
        pytest.raises(SourceError, match="--segment 0"),
    ):
        list(decode_span(container, path.name, wrong))


def test_a_file_that_is_no_video_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"not a video")
    with path.open("rb") as file, pytest.raises(SourceError, match=r"a\.mp4 is not a video"):
        open_media(file, path.name)
