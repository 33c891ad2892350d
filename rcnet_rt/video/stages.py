"""Functions as stages: each in a thread of its own, short queues between them, order kept.

for result in run(items, [("square", square), ("add", add_one)]):
    ...

The outcome is that of a plain loop, only sooner. What fails at the n-th item stops everything that
comes before it at once; items before the n-th go on to the end, then the error is raised as it is.
A consumer that leaves early stops all stages.
"""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["DEPTH", "Channel", "Newest", "run"]

DEPTH = 2  # items that wait between two stages
LOOK_UP = 0.1  # seconds between two calls of `check` while nothing comes

Function = Callable[[Any], Any]


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


def run(
    items: Iterable[Any],
    stages: Sequence[tuple[str, Function]],
    *,
    first: Channel | None = None,
    depth: int = DEPTH,
    check: Callable[[], None] = lambda: None,
    stop: Callable[[], None] = lambda: None,
) -> Generator[Any, None, None]:
    """Yield every item after all stages, in order; close the iterator to stop early.

    Args:
        items: iterated in a thread of its own.
        stages: names, for the threads, and functions from item to item.
        first: what stands between the items and the first stage, instead of a queue.
        depth: how many items may wait between two stages.
        check: called here, between items and while none comes; it may raise to stop.
        stop: called before the threads are waited for; wakes an iterator that waits long.

    Raises:
        BaseException: what the items or a stage raised.
    """
    channels = [first or Channel(depth), *(Channel(depth) for _ in stages)]
    threads = [threading.Thread(target=_feed, args=(items, channels[0]), name="rcnet-rt source")]
    for (name, function), before, after in zip(stages, channels, channels[1:], strict=False):
        arguments = (function, before, after)
        threads.append(threading.Thread(target=_work, args=arguments, name=f"rcnet-rt {name}"))
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


def _work(function: Function, source: Channel, out: Channel) -> None:
    """Take, compute, hand on; closing the source tells the stages before to stop."""
    try:
        while not isinstance(item := source.get(), End):
            if not out.put(function(item)):
                return
        out.put(item)
    except BaseException as error:
        out.put(End(error))
    finally:
        source.close()
