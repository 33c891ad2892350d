"""Stages: as a plain loop, whatever fails, whoever leaves, and no thread left behind."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rcnet_rt.video.stages import Channel, End, Newest, run

COUNT = 12
NAMES = ["source", "one", "two", "three"]


class BrokenError(Exception):
    """What a stage raises here."""


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def failing(name: str, at: dict[str, int]) -> Callable[[int], int]:
    calls = itertools.count()

    def function(item: int) -> int:
        if next(calls) == at.get(name):
            raise BrokenError(name)
        return item

    return function


def source(at: dict[str, int]) -> Iterator[int]:
    function = failing("source", at)
    for item in range(COUNT):
        yield function(item)


def stages(at: dict[str, int]) -> list[tuple[str, Callable[[int], int]]]:
    return [(name, failing(name, at)) for name in NAMES[1:]]


def test_order_is_kept_where_stages_differ_in_speed() -> None:
    def slow(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    steps = [("slow", slow), ("square", lambda item: item**2), ("slow", slow)]
    assert list(run(range(30), steps)) == [item**2 for item in range(30)]


def test_each_stage_has_a_thread_of_its_own() -> None:
    seen: dict[str, str] = {}

    def note(name: str) -> Callable[[int], int]:
        return lambda item: seen.setdefault(name, threading.current_thread().name) and item

    assert list(run([1, 2], [("one", note("one")), ("two", note("two"))])) == [1, 2]
    assert seen == {"one": "rcnet-rt one", "two": "rcnet-rt two"}


def test_without_items_or_stages() -> None:
    assert list(run([], stages({}))) == []
    assert list(run(range(3), [])) == [0, 1, 2]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("at", [0, 1, COUNT // 2, COUNT - 1])
def test_a_failure_comes_after_what_was_finished_before_it(name: str, at: int) -> None:
    done: list[int] = []
    with (
        pytest.raises(BrokenError, match=name),
        closing(run(source({name: at}), stages({name: at}))) as r,
    ):
        done.extend(r)
    assert done == list(range(at))


@given(st.dictionaries(st.sampled_from(NAMES), st.integers(0, COUNT), max_size=4))
def test_of_several_failures_the_first_in_order_counts(at: dict[str, int]) -> None:
    """Exactly what a plain loop would do; within one item, the earlier stage fails first."""
    expected: list[int] = []
    failed = None
    for item in range(COUNT):
        failed = next((name for name in NAMES if at.get(name) == item), None)
        if failed:
            break
        expected.append(item)
    done: list[int] = []
    with pytest.raises(BrokenError, match=failed) if failed else nullcontext():
        done.extend(run(source(at), stages(at)))
    assert done == expected


@pytest.mark.parametrize("taken", [0, 1, 5, COUNT])
def test_a_consumer_may_leave_early(taken: int) -> None:
    with closing(run(itertools.count(), stages({}))) as results:
        assert list(itertools.islice(results, taken)) == list(range(taken))


def test_check_may_interrupt_while_nothing_comes() -> None:
    stopped, calls = threading.Event(), itertools.count()

    def silent() -> Iterator[int]:
        yield 0
        stopped.wait()

    def check() -> None:
        if next(calls) == 3:
            raise KeyboardInterrupt

    done: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        done.extend(run(silent(), stages({}), check=check, stop=stopped.set))
    assert stopped.is_set()


def test_a_failure_stops_the_stages_before_it_at_once() -> None:
    taken = itertools.count()
    with pytest.raises(BrokenError):
        list(run((next(taken) for _ in itertools.count()), stages({"one": 4})))
    assert next(taken) <= 4 + 1 + 2 + 1 + 1  # failed, waiting, in hand, and the one after


def test_what_waits_is_bounded() -> None:
    made = itertools.count()
    depth, steps = 2, stages({})
    with closing(run((next(made) for _ in itertools.count()), steps, depth=depth)) as results:
        next(results)
        time.sleep(0.05)
        # Each of four threads holds one, each of four channels two; one was taken.
        assert next(made) <= 1 + 4 + 4 * depth


def test_the_newest_takes_the_place_of_what_waits() -> None:
    channel = Newest(lambda item: isinstance(item, int))
    for item in (1, 2, "event", 3, 4, 5):
        assert channel.put(item)
    assert [channel.get(), channel.get(), channel.get()] == [2, "event", 5]
    assert channel.dropped == 3
    with pytest.raises(TimeoutError):
        channel.get(0.01)


def test_the_newest_ends_at_its_limit() -> None:
    channel = Newest(lambda item: isinstance(item, int), limit=2)
    got = []
    for item in ("event", 1, 2):
        channel.put(item)
        got.append(channel.get())
    assert got == ["event", 1, 2]
    channel.put(3)
    assert isinstance(channel.get(), End)
    assert not channel.put(4)


def test_a_fast_source_and_a_slow_stage() -> None:
    """The end of a source is never dropped, and neither is its last item."""
    newest = Newest(lambda item: isinstance(item, int))

    def slow(item: int) -> int:
        time.sleep(0.01)
        return item

    done = list(run(range(1000), [("slow", slow)], first=newest))
    assert done == sorted(done)
    assert done[-1] == 999
    assert len(done) + newest.dropped == 1000


def test_a_closed_channel_takes_and_gives_nothing() -> None:
    channel = Channel(1)
    assert channel.put(1)
    channel.close()
    assert not channel.put(2)
    assert isinstance(channel.get(), End)
