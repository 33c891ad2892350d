from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from rcnet_rt.datasets.parquet.files import read_provenance
from rcnet_rt.errors import EstimatorError, OutputError, SourceError
from rcnet_rt.poses.poses import Poses
from rcnet_rt.workflows.fleet.items import ImageBatch, Plan, Segment
from rcnet_rt.workflows.fleet.run import FleetSummary, predict_sources
from rcnet_rt.workflows.scoring import Scoring
from rcnet_rt.workflows.video import process_video
from tests.helpers.fleet import MODEL, InlinePool, assert_same_frames, read_folder, write_video

pytestmark = pytest.mark.usefixtures("inline")


def predict(sources: Any, out: Path, model: str = MODEL, **options: Any) -> FleetSummary:
    given = [str(each) for each in (sources if isinstance(sources, list) else [sources])]
    return predict_sources(given, model, out, **{"segment": 0.5, **options})


def failed_rows(out: Path) -> list[dict[str, Any]]:
    from pyarrow import parquet

    rows: list[dict[str, Any]] = parquet.read_table(out / "failed.parquet").to_pylist()
    return rows


def names(out: Path) -> set[str]:
    both = [{path.name for path in (out / table).iterdir()} for table in ("poses", "frames")]
    assert both[0] == both[1]
    assert not list((out / ".partial").iterdir())
    return both[0]


def images(folder: Path, count: int, first: int = 0) -> list[Path]:
    folder.mkdir(exist_ok=True)
    paths = []
    for number in range(first, first + count):
        paths.append(folder / f"{number}.png")
        image = np.random.default_rng(number).integers(0, 255, (96, 128, 3), dtype=np.uint8)
        cv2.imwrite(str(paths[-1]), image)
    return paths


@pytest.mark.parametrize("track", [False, True])
def test_the_rows_are_those_of_run(clips: Path, tmp_path: Path, track: bool) -> None:
    if track:
        pytest.importorskip("trackers")
    out = tmp_path / "out"
    summary = predict(clips, out, track=track)
    frames = read_folder(out)
    assert (summary.frames, summary.poses) == (100, sum(len(f.poses) for f in frames.values()))
    assert (len(names(out)) == 3) is track  # a track lives in the whole video
    for path in clips.iterdir():
        for result in process_video(path, model=MODEL, track=track):
            frame = frames.pop((str(path), result.frame.index))
            assert frame.time == result.frame.time_seconds
            assert frame.poses.image_size == (160, 120)
            np.testing.assert_array_equal(frame.kept, result.kept)
            np.testing.assert_array_equal(frame.poses.scores, result.poses.scores)
            if len(frame.poses):
                np.testing.assert_array_equal(frame.poses.keypoints, result.poses.keypoints)
                np.testing.assert_array_equal(frame.poses.raw_scores, result.poses.raw_scores)
            if track and len(frame.poses):
                np.testing.assert_array_equal(frame.poses.track_ids, result.poses.track_ids)
    assert not frames


def test_the_metadata_say_how_poses_were_scored(clips: Path, tmp_path: Path) -> None:
    predict(clips, tmp_path / "out", weights="yolo-pose", threshold=0.4)
    provenance = read_provenance(next((tmp_path / "out" / "poses").iterdir()))
    assert provenance.header.weights == "yolo-pose"
    assert provenance.header.threshold == 0.4
    assert provenance.header.skeleton == "coco17"
    assert len(provenance.weights_sha256 or "") == 64
    assert provenance.score_convention == "in [0, 1]; joint scores in [0, 1]"


def test_started_again_it_does_only_what_is_missing(
    clips: Path, tmp_path: Path, inline: type[InlinePool]
) -> None:
    out = tmp_path / "out"
    predict(clips, out)
    whole, parts = read_folder(out), sorted(names(out))
    assert len(parts) > 4
    inline.started.clear()
    assert predict(clips, out).complete == 3
    assert not inline.started  # not even a worker
    removed = parts[1]
    (out / "poses" / removed).unlink()  # what a kill before the last step leaves
    inline.items.clear()
    summary = predict(clips, out)
    assert (summary.complete, summary.parts) == (2, 1)
    assert [type(item) for item in inline.items] == [Plan, Segment]
    assert sorted(names(out)) == parts
    assert_same_frames(read_folder(out), whole)


def test_a_worker_that_dies_is_replaced_and_its_item_done_again(
    clips: Path, tmp_path: Path, inline: type[InlinePool]
) -> None:
    predict(clips, tmp_path / "undisturbed")
    inline.items.clear()
    inline.started.clear()
    inline.die_at.update({2, 5})
    summary = predict(clips, tmp_path / "out")
    assert not summary.failures
    assert len(inline.started) == 3
    assert_same_frames(read_folder(tmp_path / "out"), read_folder(tmp_path / "undisturbed"))


def test_an_item_whose_worker_always_dies_fails(
    clips: Path, tmp_path: Path, inline: type[InlinePool]
) -> None:
    inline.die_at.update({2, 3, 4})
    summary = predict(clips / "2.mp4", tmp_path / "out")
    assert [failure.reason for failure in summary.failures] == [
        "its worker died (SIGKILL), 3 times"
    ]
    assert predict(clips / "2.mp4", tmp_path / "out").failures == ()  # the next run tries again
    assert not (tmp_path / "out" / "failed.parquet").exists()


def test_workers_that_cannot_start_end_the_run(
    clips: Path, tmp_path: Path, inline: type[InlinePool]
) -> None:
    inline.die_at.update({1, 2, 3})
    with pytest.raises(EstimatorError, match="no worker could start"):
        predict(clips, tmp_path / "out")


def test_what_cannot_be_decoded_is_a_row_and_not_the_end(clips: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"poison")
    out = tmp_path / "out"
    for _ in range(2):  # a second run tries again, and says it again
        summary = predict([bad, clips], out)
        assert len(read_folder(out)) == 100
        (row,) = failed_rows(out)
        assert row["source"] == str(bad)
        assert "is not a video" in row["reason"]
        assert [failure.source for failure in summary.failures] == [str(bad)]
    shutil.copy(clips / "1.mp4", bad)  # it is mended
    assert predict([bad, clips], out).failures == ()
    assert len(read_folder(out)) == 130


def test_of_a_video_that_breaks_off_what_there_is_is_kept(tmp_path: Path) -> None:
    cut, out = write_video(tmp_path / "cut.mp4", 200), tmp_path / "out"
    cut.write_bytes(cut.read_bytes()[: -cut.stat().st_size // 4])
    first = predict(cut, out)
    done = len(read_folder(out))
    assert 100 < done < 200
    assert [failure.frames for failure in first.failures] == [done]
    assert f"after {done} frames" in first.failures[0].reason
    again = predict(cut, out)
    assert (again.parts, again.complete, again.failures) == (0, 1, first.failures)


def test_frames_are_refined_several_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches: list[int] = []
    refine = Scoring.refine_batch

    def counted(scoring: Scoring, frames: Sequence[Poses]) -> list[Poses]:
        batches.append(len(frames))
        return refine(scoring, frames)

    monkeypatch.setattr(Scoring, "refine_batch", counted)
    predict(write_video(tmp_path / "a.mp4", 20), tmp_path / "out", segment=60)
    assert batches == [8, 8, 4]


def test_a_video_that_changed_is_done_again(tmp_path: Path) -> None:
    video, out = write_video(tmp_path / "a.mp4", 40), tmp_path / "out"
    predict(video, out)
    write_video(video, 20, seed=1)
    predict(video, out)
    assert len(read_folder(out)) == 20


def test_another_job_does_not_write_into_the_folder(clips: Path, tmp_path: Path) -> None:
    predict(clips / "2.mp4", tmp_path / "out")
    with pytest.raises(OutputError, match="belongs to another job"):
        predict(clips / "2.mp4", tmp_path / "out", weights="yolo-pose")


def test_shards_share_the_sources_and_the_folder(clips: Path, tmp_path: Path) -> None:
    shares = [predict(clips, tmp_path / "out", shard=(i, 3)) for i in (1, 2, 3)]
    assert sum(share.frames for share in shares) == 100
    predict(clips, tmp_path / "whole")
    assert_same_frames(read_folder(tmp_path / "out"), read_folder(tmp_path / "whole"))


def test_images_are_done_in_batches_and_once(
    tmp_path: Path, inline: type[InlinePool], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rcnet_rt.workflows.fleet.manifest.BATCH", 4)
    folder, out = tmp_path / "images", tmp_path / "out"
    images(folder, 10)
    assert predict(folder, out).parts == 3
    assert {index for _, index in read_folder(out)} == {0}
    images(folder, 3, first=10)
    images(folder, 1)  # written again
    os.utime(folder / "0.png", (1, 1))
    inline.items.clear()
    predict(folder, out)
    (batch, other) = inline.items
    assert isinstance(batch, ImageBatch)
    # The new ones, and all of the part that had the changed one.
    assert len(batch.images) + len(other.images) == 3 + 4
    assert len(read_folder(out)) == 13


def test_an_image_that_cannot_be_read_is_a_row(tmp_path: Path) -> None:
    folder, out = tmp_path / "images", tmp_path / "out"
    images(folder, 3)
    (folder / "bad.png").write_bytes(b"no image")
    summary = predict(folder, out)
    assert [Path(failure.source).name for failure in summary.failures] == ["bad.png"]
    assert len(read_folder(out)) == 3
    assert predict(folder, out).parts == 0
    images(folder, 1, first=7)
    (folder / "7.png").rename(folder / "bad.png")
    assert predict(folder, out).failures == ()
    assert len(read_folder(out)) == 4


def test_an_estimator_that_fails_is_a_row(clips: Path, tmp_path: Path) -> None:
    summary = predict(clips / "2.mp4", tmp_path / "out", model=f"{__name__}:broken")
    assert "broken" in summary.failures[0].reason
    assert not names(tmp_path / "out")


def broken(image_bgr: Any) -> Any:
    raise RuntimeError("broken on purpose")


def test_usage_faults_come_before_any_work(clips: Path, tmp_path: Path) -> None:
    with pytest.raises(EstimatorError, match="in their order"):
        predict(clips, tmp_path / "out", model="replay:x.jsonl")
    with pytest.raises(SourceError, match="no images or videos"):
        predict(tmp_path / "*.mp4", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_notes_of_failures_are_json(tmp_path: Path) -> None:
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"poison")
    predict(bad, tmp_path / "out")
    (note,) = (tmp_path / "out" / "failed").iterdir()
    assert json.loads(note.read_text())[0]["source"] == str(bad)
