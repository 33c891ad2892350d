"""Pretrained model files, downloaded once into the user's cache and held against their SHA-256."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from rcnet_rt.errors import EstimatorError
from rcnet_rt.files.writing import write_atomically

__all__ = ["MODELS", "Download", "cache_folder", "fetch"]

SECONDS = 30  # without an answer


@dataclass(frozen=True)
class Download:
    """A model file at an address that names its version.

    Attributes:
        file: its name in the cache.
        url: its address.
        sha256: of its content, as hexadecimal digits.
        licence: as its publisher states it.
    """

    file: str
    url: str
    sha256: str
    licence: str


CORAL = "https://raw.githubusercontent.com/google-coral"
MODELS = {
    "movenet": Download(
        "movenet_single_pose_lightning_ptq.tflite",
        f"{CORAL}/test_data/104342d2d3480b3e66203073dac24f4e2dbb4c41/"
        "movenet_single_pose_lightning_ptq.tflite",
        "cd7cc22fa946e5d146a7b98d496853e1923e22828d3972d579973f27f91bb105",
        "Apache-2.0",
    ),
    "posenet": Download(
        "posenet_mobilenet_v1_075_481_641_quant.tflite",
        f"{CORAL}/project-posenet/fb15a6d0e1d3343f55c7c6f75bd16dcf56bb2f1d/models/"
        "posenet_mobilenet_v1_075_481_641_quant.tflite",
        "d7ac211a927e114a9266e424c3cb5b6ce0db462ee2d5311471c437cca2b262a6",
        "Apache-2.0",
    ),
}


def cache_folder() -> Path:
    """Return the folder of downloaded models, `$XDG_CACHE_HOME/rcnet-rt/models`."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "rcnet-rt" / "models"


def fetch(name: str) -> Path:
    """Return the path of a model of `MODELS`, which is downloaded the first time.

    Raises:
        EstimatorError: it cannot be downloaded, or its content is not the expected one.
        OutputError: the cache cannot be written.
    """
    model = MODELS[name]
    path = cache_folder() / model.file
    if path.is_file() and _sha256(path.read_bytes()) == model.sha256:
        return path
    content = _download(name, model.url)
    if (got := _sha256(content)) != model.sha256:
        raise EstimatorError(
            f"{model.url} has the SHA-256 {got}, expected {model.sha256}, so it is another file "
            f"than the one tested; to use a file of your own, give {name}:FILE.tflite"
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return path


def _download(name: str, url: str) -> bytes:
    try:
        with urllib.request.urlopen(url, timeout=SECONDS) as answer:  # noqa: S310  # of MODELS
            content: bytes = answer.read()
    except OSError as error:  # URLError, HTTPError and timeouts are
        raise EstimatorError(
            f"cannot download the model {name} from {url} ({error}); check the network, or give a "
            f"file of your own: {name}:FILE.tflite"
        ) from error
    return content


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
