"""Refining in the processes that services and loaders make: the same scores, and no hang."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from rcnet_rt import BackendError, Refiner
from rcnet_rt.backends import torch as torch_backend
from rcnet_rt.cli.run import run

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples" / "processes"
SECONDS = 120  # a process that hangs is ended, and the test fails

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")

# As gunicorn --preload: imports the application, answers, forks, and a worker answers.
# 300 poses are enough for torch to start its threads before the fork.
PRELOAD = """
import io, json, os, sys
import numpy as np
from rcnet_rt import Refiner
import gunicorn_app
from frames import frames

gunicorn_app.refiner = Refiner(device="cpu", backend=sys.argv[1])
some = frames(100)
many = {
    "keypoints": np.concatenate([k for k, _ in some]).tolist(),
    "scores": np.concatenate([s for _, s in some]).tolist(),
}

def ask(poses):
    content = json.dumps(poses).encode()
    environ = {"CONTENT_LENGTH": len(content), "wsgi.input": io.BytesIO(content)}
    heads = []
    body, = gunicorn_app.application(environ, lambda *head: heads.append(head[0]))
    return heads + [json.loads(body)]

requests = [many, {"keypoints": [], "scores": []}, {"scores": [1]}]
before = [ask(each) for each in requests]
child = os.fork()
if child == 0:
    same = [ask(each) for each in requests] == before
    os._exit(0 if same else 3)
_, status = os.waitpid(child, 0)
print(json.dumps([os.waitstatus_to_exitcode(status), [status for status, _ in before]]))
"""


def output(*arguments: str) -> list[str]:
    """Return the lines that Python prints; warnings are errors, threads as many as by default."""
    environment = {key: value for key, value in os.environ.items() if key != "OMP_NUM_THREADS"}
    path = os.pathsep.join([str(ROOT), str(EXAMPLES)])
    done = subprocess.run(
        [sys.executable, *arguments],
        env={**environment, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.fixture(scope="module")
def expected() -> list[list[float]]:
    sys.path.insert(0, str(EXAMPLES))
    try:
        from frames import frames
    finally:
        sys.path.remove(str(EXAMPLES))
    refiner = Refiner()
    return [refiner.refine(keypoints, scores).tolist() for keypoints, scores in frames()]


@needs_fork
@pytest.mark.parametrize("backend", ["numba", "onnx", "torch"])
def test_gunicorn_preload(backend: str) -> None:
    """torch with several threads hung here: OpenMP waited for threads of the parent."""
    if backend == "numba":
        pytest.importorskip("numba")
    code, statuses = json.loads(output("-c", PRELOAD, backend)[-1])
    assert code == 0
    assert statuses == ["200 OK", "200 OK", "400 Bad Request"]


def test_a_backend_on_a_gpu_does_not_survive_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    refiner = Refiner(backend="torch", device="cpu")
    backend = refiner._session.backend
    monkeypatch.setattr(backend, "_device_type", "cuda")
    monkeypatch.setattr(backend, "_process", os.getpid() + 1)
    monkeypatch.setattr(torch_backend, "PROCESS", os.getpid() + 1)
    with pytest.raises(BackendError, match="CUDA does not survive a fork"):
        refiner.refine([[[1.0, 2.0]] * 17], [0.5], on_mistake="ignore")


@pytest.mark.parametrize(
    "command",
    [
        ("process_pool.py", "spawn"),
        pytest.param(("process_pool.py", "fork"), marks=needs_fork),
        pytest.param(("data_loader.py", "fork"), marks=needs_fork),
        ("asyncio_service.py",),
    ],
    ids=" ".join,
)
def test_examples_give_the_scores_of_one_process(
    command: tuple[str, ...], expected: list[list[float]]
) -> None:
    name, *arguments = command
    assert list(map(json.loads, output(str(EXAMPLES / name), *arguments))) == expected


def test_the_unit_of_systemd_gives_options_that_exist() -> None:
    unit = configparser.ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment, method-assign]
    unit.read(EXAMPLES / "rcnet-rt.service", encoding="utf-8")
    service = unit["Service"]
    _, command, *arguments = shlex.split(service["ExecStart"])
    assert command == "run"
    given = run.make_context(command, arguments).params
    assert given["source"] == "rtsp://camera/live"
    assert given["no_video"]
    assert given["realtime"]
    assert service["SuccessExitStatus"] == "143"


def test_the_image_of_docker_gets_the_signals_itself() -> None:
    text = (EXAMPLES / "Dockerfile").read_text("utf-8")
    (entry,) = re.findall(r"^ENTRYPOINT (.+)$", text, re.MULTILINE)
    assert json.loads(entry) == ["rcnet-rt"]
