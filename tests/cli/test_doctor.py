"""How `doctor` says it, and what it says of TensorRT, on GPUs that are not here."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcnet_rt.backends.tensorrt import native, torch_tensorrt
from rcnet_rt.backends.tensorrt.protocol import Gpu
from rcnet_rt.cli import doctor
from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.families import SHIPPED

NARROW = 80  # columns of a terminal
PACKAGES = ["tensorrt-rtx", "tensorrt", "torch-tensorrt", "torch-tensorrt-rtx"]


def findings(gpu: Gpu | None) -> dict[str, doctor.Finding]:
    return {finding.subject: finding for finding in doctor._tensorrt(gpu)}


def install(monkeypatch: pytest.MonkeyPatch, **versions: str) -> None:
    """Let these packages be the only ones of TensorRT that are installed."""
    known = {name.replace("_", "-"): version for name, version in versions.items()}
    for module in (native, torch_tensorrt):
        monkeypatch.setattr(module, "installed_version", lambda name: known.get(name, ""))


@pytest.mark.parametrize(
    ("gpu", "extra", "unfit"),
    [
        (Gpu("NVIDIA GeForce RTX 4090", "8.9"), "tensorrt-rtx", []),
        (Gpu("NVIDIA GeForce RTX 5090", "12.0"), "tensorrt-rtx", []),
        (Gpu("NVIDIA A100", "8.0"), "tensorrt-rtx", []),
        (Gpu("NVIDIA GeForce RTX 2080", "7.5"), "tensorrt", []),
        (Gpu("NVIDIA H100", "9.0"), "tensorrt", ["tensorrt-rtx", "torch-tensorrt-rtx"]),
        (Gpu("Orin", "8.7"), "tensorrt", ["tensorrt-rtx", "torch-tensorrt-rtx"]),
    ],
)
def test_it_says_what_to_install_for_this_gpu(
    gpu: Gpu, extra: str, unfit: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch)
    found = findings(gpu)
    assert list(found) == [*PACKAGES, "TensorRT for this GPU"]
    summary = found.pop("TensorRT for this GPU")
    assert summary.found == f"{gpu.name}, compute capability {gpu.capability}"
    assert summary.remedy == f"pip install 'rcnet-rt[{extra}]'"
    for name, finding in found.items():
        assert not finding.good
        assert finding.found.startswith(f"not for {gpu.name}") is (name in unfit)
        assert bool(finding.remedy) is (name not in unfit)


def test_what_is_installed_has_a_version_and_has_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"tensorrt_rtx": "1.7.1", "torch_tensorrt": "2.14.0", "torch": "2.14.1"}
    install(monkeypatch, **versions)
    found = findings(Gpu("NVIDIA L4", "8.9"))
    assert found["tensorrt-rtx"] == ("tensorrt-rtx", True, "1.7.1; not run on hardware yet", "")
    torchs = "torch-tensorrt 2.14.0, tensorrt missing, torch 2.14.1; not run on hardware yet"
    assert found["torch-tensorrt"].found == torchs
    assert not found["tensorrt"].good


def test_without_a_gpu_it_says_what_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, tensorrt_rtx="1.7.1")
    found = findings(None)
    assert list(found) == PACKAGES
    assert found["tensorrt-rtx"].good
    assert found["tensorrt"].remedy == "pip install 'rcnet-rt[tensorrt]'"


def test_it_says_which_weights_are_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (whole,) = doctor._weights()
    assert whole.good
    assert whole.found.startswith(f"{', '.join(SHIPPED)}, in ")
    monkeypatch.setattr(weights_io, "_folders", lambda: [tmp_path])
    missing = list(doctor._weights())
    assert [finding.subject for finding in missing] == [f"weights {name}" for name in SHIPPED]
    for finding in missing:
        assert not finding.good
        assert "missing from this installation" in finding.found
        assert finding.remedy == weights_io.REINSTALL


def test_commands_are_in_one_piece_in_a_narrow_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(NARROW))
    install(monkeypatch)
    monkeypatch.setattr(doctor, "PACKAGES", {"none": ("pip install 'rcnet-rt[tensorboard]'", "")})
    doctor.doctor.callback()
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= NARROW
    for command in ("pip install 'rcnet-rt[tensorboard]'", "pip install 'rcnet-rt[tensorrt-rtx]'"):
        assert any(f" {command} " in line for line in lines)
    shipped = next(line for line in lines if "shipped weights" in line)
    assert "yes" in shipped
