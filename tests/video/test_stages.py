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

from rcnet_rt.video.stages import Channel, End, Newest, Ordered, Step, each, run

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


def stages(at: dict[str, int]) -> list[Step]:
    return [step(name, failing(name, at)) for name in NAMES[1:]]


def step(name: str, function: Callable[[int], int], workers: int = 1, batch: int = 1) -> Step:
    return Step(name, [each(function)] * workers, batch)


def test_order_is_kept_where_stages_differ_in_speed() -> None:
    def slow(item: int) -> int:
        time.sleep(0.002 * (item % 3))
        return item

    steps = [step("slow", slow), step("square", lambda item: item**2), step("slow", slow)]
    assert list(run(range(30), steps)) == [item**2 for item in range(30)]


def test_each_stage_has_a_thread_of_its_own() -> None:
    seen: dict[str, str] = {}

    def note(name: str) -> Callable[[int], int]:
        return lambda item: seen.setdefault(name, threading.current_thread().name) and item

    assert list(run([1, 2], [step("one", note("one")), step("two", note("two"))])) == [1, 2]
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

    done = list(run(range(1000), [step("slow", slow)], first=newest))
    assert done == sorted(done)
    assert done[-1] == 999
    assert len(done) + newest.dropped == 1000


def test_a_closed_channel_takes_and_gives_nothing() -> None:
    channel = Channel(1)
    assert channel.put(1)
    channel.close()
    assert not channel.put(2)
    assert isinstance(channel.get(), End)


def test_numbered_items_come_in_order() -> None:
    channel = Ordered(3)
    assert channel.put_at(2, "c")
    with pytest.raises(TimeoutError):
        channel.get(0.01)
    assert channel.put_at(0, "a")
    assert channel.put_at(1, "b")
    assert [channel.get(), channel.get(), channel.get()] == ["a", "b", "c"]
    channel.close()
    assert not channel.put_at(3, "d")


def test_an_item_far_ahead_waits_outside() -> None:
    channel, done = Ordered(2), threading.Event()

    def put() -> None:
        channel.put_at(2, "c")
        done.set()

    thread = threading.Thread(target=put)
    thread.start()
    assert not done.wait(0.05)
    channel.put_at(0, "a")
    assert not done.wait(0.05)
    assert channel.get() == "a"
    assert done.wait(5)
    thread.join()


@pytest.mark.parametrize(("workers", "batch"), [(2, 1), (5, 1), (1, 4), (3, 4)])
def test_several_workers_keep_the_order(workers: int, batch: int) -> None:
    def uneven(item: int) -> int:
        time.sleep(0.001 * (item * 7 % 5))
        return item

    steps = [step("uneven", uneven, workers, batch), step("square", lambda item: item**2)]
    assert list(run(range(50), steps)) == [item**2 for item in range(50)]


def test_workers_are_at_work_at_the_same_time() -> None:
    together = threading.Barrier(3)

    def meet(item: int) -> int:
        together.wait(10)
        return item

    assert list(run(range(6), [step("meet", meet, 3)])) == list(range(6))


def test_batches_are_full_but_for_the_last() -> None:
    seen: list[list[int]] = []

    def note(items: list[int]) -> list[int]:
        seen.append(items)
        return items

    assert list(run(range(10), [Step("note", [note], batch=4)])) == list(range(10))
    assert seen == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(("workers", "batch"), [(2, 1), (4, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("bad", [{0}, {5}, {5, 6, 7}, {COUNT - 1}])
def test_of_items_that_fail_in_several_workers_the_first_counts(
    workers: int, batch: int, bad: set[int]
) -> None:
    """Also where a later item fails sooner: all items before the first come out."""

    def fail(item: int) -> int:
        time.sleep(0.002 * (COUNT - item))
        if item in bad:
            raise BrokenError(item)
        return item

    done: list[int] = []
    with pytest.raises(BrokenError) as raised:
        done.extend(run(range(COUNT), [step("fail", fail, workers, batch), *stages({})]))
    assert raised.value.args == (min(bad),)
    assert done == list(range(min(bad)))


@pytest.mark.parametrize("taken", [0, 1, 5, COUNT])
def test_a_consumer_may_leave_several_workers(taken: int) -> None:
    steps = [step("many", lambda item: item, 3, 2), *stages({})]
    with closing(run(itertools.count(), steps)) as results:
        assert list(itertools.islice(results, taken)) == list(range(taken))


@pytest.mark.parametrize(("workers", "batch"), [(4, 1), (1, 4), (3, 4)])
def test_what_waits_for_several_workers_is_bounded(workers: int, batch: int) -> None:
    """Also where the first item takes longest, and all others could go on without end."""
    given: list[int] = []
    seen: list[int] = []
    go_on = threading.Event()

    def source() -> Iterator[int]:
        for item in itertools.count():
            given.append(item)
            yield item

    def first_is_slow(item: int) -> int:
        if item == 0:
            go_on.wait(10)
        return item

    def check() -> None:
        if not seen:
            time.sleep(0.1)
            seen.append(len(given))
            go_on.set()

    steps = [step("slow", first_is_slow, workers, batch)]
    with closing(run(source(), steps, check=check)) as results:
        assert next(results) == 0
    held = workers * batch
    # The source holds one, each channel as many as it has room for, each worker a batch.
    assert held < seen[0] <= 1 + 2 * (2 + held - 1) + held
