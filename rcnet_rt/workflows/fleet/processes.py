"""Workers as processes of this machine, each started anew (spawn) with a pipe of its own."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from dataclasses import dataclass, replace
from multiprocessing import connection
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

from rcnet_rt.errors import RcnetError
from rcnet_rt.workflows.fleet.items import Item
from rcnet_rt.workflows.fleet.pool import Lost
from rcnet_rt.workflows.fleet.threads import limit_threads
from rcnet_rt.workflows.fleet.worker import Answer, Setup, Worker

__all__ = ["ProcessPool"]


@dataclass(frozen=True, eq=False)
class WorkerProcess:
    """A process, and the pipe to it."""

    process: SpawnProcess
    pipe: Connection


class ProcessPool:
    """Starts processes.

    Args:
        setup: of each worker.
        devices: of the workers, in turn.
    """

    def __init__(self, setup: Setup, devices: Sequence[str]) -> None:
        self._setup, self._devices = setup, devices
        self._context = multiprocessing.get_context("spawn")

    def start(self, slot: int) -> WorkerProcess:
        """Start a process; it loads its models meanwhile."""
        setup = replace(self._setup, device=self._devices[slot % len(self._devices)])
        ours, theirs = self._context.Pipe()
        process = self._context.Process(
            target=serve, args=(theirs, setup), name=f"rcnet-rt worker {slot}", daemon=True
        )
        process.start()
        theirs.close()  # so that its end is seen here
        return WorkerProcess(process, ours)

    def send(self, worker: WorkerProcess, item: Item) -> None:
        """Give it an item; that a process is dead is seen by `wait`."""
        with contextlib.suppress(OSError):
            worker.pipe.send(item)

    def wait(
        self, workers: list[WorkerProcess], seconds: float
    ) -> list[tuple[WorkerProcess, Answer | Lost]]:
        """Return the answers that come within that time.

        Raises:
            RcnetError: what a worker could not load, or not write.
        """
        ready = connection.wait([worker.pipe for worker in workers], seconds)
        return [(worker, _receive(worker)) for worker in workers if worker.pipe in ready]

    def stop(self, worker: WorkerProcess) -> None:
        """Kill the process: what it has not published is lost on purpose."""
        worker.process.kill()
        worker.process.join()
        worker.pipe.close()


def _receive(worker: WorkerProcess) -> Answer | Lost:
    try:
        answer: Any = worker.pipe.recv()
    except (EOFError, OSError):
        worker.process.join()
        code = worker.process.exitcode or 0
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return Lost(f"its worker died ({how})")
    if isinstance(answer, RcnetError):
        raise answer
    result: Answer | Lost = answer
    return result


def serve(pipe: Connection, setup: Setup) -> None:
    """Be a worker: answer items until the pipe is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which ends this one
    threading.Thread(target=_die_with_parent, daemon=True).start()
    try:
        limit_threads(setup.threads)
        worker = Worker(setup)
        while True:
            pipe.send(_answer(worker, pipe.recv()))
    except RcnetError as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError):
        pass


def _answer(worker: Worker, item: Item) -> Answer | Lost:
    try:
        return worker(item)
    except RcnetError:
        raise
    except Exception as error:
        return Lost(f"unexpected {type(error).__name__}: {error}", alive=True)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    connection.wait([parent.sentinel])
    os._exit(1)
