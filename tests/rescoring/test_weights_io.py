import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rcnet_rt import OutputError, Refiner, WeightsError, load_weights
from rcnet_rt.models import rcnet
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.calibration import Calibration
from rcnet_rt.rescoring.network_config import tensor_shapes
from rcnet_rt.workflows.scoring import shipped_weights
from tests.helpers.networks import KINDS, random_weights


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mine.safetensors"
    weights_io.save(random_weights(name="mine"), path)
    return path


def test_what_is_saved_is_loaded(path):
    weights, loaded = random_weights(name="mine"), weights_io.load(path)
    for field in fields(weights):
        before, after = getattr(weights, field.name), getattr(loaded, field.name)
        if field.name == "tensors":
            assert before.keys() == after.keys()
            assert all(np.array_equal(before[name], after[name]) for name in before)
        elif field.name == "calibration":
            assert np.array_equal(before.inputs, after.inputs)
        else:
            assert before == after, field.name


def test_saving_twice_gives_the_same_bytes(path, tmp_path):
    weights_io.save(random_weights(name="mine"), tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_missing_folder_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot be written"):
        weights_io.save(random_weights(), tmp_path / "no" / "w.safetensors")
    assert not list(tmp_path.iterdir())


def rewrite(path, metadata=None, **tensors):
    """Write the file again with something changed."""
    from safetensors import safe_open

    with safe_open(path, "numpy") as file:
        record = json.loads(file.metadata()["rcnet_rt"])
    record.update(metadata or {})
    save_file({**load_file(path), **tensors}, path, {"rcnet_rt": json.dumps(record)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"metadata": {"format": 99}}, "format version 99"),
        ({"metadata": {"skeleton": "octopus"}}, "unknown skeleton 'octopus'"),
        ({"metadata": {"base": "magic"}}, "unknown baseline"),
        ({"metadata": {"features": "full"}}, "has 89 features on coco17, the network expects 75"),
        ({"metadata": {"features": "paper+visual"}}, "expects embeddings of at least 1 value, got"),
        ({"metadata": {"embedding_size": 4}}, "'paper' expects embeddings of 0 values, got 4"),
        (
            {"metadata": {"features": "paper+visual", "embedding_size": 4}},
            "has 79 features on coco17 and embeddings of 4 values, the network expects 75",
        ),
        ({"metadata": {"surprise": 1}}, "description is damaged"),
        ({"metadata": {"network": {"feature_count": "many"}}}, "whole numbers"),
        ({"metadata": {"floor": -1}}, "not negative"),
        ({"metadata": {"thresholds": {"auto": 7}}}, r"thresholds in \[0, 1\], got \(7,\)"),
        ({"metadata": {"thresholds": [0.5]}}, r"thresholds should be dict, got \[0.5\]"),
        ({"metadata": {"family": 5}}, "family should be str, got 5"),
        ({"metadata": {"network": {"feature_count": 75, "hidden": 16.0}}}, "whole numbers"),
        ({"metadata": {"network": {"feature_count": 75, "hidden": 10**30}}}, "should be float32"),
        ({"metadata": {"network": {"feature_count": 75, "dropout": 7}}}, "dropout must be in"),
        ({"head.weight": np.zeros((1, 5), np.float32)}, r"\(1, 16\) and is float32 \(1, 5\)"),
        ({"head.bias": np.zeros(1, np.float64)}, r"should be float32 \(1,\) and is float64"),
        ({"extra": np.zeros(2, np.float32)}, r"'extra' should be absent and is float32 \(2,\)"),
        ({"head.bias": np.array([np.nan], np.float32)}, "not finite"),
        ({"calibration.inputs": np.array([0.0, 0.9, 0.1, 1.0])}, "must increase strictly"),
    ],
)
def test_damaged_descriptions_are_told(path, change, message):
    rewrite(path, **change)
    with pytest.raises(WeightsError, match=message):
        weights_io.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_that_are_checked_are_those_of_the_network(kind):
    network = rcnet.from_weights(random_weights(*kind))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert tensor_shapes(network.config) == shapes


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100])
def test_files_that_are_no_safetensors_are_told(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights_io.load(path)


def test_a_truncated_file_is_told(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights_io.load(path)


def one(**tensor):
    """Return the header of a file with one tensor."""
    return json.dumps({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4], **tensor}})


# Each a header and, where it lies, the length that it claims.
HOSTILE = {
    "a header longer than any file": ("{}", 2**63),
    "a header longer than this file": ("{}", 2**24),
    "a header without end": ('{"__metadata__": {', None),
    "lists in lists in lists": ('{"__metadata__": ' + "[" * 100_000, None),
    "tensors that overlap": (
        json.dumps(
            {
                name: {"dtype": "F32", "shape": [1], "data_offsets": [start, start + 4]}
                for name, start in (("a", 0), ("b", 2))
            }
        ),
        None,
    ),
    "a tensor beyond the end": (one(data_offsets=[0, 2**40]), None),
    "more values than there are bytes": (one(shape=[2**40, 2**20]), None),
    "no values of a huge shape": (one(shape=[0, 2**62], data_offsets=[0, 0]), None),
    "a type unknown to NumPy": (one(dtype="F8_E4M3", shape=[4]), None),
    "metadata that is no text": ('{"__metadata__": {"rcnet_rt": 5}}', None),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_headers_are_told(tmp_path, kind):
    header, length = HOSTILE[kind]
    path = tmp_path / "bad.safetensors"
    data = header.encode()
    path.write_bytes(
        (len(data) if length is None else length).to_bytes(8, "little") + data + b"\0" * 4
    )
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights_io.load(path)


@pytest.mark.parametrize("text", ["5", "null", "[1]", '{"a": ' + "[" * 100_000, "9" * 5000])
def test_descriptions_that_are_none_are_told(path, text):
    save_file(load_file(path), path, {"rcnet_rt": text})
    with pytest.raises(WeightsError, match="description is damaged"):
        weights_io.load(path)


def test_a_large_file_is_not_read(tmp_path):
    path = tmp_path / "large.safetensors"
    with path.open("wb") as file:
        file.truncate(2**40)  # holds nothing, and looks like a terabyte
    with pytest.raises(WeightsError, match="larger than 64 MiB"):
        weights_io.load(path)


def test_no_memory_beyond_the_file(tmp_path):
    """Another process, which may have 256 MiB more than it has, reads 50 MiB of description."""
    if not Path("/proc/self/statm").exists():
        pytest.skip("no /proc here")
    path = tmp_path / "long.safetensors"
    save_file({"a": np.zeros(1, np.float32)}, path, {"rcnet_rt": "[" + "1," * (25 * 2**20)})
    code = (
        "import resource, sys, safetensors, numpy\n"
        "from pathlib import Path\n"
        "from rcnet_rt.rescoring import weights_io\n"
        "pages = int(Path('/proc/self/statm').read_text().split()[0])\n"
        "limit = pages * resource.getpagesize() + 256 * 2**20\n"
        "resource.setrlimit(resource.RLIMIT_AS, (limit, limit))\n"
        "try: weights_io.load(Path(sys.argv[1]))\n"
        "except weights_io.WeightsError as error: print(error)\n"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert "description is damaged" in done.stdout, done.stderr


def test_somebody_elses_safetensors_is_told(tmp_path):
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="not one that rcnet-rt wrote"):
        weights_io.load(tmp_path / "x.safetensors")


def test_names_paths_and_formulas_are_found(path, tmp_path):
    assert load_weights(str(path)).name == "mine"
    assert load_weights("formula:score").is_baseline
    with pytest.raises(WeightsError, match="unknown weights 'nobody'"):
        load_weights("nobody")
    with pytest.raises(WeightsError, match="no weights file at"):
        load_weights(str(tmp_path / "gone.safetensors"))


def test_shipped_weights_load_and_run():
    for name in weights_io.available():
        weights = load_weights(name)
        joints = 17 if weights.skeleton == "coco17" else 14
        scores = Refiner(name).refine(
            np.random.default_rng(0).random((3, joints, 2)) * 300, [0.5] * 3
        )
        assert np.isfinite(scores).all()
        several = weights.training.get("estimators", {"": weights.training}).values()
        assert all(each["figures"]["all"]["gain"][0] > 0 for each in several)


def test_an_installation_without_its_weights_is_told(path, tmp_path, monkeypatch):
    """Neither a baseline nor the weights of other estimators take their place."""
    monkeypatch.setattr(weights_io, "_folders", lambda: [tmp_path])
    weights_io.save(weights_io.load(path), tmp_path / "bottom-up.safetensors")
    for choice, name in [("auto", "generic"), (shipped_weights("posenet"), "posenet")]:
        sentence = f"'{name}', which rcnet-rt ships, are missing from this installation"
        with pytest.raises(WeightsError, match=sentence):
            Refiner(choice)
    (tmp_path / "generic.safetensors").write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"generic\.safetensors is not a readable safetensors"):
        Refiner("auto")
    assert load_weights("bottom-up").name == "bottom-up"


def test_the_papers_network_and_loss_are_shipped_beside_what_auto_takes():
    paper, usual = load_weights("yolo-pose-rcnet"), load_weights("yolo-pose")
    assert (paper.network.architecture, paper.training["recipe"]["loss"]) == ("attention", "rank")
    assert usual.network.architecture == "mlp"
    assert paper.features == usual.features
    assert shipped_weights("yolo-pose") == "yolo-pose"


def test_calibration_of_saved_weights_is_exact(path):
    rng = np.random.default_rng(0)
    knots = np.concatenate([[0], np.sort(rng.random(30)), [1]])
    weights = random_weights(calibration=Calibration(knots, knots**2))
    weights_io.save(weights, path)
    assert np.array_equal(weights_io.load(path).calibration.outputs, knots**2)
