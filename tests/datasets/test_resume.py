"""What an interruption leaves is taken up again, whole lines only, and only by an equal job."""

from __future__ import annotations

from pathlib import Path

import pytest

from rcnet_rt.datasets.resume import Partial
from rcnet_rt.errors import DatasetError, OutputError

JOB = {"model": "any", "floor": 0.001, "most": None}
DONE = {3: [{"image_id": 3, "score": 0.1}], 5: []}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """What a job left that did two images."""
    with Partial(tmp_path / "out.json.partial", JOB) as partial:
        for image, entries in DONE.items():
            partial.add(image, entries)
    return partial.path


def test_nothing_is_there_before_the_first_image(tmp_path: Path) -> None:
    with Partial(tmp_path / "out.json.partial", JOB) as partial:
        assert partial.done == {}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("cut_off", [b"", b'{"image_id": 7, "entr'])
def test_an_equal_job_goes_on(path: Path, cut_off: bytes) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole + cut_off)
    with Partial(path, dict(JOB)) as partial:
        assert partial.done == DONE
        partial.add(7, [])
    assert path.read_bytes() == whole + b'{"image_id": 7, "entries": []}\n'


def test_a_first_line_that_was_cut_off_is_written_again(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[:9])
    with Partial(path, JOB) as partial:
        assert partial.done == {}
        for image, entries in DONE.items():
            partial.add(image, entries)
    assert path.read_bytes() == whole


@pytest.mark.parametrize("change", [{"model": "other"}, {"floor": 0.1}, {"more": 1}])
def test_another_job_is_refused(path: Path, change: dict[str, object]) -> None:
    before = path.read_bytes()
    with pytest.raises(
        DatasetError, match=r"out\.json\.partial belongs to another job \(model any, floor 0\.001"
    ):
        Partial(path, JOB | change)
    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"nonsense\n", b'{"model": 1}\n[]\n', b"{}\n{}\n"])
def test_a_damaged_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "out.json.partial").write_bytes(content)
    with pytest.raises(DatasetError, match="damaged or no partial file; delete it"):
        Partial(tmp_path / "out.json.partial", JOB)


def test_a_missing_folder_is_a_sentence(tmp_path: Path) -> None:
    with (
        Partial(tmp_path / "nowhere" / "out.json.partial", JOB) as partial,
        pytest.raises(OutputError, match="must exist"),
    ):
        partial.add(3, [])
