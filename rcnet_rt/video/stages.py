"""Functions as stages: each in threads of its own, short queues between them, order kept.

for result in run(items, [Step("square", [each(square)]), Step("add", [each(add_one)])]):
    ...

The outcome is that of a plain loop, only sooner. What fails at the n-th item stops everything that
comes before it at once; items before the n-th go on to the end, then the error is raised as it is.
A consumer that leaves early stops all stages.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

__all__ = ["DEPTH", "Channel", "Newest", "Ordered", "Step", "each", "in_turn", "run"]

DEPTH = 2  # items that wait between two stages
LOOK_UP = 0.1  # seconds between two calls of `check` while nothing comes

Function = Callable[[list[Any]], Iterable[Any]]  # one result for each item


@dataclass(frozen=True)
class Step:
    """One stage of `run`.

    Attributes:
        name: of its threads.
        workers: a function for each thread. A free worker takes the next items; results keep the
            order of the items, whichever is done first.
        batch: how many items a worker takes at once; only the last ones may be fewer.
    """

    name: str
    workers: Sequence[Function]
    batch: int = 1

    @property
    def in_hand(self) -> int:
        """How many items its workers hold at most."""
        return self.batch * len(self.workers)


def each(function: Callable[[Any], Any]) -> Function:
    """Return what a worker does with every item on its own.

    >>> list(each(abs)([-1, 2]))
    [1, 2]
    """
    return partial(map, function)


@dataclass(frozen=True, eq=False)
class End:
    """The last thing in a channel, with the error that led to it, if there was one."""

    error: BaseException | None = None


class Channel:
    """A queue with room for `depth` items that either side can close; safe between threads."""

    def __init__(self, depth: int = DEPTH) -> None:
        self._depth = depth
        self._items: deque[Any] = deque()
        self._closed = False
        self._changed = threading.Condition()

    def put(self, item: Any) -> bool:
        """Append an item when there is room; False if the channel is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or len(self._items) < self._depth)
            if not self._closed:
                self._append(item)
                self._changed.notify_all()
            return not self._closed

    def get(self, seconds: float | None = None) -> Any:
        """Take the oldest item, or an `End` where the channel is closed.

        Raises:
            TimeoutError: nothing came in that time.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._closed or self._items, seconds):
                raise TimeoutError
            if self._closed:
                return End()
            item = self._take()
            self._changed.notify_all()
            return item

    def close(self) -> None:
        """Let go of what waits; both sides learn it at their next step."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    def _append(self, item: Any) -> None:
        self._items.append(item)

    def _take(self) -> Any:
        return self._items.popleft()


class Ordered(Channel):
    """Takes numbered items in any order, gives them in the order of their numbers, from 0.

    An item waits outside while it is `depth` or more numbers ahead of the next to be taken.
    """

    def __init__(self, depth: int = DEPTH) -> None:
        super().__init__(depth)
        self._early: dict[int, Any] = {}  # items that wait for one before them
        self._next = 0  # the number that is appended next

    def put_at(self, number: int, item: Any) -> bool:
        """Put an item in its place when there is room; False if the channel is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or number < self._end())
            if self._closed:
                return False
            self._early[number] = item
            while self._next in self._early:
                self._append(self._early.pop(self._next))
                self._next += 1
            self._changed.notify_all()
            return True

    def close(self) -> None:
        """Let go of what waits; both sides learn it at their next step."""
        with self._changed:
            self._early.clear()
            super().close()

    def _end(self) -> int:
        return self._next - len(self._items) + self._depth


class Newest(Channel):
    """Never full: an item that may be dropped gives way to the next, so the reader has no delay.

    Args:
        may_drop: whether an item may be dropped; others (events) are kept.
        limit: closes after so many such items were taken.
    """

    def __init__(self, may_drop: Callable[[Any], bool], limit: int | None = None) -> None:
        super().__init__()
        self._may_drop = may_drop
        self._left = limit
        self.dropped = 0

    def put(self, item: Any) -> bool:
        """Replace the item that waits; False if the channel is closed."""
        with self._changed:
            if self._closed:
                return False
            if self._items and self._may_drop(item) and self._may_drop(self._items[-1]):
                self._items.pop()
                self.dropped += 1
            self._items.append(item)
            self._changed.notify_all()
            return True

    def _take(self) -> Any:
        if self._left == 0:
            self._closed = True
            return End()
        item = super()._take()
        if self._left is not None and self._may_drop(item):
            self._left -= 1
        return item


class Intake:
    """Numbers the items of a channel as several workers take them."""

    def __init__(self, channel: Channel) -> None:
        self.close = channel.close
        self._channel = channel
        self._count = 0
        self._alone = threading.Lock()

    def take(self, count: int) -> tuple[int, list[Any], End | None]:
        """Return the number of the first item, up to `count` items, and the end if it was met."""
        with self._alone:
            number = self._count
            items: list[Any] = []
            while len(items) < count:
                item = self._channel.get()
                self._count += 1
                if isinstance(item, End):
                    return number, items, item
                items.append(item)
            return number, items, None


def run(
    items: Iterable[Any],
    steps: Sequence[Step],
    *,
    first: Channel | None = None,
    depth: int = DEPTH,
    check: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Any, None, None]:
    """Yield every item after all steps, in order; close the iterator to stop early.

    Args:
        items: iterated in a thread of its own.
        steps: what becomes of them.
        first: what stands between the items and the first step, instead of a queue.
        depth: how many items may wait between two steps of one worker; further workers, and
            batches, have room for as many more as they hold.
        check: called here, between items and while none comes; it may raise to stop.
        stop: called before the threads are waited for; wakes an iterator that waits long.

    Raises:
        BaseException: what the items or a step raised.
    """
    channels = [first or Channel(_room(steps[:1], depth))]
    threads = [threading.Thread(target=_feed, args=(items, channels[0]), name="rcnet-rt source")]
    for place, step in enumerate(steps):
        source, out = Intake(channels[-1]), Ordered(_room(steps[place : place + 2], depth))
        channels.append(out)
        threads += [
            threading.Thread(
                target=_work, args=(function, step.batch, source, out), name=f"rcnet-rt {step.name}"
            )
            for function in step.workers
        ]
    started: list[threading.Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        yield from _results(channels[-1], check)
    finally:
        for channel in channels:
            channel.close()
        stop()
        for thread in started:
            thread.join()


def in_turn(items: Iterable[Any], steps: Sequence[Step]) -> Iterator[Any]:
    """Yield every item after all steps as `run` does, in this thread and as they are asked for.

    Each step has its first worker alone. What an item or a step raises is raised at once: items
    that wait for a batch to be full are lost.

    >>> list(in_turn([1, 2, 3], [Step("largest", [lambda some: [max(some)] * len(some)], batch=2)]))
    [2, 2, 3]
    """
    for step in steps:
        items = _in_batches(items, step)
    return iter(items)


def _in_batches(items: Iterable[Any], step: Step) -> Iterator[Any]:
    left = iter(items)
    while batch := list(itertools.islice(left, step.batch)):
        yield from step.workers[0](batch)


def _room(beside: Sequence[Step], depth: int) -> int:
    """Return how many items may wait between two steps."""
    return depth + max((step.in_hand - 1 for step in beside), default=0)


def _results(channel: Channel, check: Callable[[], None]) -> Iterator[Any]:
    while True:
        check()
        with contextlib.suppress(TimeoutError):
            item = channel.get(LOOK_UP)
            if not isinstance(item, End):
                yield item
            elif item.error is None:
                return
            else:
                raise item.error


def _feed(items: Iterable[Any], out: Channel) -> None:
    try:
        for item in items:
            if not out.put(item):
                return
        out.put(End())
    except BaseException as error:  # whatever it is, it is raised where the results are read
        out.put(End(error))


def _work(function: Function, batch: int, source: Intake, out: Ordered) -> None:
    """Take, compute, hand on; closing the source tells the steps before to stop."""
    number = 0
    end: End | None = None
    try:
        while end is None:
            number, items, end = source.take(batch)
            for result in function(items):
                if not out.put_at(number, result):
                    return
                number += 1
        out.put_at(number, end)
    except BaseException as error:
        source.close()
        out.put_at(number, End(error))
    finally:
        source.close()
