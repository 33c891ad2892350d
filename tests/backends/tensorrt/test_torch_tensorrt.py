"""TensorRT's own libraries are not on our machines: what can be held without them is held here."""

import ast
import subprocess
import sys
import zipfile

import pytest
import torch

from rcnet_rt.backends.choice import open_backend
from rcnet_rt.backends.tensorrt import torch_tensorrt
from rcnet_rt.backends.tensorrt.agreement import largest_difference
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.errors import BackendError
from rcnet_rt.models import rcnet
from tests.conftest import ROOT
from tests.helpers.networks import random_weights

SOURCE = ROOT / "rcnet_rt" / "backends" / "tensorrt" / "torch_tensorrt.py"
COUNTS = (1, 2, 20, 512)


@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
@pytest.mark.parametrize("half", [False, True])
def test_the_exported_network_gives_eagers_numbers_for_any_number_of_poses(architecture, half):
    weights = random_weights(architecture, "full")
    exported, _ = torch_tensorrt.exported_network(weights, half, "cpu")
    eager = rcnet.from_weights(weights)
    for count in (1, 2, 20, torch_tensorrt.POSES[-1]):
        features, image_index = torch.randn(count, 89), torch.arange(count) // 5.0
        with torch.inference_mode():
            expected = eager(features, features[:, 0], image_index)
            got = exported.module()(features, features[:, 0], image_index)
        torch.testing.assert_close(got, expected, rtol=0, atol=5e-3 if half else 1e-6)


def test_backends_that_differ_are_seen():
    eager = open_backend(random_weights(), "torch")
    assert largest_difference(eager, eager, random_weights(), COUNTS) == 0
    other = open_backend(random_weights(output="plain"), "torch")
    assert largest_difference(other, eager, random_weights(), COUNTS) > 0.01


def test_it_is_not_here_or_says_what_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch_tensorrt", None)
    half = torch_tensorrt.LIBRARIES[0]
    assert half.name == "torch-tensorrt in half precision"
    with pytest.raises(BackendError, match=r"torch-tensorrt cannot be imported.*\[tensorrt\]"):
        half.load(tmp_path / "a.engine", random_weights(), Gpu("RTX 4090", "8.9", "cpu"))
    for package in ("torch-tensorrt", "torch-tensorrt-rtx"):
        library = torch_tensorrt.TorchTensorRT(package, half=False)
        assert library.supports(Gpu("RTX 4090", "8.9"))
        assert library.supports(Gpu("H100", "9.0")) is (package == "torch-tensorrt")


def test_an_engine_takes_512_poses_and_eager_the_others():
    weights = random_weights("linear", "full")
    seen = []

    class Engine(torch.nn.Module):
        def forward(self, features, baseline, image_index):
            seen.append(len(baseline))
            return baseline * 0

    bounded = torch_tensorrt._Bounded(Engine(), weights, "cpu")
    for count in (0, 1, 512, 513):
        features = torch.randn(count, weights.network_config().feature_count)
        scores = bounded(features, features[:, 0], torch.zeros(count))
        assert len(scores) == count
    assert seen == [1, 512]


@pytest.mark.network
@pytest.mark.parametrize("package", ["torch-tensorrt", "torch-tensorrt-rtx"])
def test_every_call_of_torch_tensorrt_exists_with_its_keywords(package, tmp_path):
    """The wheel is read as source: 4 MB, without TensorRT itself."""
    fetch = [sys.executable, "-m", "pip", "download", package, "--no-deps", "--quiet"]
    subprocess.run([*fetch, "--dest", str(tmp_path)], check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        wheel.extractall(tmp_path)
    calls = calls_of("torch_tensorrt", ast.parse(SOURCE.read_text()))
    assert {path for path, _ in calls} >= {("Input",), ("dynamo", "compile"), ("save",), ("load",)}
    for path, keywords in calls:
        names = keywords_of(tmp_path.joinpath("torch_tensorrt", *path[:-1]), path[-1])
        assert names is not None, f"torch_tensorrt has no {'.'.join(path)}"
        assert keywords <= names, f"{'.'.join(path)} takes no {keywords - names}"


def calls_of(module, tree):
    """(path below the module, keywords) of each call."""
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            root, *path = ast.unparse(node.func).split(".")
            if root == module:
                calls.append((tuple(path), {keyword.arg for keyword in node.keywords}))
    return calls


def keywords_of(folder, name):
    """What a function or a class defined in a module of the folder takes; None if there is none.

    A constructor that takes anything takes the words that its own source names as strings.
    """
    for path in sorted(folder.glob("*.py")):
        for node in ast.parse(path.read_text()).body:
            if getattr(node, "name", None) != name:
                continue
            if isinstance(node, ast.ClassDef):
                return {c.value for c in ast.walk(node) if isinstance(c, ast.Constant)}
            return {a.arg for a in (*node.args.args, *node.args.kwonlyargs)}
    return None
