"""Object stores and Ray: an S3 server of moto, and a cluster that is started here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rcnet_rt.errors import RcnetError
from rcnet_rt.workflows.fleet import run
from rcnet_rt.workflows.fleet.items import Segment
from rcnet_rt.workflows.fleet.run import predict_sources
from rcnet_rt.workflows.fleet.sources import find_media, local_copy
from rcnet_rt.workflows.fleet.store import open_store
from tests.helpers.fleet import MODEL, InlinePool, assert_same_frames, read_folder

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@pytest.fixture
def memory(clips: Path) -> Iterator[str]:
    """The clips in fsspec's own memory."""
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for path in clips.iterdir():
        system.pipe_file(f"/videos/{path.name}", path.read_bytes())
    yield "memory://videos"
    system.store.clear()


@pytest.mark.usefixtures("inline")
def test_remote_sources_and_a_remote_folder(
    memory: str, clips: Path, tmp_path: Path, inline: type[InlinePool]
) -> None:
    out = "memory://results/out"
    summary = predict_sources([f"{memory}/*.mp4"], MODEL, out, segment=0.5)
    assert (summary.frames, summary.failures) == (100, ())
    inline.items.clear()
    assert predict_sources([memory], MODEL, out, segment=0.5).complete == 3
    assert not inline.items
    store = open_store(out)
    for table in ("poses", "frames"):
        (tmp_path / "got" / table).mkdir(parents=True)
        for name in store.names(table):
            content = store.read(f"{table}/{name}")
            assert content is not None
            (tmp_path / "got" / table / name).write_bytes(content)
    predict_sources([clips], MODEL, tmp_path / "local", segment=0.5)
    got, local = read_folder(tmp_path / "got"), read_folder(tmp_path / "local")
    assert {(Path(source).name, index) for source, index in got} == {
        (Path(source).name, index) for source, index in local
    }
    by_name = {(Path(s).name, i): frame.poses.scores.tolist() for (s, i), frame in local.items()}
    assert all(
        by_name[Path(s).name, i] == frame.poses.scores.tolist() for (s, i), frame in got.items()
    )


@pytest.mark.usefixtures("inline")
def test_a_remote_video_that_vanishes_is_a_row(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    class VanishingPool(InlinePool):
        """Before the last segment of the first video, the video is gone."""

        def send(self, worker: Any, item: Any) -> None:
            if isinstance(item, Segment) and item.part.index == item.part.count - 1 > 0:
                fsspec.filesystem("memory").store.pop("/videos/0.mp4", None)
            super().send(worker, item)

    monkeypatch.setattr(run, "ProcessPool", VanishingPool)
    summary = predict_sources([f"{memory}/0.mp4", f"{memory}/2.mp4"], MODEL, tmp_path, segment=0.5)
    (failure,) = summary.failures
    assert "0.mp4 cannot be opened" in failure.reason
    assert failure.first_frame > 0
    assert {Path(source).name for source, _ in read_folder(tmp_path)} == {"0.mp4", "2.mp4"}


def test_a_list_names_sources_line_by_line(memory: str, clips: Path, tmp_path: Path) -> None:
    lines = [f"{memory}/0.mp4", "", str(clips / "1.mp4"), f"{memory}/0.mp4"]
    (tmp_path / "list.txt").write_text("\n".join(lines))
    found = find_media([str(tmp_path / "list.txt")])
    assert [Path(each.name).name for each in found] == ["0.mp4", "1.mp4"]
    with local_copy(found[0]) as path:
        assert path.read_bytes() == (clips / "0.mp4").read_bytes()
    assert not path.exists()


def test_paths_with_signs_of_queries_stay_apart(memory: str, clips: Path) -> None:
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    for day in (1, 2):
        system.pipe_file(f"/videos/day={day}/a[1].mp4", (clips / "2.mp4").read_bytes())
    found = find_media([f"{memory}/day=*/*.mp4", f"{memory}/day=2/a[1].mp4"])
    assert [each.name for each in found] == [
        "memory:///videos/day=1/a[1].mp4",
        "memory:///videos/day=2/a[1].mp4",
    ]


def test_credentials_are_shown_nowhere() -> None:
    pytest.importorskip("fsspec")
    with pytest.raises(RcnetError) as error:
        find_media(["nowhere://me:secret@host/a.mp4"])
    assert "secret" not in str(error.value)


@pytest.fixture
def bucket(clips: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The clips in a bucket of a local S3 server."""
    server_module = pytest.importorskip("moto.server", reason="pip install 'moto[server]'")
    s3fs = pytest.importorskip("s3fs", reason="pip install 'rcnet-rt[ray]'")
    server = server_module.ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {**KEYS, "AWS_ENDPOINT_URL": f"http://{host}:{port}"}.items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    system = s3fs.S3FileSystem()
    system.mkdir("bucket")
    for path in clips.iterdir():
        system.put_file(str(path), f"bucket/videos/{path.name}")
    yield "s3://bucket"
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of boto's and moto's own
def test_s3_in_and_out(bucket: str, clips: Path, tmp_path: Path) -> None:
    sources, out = [f"{bucket}/videos/*.mp4"], f"{bucket}/out"
    summary = predict_sources(sources, MODEL, out, segment=0.5, workers=2)
    assert (summary.frames, summary.failures) == (100, ())
    assert predict_sources(sources, MODEL, out, segment=0.5).complete == 3
    open_store(out).remove(f"poses/{min(open_store(out).names('poses'))}")
    again = predict_sources(sources, MODEL, out, segment=0.5, workers=2)
    assert (again.complete, again.parts) == (2, 1)


@pytest.mark.filterwarnings("ignore")  # of Ray's own
def test_ray_gives_the_same_rows(clips: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="pip install 'rcnet-rt[ray]'")
    try:
        predict_sources([clips], MODEL, tmp_path / "out", segment=0.5, workers=2, ray="local")
    finally:
        ray.shutdown()
    predict_sources([clips], MODEL, tmp_path / "alone", segment=0.5)
    assert_same_frames(read_folder(tmp_path / "out"), read_folder(tmp_path / "alone"))
