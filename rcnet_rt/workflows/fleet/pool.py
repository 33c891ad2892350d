"""Items given to workers, and what they answer; a worker that dies is replaced.

What starts workers is a `Pool`: processes of this machine, or actors of Ray. Which item runs where,
how often it is tried, and what comes next is decided here, the same for both.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from rcnet_rt.errors import EstimatorError
from rcnet_rt.workflows.fleet.items import Done, Item
from rcnet_rt.workflows.fleet.worker import Answer, failures_of

__all__ = ["ATTEMPTS", "Lost", "Pool", "work_off"]

ATTEMPTS = 3  # at an item whose worker died, before it counts as failed
LOOK_UP = 0.1  # seconds between two calls of `check` while no worker answers


@dataclass(frozen=True)
class Lost:
    """The answer of a worker that died, or that failed in an unexpected way."""

    reason: str
    alive: bool = False


class Pool(Protocol):
    """Starts and ends workers; what they are is known to the pool alone."""

    def start(self, slot: int) -> Any:
        """Start a worker; of several, `slot` is its number."""
        ...

    def send(self, worker: Any, item: Item) -> None:
        """Give it an item; it has none."""
        ...

    def wait(self, workers: list[Any], seconds: float) -> list[tuple[Any, Answer | Lost]]:
        """Return the answers that come within that time.

        Raises:
            RcnetError: a worker cannot load its models, or cannot write.
        """
        ...

    def stop(self, worker: Any) -> None:
        """End a worker at once, and what it does with it."""
        ...


def work_off(
    queue: deque[Item], pool: Pool, count: int, check: Callable[[], None]
) -> Iterator[tuple[Item, Answer]]:
    """Yield each item with its answer, as they come; the caller may append items meanwhile.

    Args:
        queue: items, the next one on the left.
        pool: starts workers, no more than there are items.
        count: how many workers.
        check: called often; it may raise to stop.

    Raises:
        RcnetError: a worker cannot load its models, or cannot write.
    """
    workers: dict[int, Any] = {}  # by slot
    items: dict[int, Item] = {}  # what each does
    lost: Counter[Item] = Counter()
    answered = False
    try:
        while queue or items:
            check()
            for slot in range(count):
                if not queue:
                    break
                if slot not in items:
                    if slot not in workers:
                        workers[slot] = pool.start(slot)
                    items[slot] = queue.popleft()
                    pool.send(workers[slot], items[slot])
            for slot, answer in _answers(pool, workers, items):
                item = items.pop(slot)
                if not isinstance(answer, Lost):
                    answered = True
                    yield item, answer
                    continue
                if not answer.alive:
                    pool.stop(workers.pop(slot))
                lost[item] += 1
                if lost[item] < ATTEMPTS:
                    queue.appendleft(item)
                    continue
                reason = f"{answer.reason}, {ATTEMPTS} times"
                if not answered and not answer.alive:
                    raise EstimatorError(f"no worker could start: {reason}; try fewer --workers")
                yield item, Done(failures=failures_of(item, reason))
    finally:
        for worker in workers.values():
            pool.stop(worker)


def _answers(
    pool: Pool, workers: Mapping[int, Any], items: Mapping[int, Item]
) -> list[tuple[int, Answer | Lost]]:
    busy = [workers[slot] for slot in items]
    slots = {id(workers[slot]): slot for slot in items}
    return [(slots[id(worker)], answer) for worker, answer in pool.wait(busy, LOOK_UP)]
