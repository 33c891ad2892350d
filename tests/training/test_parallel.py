"""Trainings in processes of their own: the same numbers, and no process is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from rcnet_rt import WeightsError
from rcnet_rt.datasets.coco import Dataset
from rcnet_rt.evaluation.labeled_results import LabeledResults
from rcnet_rt.models.rcnet import Network
from rcnet_rt.training import parallel
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.examples import Examples
from rcnet_rt.training.monitor import Progress
from rcnet_rt.training.parallel import Task, default_workers, run_all
from rcnet_rt.training.splits import fold_splits
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset


@pytest.fixture
def tasks(tmp_path: Path) -> list[Task]:
    content = make_content(images=24)
    truth = Dataset(write_dataset(tmp_path / "coco", content)).ground_truth()
    data = LabeledResults(truth, make_results(content))
    examples = Examples({"": data}, Recipe(epochs=3))
    return [
        Task(partial(examples.training, split), tmp_path / f"{number}.safetensors")
        for number, split in enumerate(fold_splits(list(data.poses), 3))
    ]


@pytest.fixture
def processes(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes that are started, all of which must end."""
    started: list[subprocess.Popen[bytes]] = []
    real = subprocess.Popen

    def start(*arguments: object, **options: object) -> subprocess.Popen[bytes]:
        started.append(real(*arguments, **options))  # type: ignore[call-overload]
        return started[-1]

    monkeypatch.setattr(parallel.subprocess, "Popen", start)
    yield started
    assert all(process.returncode is not None for process in started)


def trained(
    tasks: list[Task], workers: int, steps: list[Progress]
) -> dict[int, dict[str, torch.Tensor]]:
    found = run_all(tasks, workers=workers, device="cpu", progress=steps.append)
    return {number: network.state_dict() for number, _, network in found}


def test_the_same_networks_and_progress_as_one_by_one(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    one_by_one: list[Progress] = []
    at_once: list[Progress] = []
    expected = trained(tasks, 1, one_by_one)
    for task in tasks:
        task.checkpoint.unlink()
    assert processes == []
    found = trained(tasks, 2, at_once)
    assert len(processes) == 2
    assert sorted(found) == [0, 1, 2]
    for number, tensors in expected.items():
        for name, tensor in tensors.items():
            assert torch.equal(tensor, found[number][name]), (number, name)
    assert sorted(at_once, key=lambda step: (step.split, step.epoch)) == one_by_one


def test_an_interrupt_keeps_checkpoints_to_resume_from(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    def interrupt(step: Progress) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(run_all(tasks, workers=2, device="cpu", progress=interrupt))
    assert [process.returncode is not None for process in processes] == [True, True]
    kept = [task for task in tasks if task.checkpoint.exists()]
    assert kept
    assert len(list(tasks[0].checkpoint.parent.glob("*safetensors*"))) == len(kept)
    resumed = trained(tasks, 2, [])
    for task in tasks:
        task.checkpoint.unlink()
    expected = trained(tasks, 1, [])
    assert torch.equal(resumed[0]["head.weight"], expected[0]["head.weight"])


def test_whoever_stops_asking_ends_the_processes(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    with closing(run_all(tasks, workers=2, device="cpu", progress=lambda step: None)) as found:
        next(found)
    assert [process.returncode is not None for process in processes] == [True, True]


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_process_that_is_killed_is_told(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    def kill(step: Progress) -> None:
        for process in processes:
            os.kill(process.pid, signal.SIGKILL)

    with pytest.raises(WeightsError, match=r"died with exit status -9 .* resume the run"):
        list(run_all(tasks, workers=2, device="cpu", progress=kill))


def test_an_error_of_a_process_is_raised_here(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    for task in tasks:
        task.checkpoint.write_bytes(b"no checkpoint")
    with pytest.raises(WeightsError, match="does not fit this run"):
        list(run_all(tasks, workers=2, device="cpu", progress=lambda step: None))


def test_an_error_in_preparing_is_raised_here(
    tasks: list[Task], processes: list[subprocess.Popen[bytes]]
) -> None:
    def fail() -> Network:
        raise WeightsError("nothing to learn")

    with pytest.raises(WeightsError, match="nothing to learn"):
        list(
            run_all(
                [task._replace(prepare=fail) for task in tasks],
                workers=2,
                device="cpu",
                progress=lambda step: None,
            )
        )


def test_processes_only_where_they_pay() -> None:
    assert default_workers("cpu", 6, 1000) == 1
    assert default_workers("cuda:1", 6, 10**9) == 1
    assert default_workers("cpu", 1, 10**9) == 1
    assert 1 <= default_workers("cpu", 6, 10**9) <= 6


def test_torch_has_its_threads_back_afterwards(tasks: list[Task]) -> None:
    before = torch.get_num_threads()
    threads: list[int] = []
    list(
        run_all(
            tasks[:1],
            workers=1,
            device="cpu",
            progress=lambda step: threads.append(torch.get_num_threads()),
        )
    )
    assert np.unique(threads).tolist() == [1]
    assert torch.get_num_threads() == before
