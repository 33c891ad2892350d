"""What LiteRT is given and gives, with an interpreter that repeats its input."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import litert
from rcnet_rt.estimators.litert import LiteRtModel

IMAGE = np.array([0, 1, 127, 128, 254, 255], np.uint8).reshape(1, 2, 3)


def model(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    dtype: type,
    quantization: tuple[float, int] = (0.0, 0),
    shape: tuple[int, ...] = (1, 1, 2, 3),
) -> LiteRtModel:
    class Interpreter:
        def __init__(self, **options: Any) -> None:
            self.allocated = self.value = None

        def get_input_details(self) -> list[dict[str, Any]]:
            return [{"index": 0, "shape": shape, "shape_signature": shape, "dtype": dtype}]

        def get_output_details(self) -> list[dict[str, Any]]:
            return [{"index": 0, "name": "out", "shape_signature": shape, **QUANTIZED}]

        def resize_tensor_input(self, index: int, size: tuple[int, ...], strict: bool) -> None:
            assert -1 in shape
            self.size = size

        def allocate_tensors(self) -> None:
            self.allocated = getattr(self, "size", shape)

        def set_tensor(self, index: int, value: np.ndarray) -> None:
            assert value.dtype == dtype
            assert value.shape == self.allocated
            self.value = value

        def invoke(self) -> None:
            pass

        def get_tensor(self, index: int) -> np.ndarray:
            return self.value

    QUANTIZED = {"quantization": quantization}
    monkeypatch.setattr(litert, "_library", lambda: SimpleNamespace(Interpreter=Interpreter))
    (tmp_path / "echo.tflite").touch()
    return LiteRtModel(tmp_path / "echo.tflite")


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int32])
def test_whole_numbers_are_pixels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: type
) -> None:
    zero_point = -128 if dtype == np.int8 else 0
    network = model(tmp_path, monkeypatch, dtype, (0.5, zero_point))
    (output,) = network.run(IMAGE, mean=9, std=9)
    np.testing.assert_array_equal(output[0], IMAGE / 2)
    assert output.dtype == np.float32


def test_an_output_that_is_not_quantised_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (output,) = model(tmp_path, monkeypatch, np.uint8).run(IMAGE)
    np.testing.assert_array_equal(output[0], IMAGE)


def test_floating_point_is_normalised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = model(tmp_path, monkeypatch, np.float32)
    (output,) = network.run(IMAGE, mean=127.5, std=127.5)
    assert (output.min(), output.max()) == (-1, 1)
    assert (network.name, network.input_size, network.output_names) == ("echo", (1, 2), ("out",))


def test_an_input_of_any_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = model(tmp_path, monkeypatch, np.uint8, shape=(1, -1, -1, 3))
    assert network.input_size is None
    for image in (IMAGE, np.zeros((4, 5, 3), np.uint8), IMAGE):
        assert network.run(image)[0].shape == (1, *image.shape)


def test_an_image_that_does_not_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EstimatorError, match="echo failed"):
        model(tmp_path, monkeypatch, np.uint8).run(IMAGE[:, :1])


def test_a_model_of_something_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(
        EstimatorError, match=r"takes inputs of shape \[\[1, 16000\]\], expected one"
    ):
        model(tmp_path, monkeypatch, np.float32, shape=(1, 16000))
