import json
from dataclasses import replace
from pathlib import Path

import pytest

from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import (
    EngineRecord,
    read_record,
    record_path,
    stale,
    weights_hash,
    write_engine,
)
from rcnet_rt.errors import BackendError, OutputError
from rcnet_rt.rescoring.calibration import Calibration
from tests.helpers.networks import random_weights

RECORD = EngineRecord(
    "tensorrt-rtx",
    "1.7.1",
    "yolo-pose",
    "abc",
    ("8.6", "8.9"),
    "",
    (1, 20, 128),
    {"keypoints": (-1, 17, 2), "scores": (-1,)},
    {"refined_scores": (-1,), "joint_covariance": (-1, 17, 2, 2)},
)
GPU = Gpu("RTX 4090", "8.9")


def written(path, content=b"an engine"):
    return write_engine(path, lambda partial: partial.write_bytes(content), RECORD)


def test_a_record_comes_back_as_it_was_written(tmp_path):
    path = tmp_path / "a.engine"
    record = written(path)
    assert read_record(path) == record == replace(RECORD, engine_hash=record.engine_hash)
    assert path.read_bytes() == b"an engine"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.engine", "a.engine.json"]


def test_neither_file_is_left_if_one_cannot_be_written(tmp_path):
    def fail(partial):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.engine"
    with pytest.raises(OutputError, match="No space left"):
        write_engine(path, fail, RECORD)
    assert not list(tmp_path.iterdir())
    record_path(path).mkdir()
    with pytest.raises(OutputError, match="is a folder"):
        written(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.engine.json"]
    with pytest.raises(OutputError, match=r"/dev/null is not a regular file"):
        written(Path("/dev/null"))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: record_path(path).unlink(),
        lambda path: record_path(path).write_text("{"),
        lambda path: record_path(path).write_text("[]"),
        lambda path: record_path(path).write_text(json.dumps({"library": "tensorrt-rtx"})),
        lambda path: path.write_bytes(b"another engine"),
        lambda path: path.unlink(),
    ],
)
def test_an_engine_without_its_own_record_is_refused(damage, tmp_path):
    path = tmp_path / "a.engine"
    written(path)
    damage(path)
    with pytest.raises(BackendError, match=r"a\.engine cannot be used.*export it again"):
        read_record(path)


def test_why_an_engine_is_stale():
    def reason(record=RECORD, library="tensorrt-rtx", version="1.7.1", content="abc", gpu=GPU):
        return stale(record, library, version, content, gpu)

    assert reason() == ""
    assert "built by tensorrt-rtx, not tensorrt" in reason(library="tensorrt")
    assert "1.7.1, and 1.8 is installed" in reason(version="1.8")
    assert "other weights" in reason(content="abd")
    assert "for compute capability 8.6, 8.9, and A100 has 8.0" in reason(gpu=Gpu("A100", "8.0"))
    assert reason(replace(RECORD, gpu="RTX 4090")) == ""
    assert "built for L4, and this is RTX 4090" in reason(replace(RECORD, gpu="L4"))


def test_the_hash_is_of_all_that_is_computed_and_nothing_else():
    weights = random_weights()
    content = weights_hash(weights)
    assert content == weights_hash(random_weights())
    assert content == weights_hash(replace(weights, thresholds={"auto": 0.9}))
    tensors = {name: tensor.copy() for name, tensor in weights.tensors.items()}
    tensors["head.bias"] += 1e-3
    changes = {
        "tensors": tensors,
        "floor": 0.06,
        "baseline": "score",
        "calibration": Calibration([0, 0.3, 1], [0, 0.6, 1]),
    }
    for name, value in changes.items():
        assert weights_hash(replace(weights, **{name: value})) != content, name
