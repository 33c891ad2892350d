"""Several trainings at once, each in a process of its own, with the same numbers as one by one.

Torch computes with one thread in each case, since sums depend on the number of threads. A process
gets a `Training` and a checkpoint path, and sends back its progress and the network. Processes end
when this one closes them or dies; the checkpoints of finished epochs stay.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch

from rcnet_rt.errors import WeightsError
from rcnet_rt.estimators.cpus import available_cpus
from rcnet_rt.models.rcnet import Network
from rcnet_rt.training.examples import Training
from rcnet_rt.training.fit import run_training
from rcnet_rt.training.monitor import OnEpoch, Progress

__all__ = ["Job", "Task", "default_workers", "one_thread", "run_all"]

# The very modules that this process would import, and no others that lie in the working folder.
PROGRAM = "import sys; sys.path[:] = {!r}; from rcnet_rt.training.worker import main; main()"
SECONDS_TO_END = 10
MIN_POSES = (
    1_000_000  # of all epochs together; below, starting processes takes longer than it saves
)


class Job(NamedTuple):
    """What a process is sent."""

    training: Training
    device: str
    checkpoint: Path


class Task(NamedTuple):
    """A training to run: `prepare` is called when it begins, one at a time."""

    prepare: Callable[[], Training]
    checkpoint: Path


class Finished(NamedTuple):
    """A trained network: the last thing that a process sends of a job."""

    network: Network


class _Result(NamedTuple):
    number: int
    training: Training
    network: Network


def default_workers(device: str, trainings: int, poses: int) -> int:
    """Return how many trainings run at once: one a usable core; 1 on a GPU and for little work.

    Args:
        device: as torch spells it.
        trainings: how many there are.
        poses: number of poses of all trainings and epochs together.
    """
    if torch.device(device).type != "cpu" or poses < MIN_POSES:
        return 1
    return min(available_cpus(), trainings)


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute with one thread: the numbers are the same on any number of cores."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def run_all(
    tasks: Sequence[Task], *, workers: int, device: str, progress: OnEpoch
) -> Generator[tuple[int, Training, Network], None, None]:
    """Yield the number of each task, its training and its network, as they finish.

    Args:
        tasks: in the order in which they begin.
        workers: how many run at once; with 1 they run in this process.
        device: as torch spells it.
        progress: called after every epoch, in this thread.

    Raises:
        WeightsError: a training diverged, a checkpoint does not fit, or a process died.
        DatasetError: there is nothing to learn.
    """
    workers = min(workers, len(tasks))
    if workers > 1:
        yield from _in_processes(tasks, workers, device, progress)
        return
    for number, task in enumerate(tasks):
        training = task.prepare()
        with one_thread():
            network = run_training(training, device, task.checkpoint, progress)
        yield number, training, network


def _in_processes(
    tasks: Sequence[Task], workers: int, device: str, progress: OnEpoch
) -> Generator[tuple[int, Training, Network], None, None]:
    waiting: queue.SimpleQueue[tuple[int, Task]] = queue.SimpleQueue()
    messages: queue.SimpleQueue[Progress | _Result | BaseException] = queue.SimpleQueue()
    for pair in enumerate(tasks):
        waiting.put(pair)
    preparing = threading.Lock()
    with ExitStack() as stack:
        for _ in range(workers):
            process = stack.enter_context(_process())
            # Daemons: an interrupt does not wait for one that prepares a training.
            threading.Thread(
                target=_serve, args=(process, waiting, messages, preparing, device), daemon=True
            ).start()
        left = len(tasks)
        while left:
            message = messages.get()
            if isinstance(message, BaseException):
                raise message
            if isinstance(message, Progress):
                progress(message)
                continue
            left -= 1
            yield message


def _serve(
    process: subprocess.Popen[bytes],
    waiting: queue.SimpleQueue[tuple[int, Task]],
    messages: queue.SimpleQueue[Progress | _Result | BaseException],
    preparing: threading.Lock,
    device: str,
) -> None:
    """Give a process one task after the other, and pass on what it sends."""
    try:
        while True:
            try:
                number, task = waiting.get_nowait()
            except queue.Empty:
                return
            with preparing:
                training = task.prepare()
            for message in _run(process, Job(training, device, task.checkpoint)):
                if isinstance(message, Finished):
                    messages.put(_Result(number, training, message.network))
                else:
                    messages.put(message)
    except BaseException as error:  # the main thread raises it
        messages.put(error)


def _run(process: subprocess.Popen[bytes], job: Job) -> Iterator[Any]:
    """Send a job, and yield what the process sends until it has finished.

    Raises:
        WeightsError: the process died.
    """
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        pickle.dump(job, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
        while True:
            message = pickle.load(process.stdout)  # noqa: S301  # of our own process
            yield message
            if isinstance(message, (Finished, BaseException)):
                return
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        code = process.wait()
        raise WeightsError(
            f"the process that trained {job.training.split!r} died with exit status {code} (-9 is "
            "what a system short of memory does); the finished epochs are kept: resume the run, "
            "with fewer workers where memory is short"
        ) from error


@contextmanager
def _process() -> Iterator[subprocess.Popen[bytes]]:
    """Start a process that trains, and end it with the block."""
    process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
        [sys.executable, "-c", PROGRAM.format(sys.path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,  # Ctrl-C is for this process, which ends the others
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError, ValueError):
                assert pipe is not None
                pipe.close()
