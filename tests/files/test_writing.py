"""Files appear whole or not at all, and nothing that is not a file is replaced."""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from rcnet_rt.errors import OutputError
from rcnet_rt.files import writing
from rcnet_rt.files.writing import (
    AtomicFile,
    atomic_file,
    atomic_folder,
    check_output_file,
    write_atomically,
)

FULL = Path("/dev/full")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with suppress(KeyboardInterrupt), atomic_file(path) as partial:
        partial.write_text("half")
        assert not path.exists()
        assert partial.suffix == ".json"
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    write_atomically(path, b"whole")
    assert path.read_bytes() == b"whole"
    with suppress(ValueError), atomic_file(path) as partial:
        partial.write_text("half")
        raise ValueError
    assert path.read_bytes() == b"whole"
    assert names(tmp_path) == ["a.json"]


def test_the_last_of_two_writers_wins_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    first, second = AtomicFile(path), AtomicFile(path)
    first.partial.write_bytes(b"1" * 100)
    second.partial.write_bytes(b"2" * 50)
    second.commit()
    assert path.read_bytes() == b"2" * 50
    first.commit()
    first.discard()
    assert path.read_bytes() == b"1" * 100
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("chain", [1, 3])
def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path, chain: int) -> None:
    (tmp_path / "elsewhere").mkdir()
    target = tmp_path / "elsewhere" / "target.json"
    target.write_text("old")
    link = tmp_path / "link0.json"
    link.symlink_to("elsewhere/target.json")
    for number in range(1, chain):
        link = tmp_path / f"link{number}.json"
        link.symlink_to(f"link{number - 1}.json")
    check_output_file(link)
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert target.read_text() == "new"
    assert names(target.parent) == ["target.json"]


def test_a_link_to_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    write_atomically(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == b"new"


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    for write in (check_output_file, lambda path: write_atomically(path, b"")):
        with pytest.raises(OutputError, match="cannot be written"):
            write(tmp_path / "a")


@pytest.mark.parametrize("mode", [0o600, 0o664, 0o640, 0o755])
def test_the_mode_of_an_existing_file_is_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(mode)
    write_atomically(path, b"new")
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_new_files_respect_the_umask(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        write_atomically(tmp_path / "a", b"")
        with atomic_folder(tmp_path / "folder") as folder:
            (folder / "b").touch()
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "folder").stat().st_mode) == 0o777 & ~mask


def test_a_read_only_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o444)
    for write in (check_output_file, lambda path: write_atomically(path, b"new")):
        with pytest.raises(OutputError, match=r"a is read-only; make it writable"):
            write(path)
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    check_output_file(pipe)
    write_atomically(pipe, b"content")
    reader.join(10)
    assert got == [b"content"]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    with pytest.raises(OutputError, match=r"pipe\.mp4 is not a regular file"):
        check_output_file(pipe.rename(tmp_path / "pipe.mp4"), (".mp4",))
    assert names(tmp_path) == ["pipe.mp4"]


def device(folder: Path, name: str, like: Path) -> Path:
    """Make a device node of our own; the machine's own ones are never risked."""
    try:
        os.mknod(folder / name, stat.S_IFCHR | 0o666, like.stat().st_rdev)
        (folder / name).write_bytes(b"")
    except (OSError, AttributeError):
        pytest.skip("device nodes cannot be made or opened here")
    return folder / name


@pytest.mark.skipif(not Path("/dev/null").exists(), reason="no /dev/null here")
def test_a_device_stays_a_device(tmp_path: Path) -> None:
    null = device(tmp_path, "null", Path("/dev/null"))
    write_atomically(null, b"content")
    assert stat.S_ISCHR(null.stat().st_mode)
    assert names(tmp_path) == ["null"]
    (tmp_path / "link").symlink_to("null")
    write_atomically(tmp_path / "link", b"content")
    assert stat.S_ISCHR((tmp_path / "link").stat().st_mode)


@pytest.mark.skipif(not FULL.exists(), reason="no /dev/full here")
def test_a_full_disk_is_a_sentence(tmp_path: Path) -> None:
    full = device(tmp_path, "full", FULL)
    with pytest.raises(OutputError, match=r"full cannot be written \(No space left.*free some sp"):
        write_atomically(full, b"content")
    assert stat.S_ISCHR(full.stat().st_mode)


def test_a_failed_move_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_text("old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(writing.os, "replace", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a"]


def test_descriptors_redirected_to_a_file(tmp_path: Path) -> None:
    with (tmp_path / "a").open("wb") as file:
        name = Path(f"/proc/self/fd/{file.fileno()}")
        if not name.exists():
            pytest.skip("no /proc here")
        (tmp_path / "link").symlink_to(name)
        for path in (name, tmp_path / "link"):
            with pytest.raises(OutputError, match="redirected to a file; give the name of that"):
                write_atomically(path, b"content")
    reader, writer = os.pipe()
    write_atomically(Path(f"/proc/self/fd/{writer}"), b"content")
    assert os.read(reader, 100) == b"content"
    os.close(reader)
    os.close(writer)


def test_long_names(tmp_path: Path) -> None:
    longest = tmp_path / ("ü" * 120 + ".json.gz")
    write_atomically(longest, b"content")
    assert longest.read_bytes() == b"content"
    too_long = tmp_path / ("n" * 300 + ".json")
    for write in (check_output_file, lambda path: write_atomically(path, b"")):
        with pytest.raises(OutputError, match="choose a shorter name"):
            write(too_long)


def test_a_folder_that_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(OutputError, match="the folder must exist"):
        write_atomically(Path("a.json"), b"content")
    with pytest.raises(OutputError, match=r"a\.json"):
        check_output_file(Path("a.json"))


def test_folders_that_are_none(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file" / "a", tmp_path / "missing" / "a"):
        with pytest.raises(OutputError, match="the folder must exist"):
            write_atomically(path, b"content")
        with pytest.raises(OutputError):
            check_output_file(path)
    with pytest.raises(OutputError, match="is a folder; give the name of a file"):
        write_atomically(tmp_path, b"content")


def test_folders_are_replaced_whole(tmp_path: Path) -> None:
    with suppress(KeyboardInterrupt), atomic_folder(tmp_path / "out") as folder:
        (folder / "a").write_text("half")
        raise KeyboardInterrupt
    assert names(tmp_path) == []
    for content in ("first", "second"):
        with atomic_folder(tmp_path / "out") as folder:
            (folder / content).write_text(content)
        assert names(tmp_path / "out") == [content]
    (tmp_path / "link").symlink_to("out")
    with atomic_folder(tmp_path / "link") as folder:
        (folder / "third").touch()
    assert (tmp_path / "link").is_symlink()
    assert names(tmp_path / "out") == ["third"]
    assert names(tmp_path) == ["link", "out"]
