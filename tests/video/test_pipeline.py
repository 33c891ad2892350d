"""The road of a frame: poses as by hand, gaps in their place, few frames at a time."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from contextlib import closing
from fractions import Fraction

import numpy as np
import pytest

from rcnet_rt.errors import PosesError
from rcnet_rt.poses.frame import Frame, Gap, Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.pipeline import (
    Result,
    Stage,
    draw,
    estimate,
    process,
    refine,
    refine_batches,
    write,
)
from rcnet_rt.video.telemetry import Telemetry
from rcnet_rt.video.threshold import Threshold

GAP = Gap(time=0.5, after=1, reason="no data")


class Script:
    """A source that gives what it is told to."""

    name, kind, size = "script", "camera", (8, 6)
    frame_rate, time_base, frame_count = Fraction(30), Fraction(1, 1000), None

    def __init__(self, *items: Frame | Gap, pause: float = 0.0) -> None:
        self._items, self._pause = items, pause
        self.given, self.count = 0, len(items)

    def __iter__(self) -> Iterator[Frame | Gap]:
        for item in self._items:
            time.sleep(self._pause)
            self.given += 1
            yield item

    def stop(self) -> None: ...

    def close(self) -> None: ...


class Still:
    """An estimator that finds the same poses everywhere."""

    name, family, skeleton = "still", "yolo-pose", COCO17

    def __init__(self, poses: Poses) -> None:
        self._poses = poses

    def estimate(self, image_bgr: Image) -> Poses:
        return self._poses


class Slow(Still):
    """Is done with an image when its source has given ten more items, or all."""

    def __init__(self, poses: Poses, source: Script) -> None:
        super().__init__(poses)
        self._source = source

    def estimate(self, image_bgr: Image) -> Poses:
        until = min(self._source.given + 10, self._source.count)
        while self._source.given < until:
            time.sleep(0.001)
        return super().estimate(image_bgr)


class Memory:
    """A sink that keeps all it is given."""

    def __init__(self) -> None:
        self.taken: list[Result | Gap] = []

    def write(self, result: Result) -> None:
        self.taken.append(result)

    gap = write  # type: ignore[assignment]


def frame(index: int) -> Frame:
    return Frame(index, np.full((6, 8, 3), index % 200, np.uint8), Fraction(index, 30))


def halve(poses: Poses) -> Poses:
    return poses.with_scores(poses.scores / 2)


def test_what_comes_out_is_what_a_loop_would_give(random_poses: Poses) -> None:
    sink = Memory()
    stages = [
        estimate([Still(random_poses)]),
        refine(halve, 0.2),
        draw(lambda result: result.frame.image_bgr + 1),
        write([sink]),
    ]
    results = list(process(Script(*map(frame, range(9))), stages, Telemetry()))
    assert [result.frame.index for result in results] == list(range(9))
    assert results == sink.taken
    for index, result in enumerate(results):
        assert result.poses.raw_scores is not None
        np.testing.assert_array_equal(result.poses.keypoints, random_poses.keypoints)
        np.testing.assert_array_equal(result.poses.raw_scores, random_poses.scores)
        np.testing.assert_array_equal(result.kept, result.poses.scores >= 0.2)
        assert result.drawn is not None
        assert (result.drawn == index + 1).all()


def test_a_further_stage_is_one_more_entry(random_poses: Poses) -> None:
    seen = []

    def note(result: Result) -> Result:
        seen.append(result.frame.index)
        return result

    stages = [estimate([Still(random_poses)]), Stage.of("note", note)]
    telemetry = Telemetry()
    assert len(list(process(Script(*map(frame, range(4))), stages, telemetry))) == 4
    assert seen == [0, 1, 2, 3]
    assert telemetry.stages["note"].count == 4


def test_gaps_keep_their_place(random_poses: Poses) -> None:
    sink, telemetry = Memory(), Telemetry()
    stages = [estimate([Still(random_poses)]), refine(halve, 0.2), write([sink])]
    results = list(process(Script(frame(0), frame(1), GAP, frame(2)), stages, telemetry))
    assert results == sink.taken
    assert [r if isinstance(r, Gap) else r.frame.index for r in results] == [0, 1, GAP, 2]
    assert (telemetry.gaps, telemetry.reconnects, telemetry.frames_out) == (1, 1, 3)


def test_frames_refined_together_are_as_one_by_one(random_poses: Poses) -> None:
    counts = []

    def together(images: Sequence[Poses]) -> list[Poses]:
        counts.append(len(images))
        return list(map(halve, images))

    items = [*map(frame, range(6)), GAP, *map(frame, range(6, 10))]
    found = estimate([Still(random_poses)])
    alone = list(process(Script(*items), [found, refine(halve, 0.2)], Telemetry()))
    telemetry = Telemetry()
    results = list(process(Script(*items), [found, refine_batches(together, 0.2, 4)], telemetry))
    assert counts == [4, 2, 1, 3]  # the gap counts, and nothing is refined across it
    assert telemetry.stages["refine"].count == 10
    for one, several in zip(alone, results, strict=True):
        if isinstance(one, Gap):
            assert several is one
            continue
        assert isinstance(several, Result)
        assert (several.frame, several.threshold) == (one.frame, one.threshold)
        np.testing.assert_array_equal(several.poses.scores, one.poses.scores)
        np.testing.assert_array_equal(several.kept, one.kept)


def test_max_frames_asks_for_no_more(random_poses: Poses) -> None:
    source = Script(*map(frame, range(9)))
    results = process(source, [estimate([Still(random_poses)])], Telemetry(), max_frames=4)
    assert len(list(results)) == source.given == 4


def test_realtime_drops_what_is_old(random_poses: Poses) -> None:
    """A camera that is ten times as fast as the model, which always gets the newest image."""
    count, telemetry = 100, Telemetry()
    source = Script(*map(frame, range(count - 1)), GAP, frame(count - 1), pause=0.002)
    stages = [estimate([Slow(random_poses, source)])]
    results = list(process(source, stages, telemetry, realtime=True))
    indices = [result.frame.index for result in results if isinstance(result, Result)]
    assert indices == sorted(set(indices))
    assert indices[-1] == count - 1
    assert GAP in results
    assert telemetry.dropped > count / 2
    assert telemetry.frames_in == count == telemetry.frames_out + telemetry.dropped


def test_drops_are_counted_while_the_run_goes_on(random_poses: Poses) -> None:
    telemetry = Telemetry()
    source = Script(*map(frame, range(100)), pause=0.002)
    stages = [estimate([Slow(random_poses, source)])]
    dropped = [telemetry.dropped for _ in process(source, stages, telemetry, realtime=True)]
    assert 0 < dropped[len(dropped) // 2] < dropped[-1]


def test_a_threshold_may_move(random_poses: Poses) -> None:
    threshold = Threshold(0.0)
    stages = [estimate([Still(random_poses)]), refine(lambda poses: poses, threshold)]
    source = Script(*map(frame, range(9)), pause=0.01)
    with closing(process(source, stages, Telemetry())) as results:
        assert next(results).kept.all()
        threshold.move(1.0)
        last = list(results)[-1]
    assert not last.kept.any()
    assert last.threshold == 1.0
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(PosesError, match="a number from 0 to 1"):
            threshold.move(wrong)
    assert float(threshold) == 1.0


def test_realtime_counts_the_frames_that_were_used(random_poses: Poses) -> None:
    source = Script(*map(frame, range(1000)), pause=0.001)
    stages = [estimate([Slow(random_poses, source)])]
    results = process(source, stages, Telemetry(), realtime=True, max_frames=3)
    assert len(list(results)) == 3
    assert source.given < 1000


def test_few_frames_are_alive_at_a_time(random_poses: Poses) -> None:
    alive: weakref.WeakSet[Frame] = weakref.WeakSet()
    most = 0

    def frames() -> Iterator[Frame]:
        nonlocal most
        for index in range(300):
            item = frame(index)
            alive.add(item)
            most = max(most, len(alive))
            yield item

    class Long(Script):
        def __iter__(self) -> Iterator[Frame | Gap]:
            return frames()

    stages = [estimate([Still(random_poses)]), refine(halve, 0.2), write([])]
    assert sum(1 for _ in process(Long(), stages, Telemetry())) == 300
    assert most <= 3 * (len(stages) + 1) + 2


def test_leaving_early_leaves_no_thread(random_poses: Poses) -> None:
    before = threading.active_count()
    source = Script(*map(frame, range(1000)))
    with closing(process(source, [estimate([Still(random_poses)])], Telemetry())) as results:
        next(results)
    assert threading.active_count() == before
    assert source.given < 12


@pytest.mark.parametrize("stage", ["estimate", "refine", "draw", "write"])
def test_a_stage_that_fails_leaves_what_was_done_before(stage: str, random_poses: Poses) -> None:
    sink = Memory()
    stages = [
        estimate([Still(random_poses)]),
        refine(halve, 0.2),
        draw(lambda result: result.frame.image_bgr),
        write([sink]),
    ]
    place = [one.name for one in stages].index(stage)
    calls = iter(range(100))

    def failing(item: object) -> Result:
        if next(calls) == 5:
            raise OSError("the cable")
        (result,) = stages[place].workers[0]([item])
        return result

    broken = [*stages[:place], Stage.of(stage, failing), *stages[place + 1 :]]
    telemetry = Telemetry()
    done: list[Result | Gap] = []
    results = process(Script(*map(frame, range(50))), broken, telemetry)
    with pytest.raises(OSError, match="the cable"):
        done.extend(results)
    assert [r.frame.index for r in done if isinstance(r, Result)] == list(range(5))
    assert sink.taken == done
    assert telemetry.frames_out == 5
