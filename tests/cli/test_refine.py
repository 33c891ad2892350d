from __future__ import annotations

import gzip
import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest

from rcnet_rt.backends.choice import auto
from rcnet_rt.cli import main
from rcnet_rt.datasets.results import poses_by_image, read_results
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.weights_io import save
from rcnet_rt.workflows.rescore import rescore_entries
from tests.helpers.networks import random_weights
from tests.helpers.synthetic_coco import make_content, make_results

FORMULA = ("--weights", "formula:score_times_confidence")


def write_weights(path: Path, skeleton: str = "coco17") -> Path:
    save(random_weights(skeleton=skeleton), path)
    return path


def run(*arguments: object) -> int | str | None:
    with pytest.raises(SystemExit) as stopped:
        main(["refine", *map(str, arguments)])
    return stopped.value.code


@pytest.fixture
def entries() -> list[dict]:
    return [
        {**entry, "note": {"any": [number, None, 1e-300]}}
        for number, entry in enumerate(make_results(make_content()))
    ]


@pytest.fixture
def results(tmp_path: Path, entries: list[dict]) -> Path:
    path = tmp_path / "results.json"
    path.write_text(json.dumps(entries))
    return path


@pytest.mark.parametrize("name", ["out.json", "out.json.gz"])
def test_only_scores_change(
    tmp_path: Path,
    results: Path,
    entries: list[dict],
    name: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / name
    weights = write_weights(tmp_path / "net.safetensors")
    assert run(results, "--out", out, "--weights", weights) == 0
    content = out.read_bytes()
    refined = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)
    scores = np.array([entry["score"] for entry in refined])
    assert ((scores >= 0) & (scores <= 1)).all()
    assert len(np.unique(scores)) > len(scores) / 2
    restored = [{**new, "score": old["score"]} for new, old in zip(refined, entries, strict=True)]
    assert json.dumps(restored) == json.dumps(entries)
    images = len({entry["image_id"] for entry in entries})
    assert capsys.readouterr().out == (
        f"{len(entries)} poses of {images} images re-scored with net ({auto()[0]}) -> {out}\n"
    )


def test_scores_are_those_of_each_image_alone(tmp_path: Path, entries: list[dict]) -> None:
    refiner = Refiner(str(write_weights(tmp_path / "net.safetensors")))
    scores = rescore_entries(entries, refiner)
    for image in poses_by_image(entries, COCO17).values():
        np.testing.assert_allclose(scores[image.entries], refiner(image.poses).scores, atol=1e-6)


def test_the_file_itself_may_be_the_output(results: Path, entries: list[dict]) -> None:
    assert run(results, "--out", results, "--weights", "formula:score") == 0
    expected = [float(np.float32(entry["score"])) for entry in entries]
    assert [entry["score"] for entry in read_results(results)] == expected


def test_no_poses_are_no_poses(tmp_path: Path) -> None:
    (tmp_path / "none.json").write_text("[]")
    assert run(tmp_path / "none.json", "--out", tmp_path / "out.json", *FORMULA) == 0
    assert (tmp_path / "out.json").read_text() == "[]"


def test_formulas_take_any_known_skeleton(tmp_path: Path, entries: list[dict]) -> None:
    crowdpose = [{**entry, "keypoints": entry["keypoints"][:42]} for entry in entries]
    (tmp_path / "crowdpose.json").write_text(json.dumps(crowdpose))
    assert run(tmp_path / "crowdpose.json", "--out", tmp_path / "out.json", *FORMULA) == 0


@pytest.mark.parametrize(("choice", "score"), [("raw", 0.0), ("drop", 0.0)])
def test_scores_that_are_not_numbers(
    tmp_path: Path,
    entries: list[dict],
    choice: str,
    score: float,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path, out = tmp_path / "nan.json", tmp_path / "out.json"
    entries[3]["score"] = float("nan")
    path.write_text(json.dumps(entries))
    assert run(path, "--out", out, *FORMULA) == 1
    sentence = f"entry 3 (image {entries[3]['image_id']}) of the results has a score that is not a"
    assert sentence in capsys.readouterr().err
    assert not out.exists()
    assert run(path, "--out", out, *FORMULA, "--on-error", choice) == 0
    refined = [entry["score"] for entry in read_results(out)]
    assert refined[3] == score
    assert np.isfinite(refined).all()


@pytest.mark.parametrize(("choice", "expected"), [("raw", 0.75), ("drop", 0.0)])
def test_keypoints_that_are_not_numbers(
    tmp_path: Path, entries: list[dict], choice: str, expected: float
) -> None:
    path, out = tmp_path / "infinite.json", tmp_path / "out.json"
    entries[3]["score"], entries[3]["keypoints"][0] = 0.75, float("inf")
    path.write_text(json.dumps(entries))
    assert run(path, "--out", out, *FORMULA) == 1
    assert run(path, "--out", out, *FORMULA, "--on-error", choice) == 0
    assert read_results(out)[3]["score"] == expected


def test_faults_are_one_sentence_and_no_file(
    tmp_path: Path, results: Path, entries: list[dict], capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.json"

    def sentence(value: object, *arguments: object) -> str:
        path = tmp_path / "faulty.json"
        path.write_text(value if isinstance(value, str) else json.dumps(value))
        assert run(path, "--out", out, *(arguments or FORMULA)) == 1
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.count("\n") == 1
        assert not out.exists()
        return captured.err

    sixteen = [{**entry, "keypoints": entry["keypoints"][:48]} for entry in entries]
    assert "48 keypoint values (16 joints), expected 51" in sentence(sixteen)
    assert "cut off or not JSON" in sentence(json.dumps(entries)[:-40])
    assert "expected a list of entries" in sentence({"images": []})
    other = write_weights(tmp_path / "other.safetensors", "crowdpose14")
    assert (
        "weights 'other' are for the 14 keypoints of crowdpose14, and the results have the 17"
        in (sentence(entries, "--weights", other))
    )
    assert "unknown weights 'nobody'" in sentence(entries, "--weights", "nobody")
    assert "leave every score as it is" in sentence(entries, "--weights", "none")
    assert run(results, "--out", tmp_path / "nowhere" / "out.json") == 1
    assert "create" in capsys.readouterr().err


def test_a_name_that_is_too_long_is_a_sentence(
    results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = tmp_path / f"{'a' * 300}.json"
    for arguments in ((name, "--out", tmp_path / "out.json"), (results, "--out", name)):
        assert run(*arguments, *FORMULA) == 1
        error = capsys.readouterr().err
        assert "name too long" in error.lower()
        assert "unexpected" not in error


def test_wrong_usage(results: Path) -> None:
    assert run(results) == 2
    assert run(results, "--out", results, "--on-error", "guess") == 2


@pytest.mark.parametrize("packed", [False, True])
def test_pipes_in_and_out(
    tmp_path: Path, results: Path, packed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    content = gzip.compress(results.read_bytes()) if packed else results.read_bytes()
    source, target = tmp_path / "in", tmp_path / "out"
    os.mkfifo(source)
    os.mkfifo(target)
    got: list[bytes] = []
    writer = threading.Thread(target=source.write_bytes, args=(content,))
    reader = threading.Thread(target=lambda: got.append(target.read_bytes()))
    writer.start()
    reader.start()
    assert run(source, "--out", target, *FORMULA) == 0
    writer.join(10)
    reader.join(10)
    assert target.is_fifo()
    assert run(results, "--out", tmp_path / "plain.json", *FORMULA) == 0
    assert got == [(tmp_path / "plain.json").read_bytes()]
    said = capsys.readouterr()
    assert "re-scored" in said.err, "the standard output may be the pipe itself"


def test_all_but_the_scores_stays_to_the_letter(tmp_path: Path, entries: list[dict]) -> None:
    tail = ', "long": 0.1000000000000000055511151231257827, "huge": 1e400, "a": 1, "a": 2}'
    texts = [json.dumps(entry)[:-1] + tail for entry in entries]
    (tmp_path / "in.json").write_text("[" + ",\n".join(texts) + "]\n")
    assert run(tmp_path / "in.json", "--out", tmp_path / "out.json", *FORMULA) == 0
    refined = [entry["score"] for entry in read_results(tmp_path / "out.json")]
    expected = [
        text.replace(f'"score": {entry["score"]!r}', f'"score": {score!r}')
        for text, entry, score in zip(texts, entries, refined, strict=True)
    ]
    assert (tmp_path / "out.json").read_text() == "[" + ",\n".join(expected) + "]\n"


def test_a_key_twice_and_numbers_beyond_a_double(
    tmp_path: Path, entries: list[dict], capsys: pytest.CaptureFixture[str]
) -> None:
    path, out = tmp_path / "in.json", tmp_path / "out.json"
    path.write_text("[" + json.dumps(entries[0])[:-1] + ', "score": 0.5}]')
    assert run(path, "--out", out, *FORMULA) == 1
    assert "an entry has 'score' twice" in capsys.readouterr().err
    path.write_text(json.dumps(entries).replace(repr(entries[0]["keypoints"][0]), "1e400", 1))
    assert run(path, "--out", out, *FORMULA) == 1
    assert "entry 0 (image" in capsys.readouterr().err
    assert not out.exists()
