"""TensorRT's own libraries are not on our machines: what can be held without them is held here."""

import ast
import subprocess
import sys
import zipfile

import pytest
import torch

from rcnet_rt.backends import tensorrt
from rcnet_rt.backends.choice import auto, open_backend
from rcnet_rt.models import rcnet
from tests.conftest import ROOT
from tests.helpers.networks import random_weights

SOURCE = ROOT / "rcnet_rt" / "backends" / "tensorrt.py"


@pytest.mark.parametrize("architecture", ["attention", "mlp", "linear"])
@pytest.mark.parametrize("half", [False, True])
def test_the_exported_network_gives_eagers_numbers_for_any_number_of_poses(architecture, half):
    weights = random_weights(architecture, "full")
    exported, _ = tensorrt.exported_network(weights, half, "cpu")
    eager = rcnet.from_weights(weights)
    for count in (1, 2, 20, tensorrt.MOST):
        features, image_index = torch.randn(count, 89), torch.arange(count) // 5.0
        with torch.inference_mode():
            expected = eager(features, features[:, 0], image_index)
            got = exported.module()(features, features[:, 0], image_index)
        torch.testing.assert_close(got, expected, rtol=0, atol=5e-3 if half else 1e-6)


def test_without_its_libraries_it_says_so_and_the_next_best_runs():
    with pytest.warns(UserWarning, match=rf"rcnet-rt\[tensorrt\].* {auto()[0]} runs instead"):
        backend = open_backend(random_weights(), "tensorrt")
    assert backend.name == auto()[0]


def test_a_backend_that_differs_from_eager_is_seen():
    eager = open_backend(random_weights(), "torch")
    assert tensorrt.largest_difference(eager, eager, random_weights()) == 0
    other = open_backend(random_weights(output="plain"), "torch")
    assert tensorrt.largest_difference(other, eager, random_weights()) > 0.01


@pytest.mark.network
def test_every_call_of_torch_tensorrt_exists_with_its_keywords(tmp_path):
    """The wheel is read as source: 4 MB, without TensorRT itself."""
    fetch = [sys.executable, "-m", "pip", "download", "torch-tensorrt", "--no-deps", "--quiet"]
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
