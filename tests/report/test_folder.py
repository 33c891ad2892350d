from __future__ import annotations

import errno
from pathlib import Path

import pytest

from rcnet_rt.errors import OutputError
from rcnet_rt.report.folder import GENERATOR, PAGE, check_folder, write_folder

REPORT = {PAGE: f"<!doctype html>{GENERATOR}".encode(), "a.png": b"1"}


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_parents_are_made_and_an_earlier_report_is_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "report"
    check_folder(folder)
    write_folder(folder, REPORT)
    write_folder(folder, {PAGE: REPORT[PAGE], "b.png": b"2"})
    assert names(folder) == {PAGE, "b.png"}
    assert names(folder.parent) == {"report"}


@pytest.mark.parametrize("other", ["notes.txt", "photo.png", PAGE])
def test_what_is_not_a_report_is_left_alone(tmp_path: Path, other: str) -> None:
    (tmp_path / other).write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        write_folder(tmp_path, REPORT)
    assert names(tmp_path) == {other}


def test_a_report_with_notes_in_it_is_left_alone(tmp_path: Path) -> None:
    write_folder(tmp_path / "report", REPORT)
    (tmp_path / "report" / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds other files"):
        check_folder(tmp_path / "report")


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "report").write_text("mine")
    with pytest.raises(OutputError, match="is a file"):
        check_folder(tmp_path / "report")
    with pytest.raises(OutputError, match="cannot be created"):
        check_folder(tmp_path / "report" / "inside")


def test_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "report"
    write_folder(folder, REPORT)
    write_bytes = Path.write_bytes

    def full(self: Path, data: bytes) -> int:
        if self.name == "b.png":
            raise OSError(errno.ENOSPC, "No space left on device")
        return write_bytes(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="No space left"):
        write_folder(folder, {PAGE: REPORT[PAGE], "b.png": b"2"})
    assert names(folder) == {PAGE, "a.png"}
    assert names(tmp_path) == {"report"}


def test_the_old_report_comes_back_if_the_new_one_cannot_take_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    write_folder(folder, REPORT)
    rename = Path.rename

    def stuck(self: Path, target: Path) -> Path:
        if self.name == "new":
            raise OSError(errno.EIO, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", stuck)
    with pytest.raises(OutputError, match="Input/output"):
        write_folder(folder, REPORT)
    assert names(folder) == {PAGE, "a.png"}
    assert names(tmp_path) == {"report"}
