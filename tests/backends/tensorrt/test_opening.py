"""The chain of libraries, each absent, broken, stale or wrong, without a GPU."""

import logging
from dataclasses import dataclass, field

import pytest
import torch

from rcnet_rt.backends.choice import auto, open_backend
from rcnet_rt.backends.protocol import Refined
from rcnet_rt.backends.tensorrt import opening
from rcnet_rt.backends.tensorrt.opening import engine_folder, libraries, open_first, open_tensorrt
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.backends.tensorrt.records import EngineRecord, weights_hash, write_engine
from rcnet_rt.errors import BackendError, OutputError
from tests.helpers.networks import random_weights

WEIGHTS = random_weights("linear", "full")
GPU = Gpu("RTX 4090", "8.9", "cpu")


@dataclass
class FakeLibrary:
    """Gives eager's scores plus `error`; raises what `fails` holds for build and load."""

    name: str = "tensorrt-rtx"
    installed: str = "1.7"
    capabilities: tuple[str, ...] = ("8.9",)
    error: float = 0.0
    fails: dict[str, Exception] = field(default_factory=dict)
    built: list[str] = field(default_factory=list)
    install: str = "pip install it"
    max_poses: int = 128
    tolerance: float = 1e-4

    def supports(self, gpu):
        return gpu.capability in self.capabilities

    def version(self):
        return self.installed

    def build(self, weights, path, gpu):
        if "build" in self.fails:
            raise self.fails["build"]
        self.built.append(path.name)
        record = EngineRecord(
            self.name,
            self.installed,
            weights.name,
            weights_hash(weights),
            (gpu.capability,),
            "",
            (1, 20, 128),
            {},
            {},
        )
        write_engine(path, lambda partial: partial.write_bytes(b"engine"), record)

    def load(self, path, weights, gpu):
        if "load" in self.fails:
            raise self.fails["load"]
        eager = open_backend(weights, "torch")

        def backend(inputs):
            scores, faulty = eager(inputs)[:2]
            return Refined(scores + self.error, faulty)

        backend.library = self.name
        return backend


@pytest.fixture
def opened(tmp_path):
    def run(*candidates, gpu=GPU, weights=WEIGHTS):
        eager = open_backend(weights, "torch")
        return open_first(candidates, weights, gpu, eager, tmp_path / "engines")

    return run


def test_the_first_that_works_runs_without_a_word(opened):
    first, second = FakeLibrary(), FakeLibrary("tensorrt")
    assert opened(first, second).library == "tensorrt-rtx"
    assert len(first.built) == 1
    assert not second.built


@pytest.mark.parametrize("absent", [{"installed": ""}, {"capabilities": ("9.0",)}])
def test_one_that_is_absent_or_for_other_gpus_is_passed_over_without_a_word(opened, absent):
    first = FakeLibrary(**absent)
    assert opened(first, FakeLibrary("tensorrt")).library == "tensorrt"
    assert not first.built


@pytest.mark.parametrize(
    ("broken", "why"),
    [
        ({"fails": {"build": BackendError("no kernels")}}, "does not work here: no kernels"),
        ({"fails": {"build": OutputError("disk full")}}, "does not work here: disk full"),
        ({"fails": {"load": OSError("libnvinfer.so\nmore")}}, r"\(OSError: libnvinfer.so\);"),
        ({"fails": {"load": RuntimeError("CUDA error")}}, r"\(RuntimeError: CUDA error\)"),
        ({"error": 1e-3}, r"differs from eager by 0.001, more than 0.0001"),
        ({"error": float("nan")}, r"differs from eager by nan"),
    ],
)
def test_one_that_is_broken_or_wrong_is_dropped_with_one_warning(opened, broken, why):
    with pytest.warns(UserWarning, match=why) as caught:
        backend = opened(FakeLibrary(**broken), FakeLibrary("tensorrt"))
    assert backend.library == "tensorrt"
    assert len(caught) == 1
    text = str(caught[0].message)
    assert text.startswith("tensorrt-rtx")
    assert text.endswith("; tensorrt runs instead")


def test_where_none_works_the_error_names_every_reason(opened):
    with pytest.raises(BackendError, match=r"tensorrt-rtx does not.*a; tensorrt differs|b"):
        opened(
            FakeLibrary(fails={"build": BackendError("a")}),
            FakeLibrary("tensorrt", fails={"build": BackendError("b")}),
        )


@pytest.mark.parametrize(
    ("gpu", "extra"),
    [
        (Gpu("RTX 4090", "8.9"), "tensorrt-rtx"),
        (Gpu("RTX 5090", "12.0"), "tensorrt-rtx"),
        (Gpu("RTX 2080", "7.5"), "tensorrt"),
        (Gpu("H100", "9.0"), "tensorrt"),
        (Gpu("Jetson Orin", "8.7"), "tensorrt"),
    ],
)
def test_where_none_is_installed_the_error_says_what_to_install_for_this_gpu(opened, gpu, extra):
    with pytest.raises(BackendError, match=rf"{gpu.name}.*rcnet-rt\[{extra}\]"):
        opened(FakeLibrary(installed=""), gpu=gpu)


def test_an_engine_is_built_once(opened):
    library = FakeLibrary()
    opened(library)
    opened(library)
    assert len(library.built) == 1


def test_an_engine_that_was_copied_into_the_folder_is_used(opened, tmp_path):
    exporter, library = FakeLibrary(), FakeLibrary()
    (tmp_path / "engines").mkdir()
    exporter.build(WEIGHTS, tmp_path / "engines" / "mine.engine", GPU)
    opened(library)
    assert not library.built


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"installed": "1.8"}, "1.7, and 1.8 is installed"),
        ({"weights": random_weights("linear", "full", floor=0.1)}, "other weights"),
        ({"gpu": Gpu("RTX 5090", "12.0", "cpu")}, "8.9, and RTX 5090 has 12.0"),
    ],
)
def test_a_stale_engine_is_refused_with_the_reason_and_built_anew(opened, change, why, caplog):
    opened(FakeLibrary())
    arguments = {name: change[name] for name in ("weights", "gpu") if name in change}
    library = FakeLibrary(installed=change.get("installed", "1.7"), capabilities=("8.9", "12.0"))
    with caplog.at_level(logging.WARNING, opening.__name__):
        opened(library, **arguments)
    assert len(library.built) == 1
    assert why in caplog.text


def test_a_damaged_engine_is_refused_with_the_reason_and_built_anew(opened, tmp_path, caplog):
    library = FakeLibrary()
    opened(library)
    path = tmp_path / "engines" / library.built[0]
    path.write_bytes(b"damaged")
    opened(library)
    assert library.built == [path.name] * 2
    assert path.read_bytes() == b"engine"
    assert "it is of another file" in caplog.text


def test_a_folder_that_cannot_be_made_is_a_reason(tmp_path):
    (tmp_path / "file").write_text("")
    eager = open_backend(WEIGHTS, "torch")
    with pytest.raises(BackendError, match="for engines cannot be made"):
        open_first([FakeLibrary()], WEIGHTS, GPU, eager, tmp_path / "file" / "engines")


def test_the_folder_is_in_the_cache_of_the_user(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert engine_folder() == tmp_path / "rcnet-rt" / "engines"


def test_whole_steps_come_before_networks_and_every_library_is_known():
    names = [library.name for library in libraries()]
    assert names[:2] == ["tensorrt-rtx", "tensorrt"]
    assert {name.partition(" ")[0] for name in names[2:]} == {
        "torch-tensorrt",
        "torch-tensorrt-rtx",
    }


@pytest.fixture
def fake_gpu(monkeypatch, tmp_path):
    """A GPU that torch can use, as far as the choice of the library goes."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "RTX 4090")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 9))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_it_says_so():
    with pytest.raises(BackendError, match="needs a GPU that torch can use"):
        open_tensorrt(WEIGHTS)


def test_the_backend_is_that_of_the_library_that_is_here(fake_gpu, monkeypatch):
    monkeypatch.setattr(opening, "libraries", lambda: (FakeLibrary(),))
    assert open_tensorrt(WEIGHTS, "cpu").library == "tensorrt-rtx"


def test_a_named_backend_that_fails_is_replaced_by_the_next_best_with_one_warning():
    with pytest.warns(UserWarning, match=rf"backend tensorrt needs .* {auto()[0]} runs") as caught:
        backend = open_backend(random_weights(), "tensorrt")
    assert backend.name == auto()[0]
    assert len(caught) == 1
