"""Pretrained models: downloaded once, held against their hash, and never half written."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from rcnet_rt import estimators
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators import downloads

FILES = {
    "movenet": "movenet_lightning_int8.tflite",
    "posenet": "posenet_mobilenet_641_uint8.tflite",
}


class Silent(SimpleHTTPRequestHandler):
    """A server that writes no log."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder, and the address at which its files are served."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert downloads.cache_folder() == tmp_path / "cache" / "rcnet-rt" / "models"
    return downloads.cache_folder()


def serve(monkeypatch: pytest.MonkeyPatch, name: str, url: str) -> downloads.Download:
    model = downloads.MODELS[name]
    at = replace(model, url=f"{url}/{model.file}")
    monkeypatch.setitem(downloads.MODELS, name, at)
    return at


@pytest.mark.parametrize("name", FILES)
def test_a_bare_name_downloads_the_model_that_was_tested(
    name: str,
    shared_data: Path,
    served: tuple[Path, str],
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is not installed: rcnet-rt[litert]")
    path = shared_data / "zoo" / FILES[name]
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    folder, url = served
    model = serve(monkeypatch, name, url)
    (folder / model.file).write_bytes(path.read_bytes())
    assert estimators.family(name) == name
    assert (cache / model.file).read_bytes() == path.read_bytes()
    (folder / model.file).unlink()  # the second time nothing is asked for
    assert downloads.fetch(name) == cache / model.file


def test_another_file_is_refused_and_not_kept(
    served: tuple[Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    model = serve(monkeypatch, "movenet", url)
    (folder / model.file).write_bytes(b"another")
    digest = hashlib.sha256(b"another").hexdigest()
    with pytest.raises(EstimatorError, match=f"has the SHA-256 {digest}, expected {model.sha256}"):
        estimators.load("movenet", floor=0.05)
    assert not cache.exists()


def test_a_damaged_copy_is_downloaded_again(
    served: tuple[Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, url = served
    model = serve(monkeypatch, "movenet", url)
    whole = replace(model, sha256=hashlib.sha256(b"whole").hexdigest())
    monkeypatch.setitem(downloads.MODELS, "movenet", whole)
    (folder / model.file).write_bytes(b"whole")
    cache.mkdir(parents=True)
    (cache / model.file).write_bytes(b"who")
    assert downloads.fetch("movenet").read_bytes() == b"whole"


def test_no_network_says_how_to_go_on(
    served: tuple[Path, str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(monkeypatch, "posenet", served[1])
    with pytest.raises(EstimatorError, match=r"(?s)cannot download .*404.*posenet:FILE.tflite"):
        estimators.load("posenet", floor=0.05)


@pytest.mark.network
@pytest.mark.parametrize("name", FILES)
def test_the_addresses_hold_the_files(name: str, cache: Path) -> None:
    assert downloads.fetch(name).is_file()
