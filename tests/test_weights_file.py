import json
from dataclasses import fields, replace

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from rcnet_rt import OutputError, WeightsError, load_weights, model, weights_file
from rcnet_rt.calibration import Calibration
from rcnet_rt.model_config import tensor_shapes
from tests.networks import KINDS, random_weights


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "mine.safetensors"
    weights_file.save(random_weights(name="mine"), path)
    return path


def test_what_is_saved_is_loaded(path):
    weights, loaded = random_weights(name="mine"), weights_file.load(path)
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
    weights_file.save(random_weights(name="mine"), tmp_path / "again.safetensors")
    assert path.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_a_missing_folder_is_told_and_leaves_nothing(tmp_path):
    with pytest.raises(OutputError, match="cannot write"):
        weights_file.save(random_weights(), tmp_path / "no" / "w.safetensors")
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
        ({"metadata": {"base": "magic"}}, "unknown formula"),
        ({"metadata": {"features": "full"}}, "has 89 features on coco17, the network expects 75"),
        ({"metadata": {"surprise": 1}}, "description is damaged"),
        ({"metadata": {"network": {"feature_count": "many"}}}, "description is damaged"),
        ({"metadata": {"floor": -1}}, "not negative"),
        ({"head.weight": np.zeros((1, 5), np.float32)}, r"\(1, 16\), got \(1, 5\)"),
        ({"extra": np.zeros(2, np.float32)}, r"'extra' should have shape None, got \(2,\)"),
        ({"head.bias": np.array([np.nan], np.float32)}, "not finite"),
        ({"calibration.inputs": np.array([0.0, 0.9, 0.1, 1.0])}, "must increase strictly"),
    ],
)
def test_damaged_descriptions_are_told(path, change, message):
    rewrite(path, **change)
    with pytest.raises(WeightsError, match=message):
        weights_file.load(path)


@pytest.mark.parametrize("kind", KINDS)
def test_the_shapes_that_are_checked_are_those_of_the_network(kind):
    network = model.from_weights(random_weights(*kind))
    shapes = {name: tuple(tensor.shape) for name, tensor in network.state_dict().items()}
    assert tensor_shapes(network.config) == shapes


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff" * 100])
def test_files_that_are_no_safetensors_are_told(tmp_path, content):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights_file.load(path)


def test_a_truncated_file_is_told(path):
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="not a readable safetensors file"):
        weights_file.load(path)


def test_somebody_elses_safetensors_is_told(tmp_path):
    save_file({"x": np.zeros(3, np.float32)}, tmp_path / "x.safetensors")
    with pytest.raises(WeightsError, match="not one that rcnet-rt wrote"):
        weights_file.load(tmp_path / "x.safetensors")


def test_names_paths_and_formulas_are_found(path, tmp_path):
    assert load_weights(str(path)).name == "mine"
    assert load_weights("formula:score").is_formula
    with pytest.raises(WeightsError, match="unknown weights 'nobody'"):
        load_weights("nobody")
    with pytest.raises(WeightsError, match="no weights file at"):
        load_weights(str(tmp_path / "gone.safetensors"))


def test_thresholds_by_name_and_number():
    weights = random_weights()
    assert weights.threshold("auto") == 0.4
    assert weights.threshold("p95") == 0.7
    assert weights.threshold("0.25") == weights.threshold(0.25) == 0.25
    for bad in (7, -0.1, "nan"):
        with pytest.raises(WeightsError, match=r"in \[0, 1\]"):
            weights.threshold(bad)
    with pytest.raises(WeightsError, match="no threshold 'p95'"):
        replace(weights, thresholds={}).threshold("p95")


def test_shipped_weights_load_and_run():
    from rcnet_rt import Refiner

    for name in weights_file.available():
        weights = load_weights(name)
        joints = 17 if weights.skeleton == "coco17" else 14
        scores = Refiner(name).refine(
            np.random.default_rng(0).random((3, joints, 2)) * 300, [0.5] * 3
        )
        assert np.isfinite(scores).all()
        assert weights.training["figures"]["all"]["gain"][0] > 0


def test_calibration_of_saved_weights_is_exact(path):
    rng = np.random.default_rng(0)
    knots = np.concatenate([[0], np.sort(rng.random(30)), [1]])
    weights = random_weights(calibration=Calibration(knots, knots**2))
    weights_file.save(weights, path)
    assert np.array_equal(weights_file.load(path).calibration.outputs, knots**2)
