"""Workers as actors of Ray, on the machines of a cluster.

Actors rather than Ray Data: parts are published by the workers themselves and nothing flows back,
so that Ray has only to place and to watch them. What is retried and what counts as done is decided
in one place, by the names of the parts, with and without Ray.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rcnet_rt.errors import RcnetError, missing_package
from rcnet_rt.privacy import disable_telemetry
from rcnet_rt.workflows.fleet.items import Item
from rcnet_rt.workflows.fleet.pool import Lost
from rcnet_rt.workflows.fleet.threads import limit_threads
from rcnet_rt.workflows.fleet.worker import Answer, Setup, Worker

__all__ = ["RayPool"]

LOCAL = "local"


@dataclass(eq=False)
class ActorHandle:
    """An actor, and the answer that is waited for."""

    actor: Any
    answer: list[Any] = field(default_factory=list)


class WorkerActor:
    """A worker inside an actor."""

    def __init__(self, setup: Setup) -> None:
        limit_threads(setup.threads)
        self._worker: Worker | RcnetError = _loaded(setup)

    def answer(self, item: Item) -> Answer | Lost | RcnetError:
        """Do one item; errors that end the run come back as values."""
        if isinstance(self._worker, RcnetError):
            return self._worker
        try:
            return self._worker(item)
        except RcnetError as error:
            return error
        except Exception as error:
            return Lost(f"unexpected {type(error).__name__}: {error}", alive=True)


def _loaded(setup: Setup) -> Worker | RcnetError:
    try:
        return Worker(setup)
    except RcnetError as error:
        return error


class RayPool:
    """Starts actors on a cluster.

    Args:
        setup: of each worker.
        devices: of the workers, in turn; one that begins with "cuda" takes a GPU from Ray.
        address: of the cluster, or "local" to start one here.

    Raises:
        RcnetError: Ray is not installed, or does not answer.
    """

    def __init__(self, setup: Setup, devices: Sequence[str], address: str) -> None:
        disable_telemetry()
        try:
            import ray
        except ImportError as error:
            raise RcnetError(missing_package("ray", "Ray clusters", "rcnet-rt[ray]")) from error
        self._ray = ray
        self._setup, self._devices = setup, devices
        if not ray.is_initialized():
            try:
                ray.init(
                    address=None if address == LOCAL else address,
                    include_dashboard=False if address == LOCAL else None,
                    log_to_driver=False,
                    configure_logging=False,
                )
            except (ConnectionError, RuntimeError, ValueError) as error:
                raise RcnetError(
                    f"the Ray cluster {address} does not answer ({error}); start it with `ray "
                    "start --head`, or give --ray local"
                ) from error

    def start(self, slot: int) -> ActorHandle:
        """Start an actor; Ray places it where there is room."""
        device = self._devices[slot % len(self._devices)]
        needs = {"num_cpus": self._setup.threads, "num_gpus": int(device.startswith("cuda"))}
        actor = self._ray.remote(WorkerActor).options(**needs)
        return ActorHandle(actor.remote(replace(self._setup, device=device)))

    def send(self, worker: ActorHandle, item: Item) -> None:
        """Give it an item."""
        worker.answer = [worker.actor.answer.remote(item)]

    def wait(
        self, workers: list[ActorHandle], seconds: float
    ) -> list[tuple[ActorHandle, Answer | Lost]]:
        """Return the answers that come within that time.

        Raises:
            RcnetError: what a worker could not load, or not write.
        """
        answers = [worker.answer[0] for worker in workers]
        ready, _ = self._ray.wait(answers, num_returns=len(answers), timeout=seconds)
        return [(worker, self._get(worker)) for worker in workers if worker.answer[0] in ready]

    def stop(self, worker: ActorHandle) -> None:
        """Kill the actor."""
        self._ray.kill(worker.actor)

    def _get(self, worker: ActorHandle) -> Answer | Lost:
        try:
            answer: Any = self._ray.get(worker.answer[0])
        except self._ray.exceptions.RayError as error:
            return Lost(f"its worker died ({type(error).__name__})")
        if isinstance(answer, RcnetError):
            raise answer
        result: Answer | Lost = answer
        return result
