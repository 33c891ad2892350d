"""A process that trains for `training.parallel`: jobs on stdin, progress and networks on stdout."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from typing import Any, BinaryIO

from rcnet_rt.errors import RcnetError
from rcnet_rt.training.fit import run_training
from rcnet_rt.training.parallel import Finished, Job, one_thread

__all__ = ["main"]


def main() -> None:
    """Train until stdin ends, or this process is told to end."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # a checkpoint half written is removed
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever is printed spoils no answer
    jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
    threading.Thread(target=_receive, args=(jobs,), daemon=True).start()
    code = 0
    try:
        with one_thread():
            while True:
                _train(jobs.get(), answers)
    except (SystemExit, BrokenPipeError):
        pass
    except BaseException:
        traceback.print_exc()
        code = 1
    os._exit(code)  # a thread that waits for stdin would hinder another end


def _receive(jobs: queue.SimpleQueue[Job]) -> None:
    """Take jobs from stdin; its end, of whatever cause, ends the process."""
    try:
        while True:
            jobs.put(pickle.load(sys.stdin.buffer))  # noqa: S301  # of the process that started us
    except (EOFError, OSError, pickle.UnpicklingError):
        os.kill(os.getpid(), signal.SIGTERM)


def _train(job: Job, answers: BinaryIO) -> None:
    def send(message: Any) -> None:
        pickle.dump(message, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()

    try:
        network = run_training(job.training, job.device, job.checkpoint, send)
    except RcnetError as error:
        send(error)
    else:
        send(Finished(network.cpu()))
