"""The command line as a user meets it: words, exit codes, files."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from rcnet_rt import estimators
from rcnet_rt.cli import main
from rcnet_rt.cli.options import RECHECKED
from rcnet_rt.cli.summary import STARTING
from rcnet_rt.datasets.jsonl import JsonLinesWriter, read, read_lines
from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import COCO17
from tests.helpers.clips import write_clip
from tests.helpers.joints import with_joint_estimates

FRAMES = 6


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, random_poses: Poses) -> Path:
    """A folder with a clip, an image, and poses recorded for both; we stand in it."""
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path, random_poses, FRAMES)
    cv2.imwrite(str(tmp_path / "photo.png"), np.zeros((480, 640, 3), np.uint8))
    return tmp_path


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    assert isinstance(caught.value.code, int)
    return caught.value.code


REPLAY = ("--model", "replay:poses.jsonl")


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()} - {"clip.mp4", "photo.png", "poses.jsonl"}


def times(path: Path) -> list[Fraction]:
    with av.open(str(path)) as container:
        return [frame.pts * frame.time_base for frame in container.decode(video=0)]


def test_the_main_road(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("clip.mp4", *REPLAY, "--weights", "none", "--json", "out.jsonl") == 0
    assert names(place) == {"clip_rcnet.mp4", "out.jsonl"}
    assert times(place / "clip_rcnet.mp4") == [Fraction(i, 10) for i in range(FRAMES)]
    lines = list(read_lines(place / "out.jsonl"))
    before = list(read_lines(place / "poses.jsonl"))
    assert [line["time"] for line in lines] == [line["time"] for line in before]
    for line, recorded in zip(lines, before, strict=True):
        for pose, old in zip(line["poses"], recorded["poses"], strict=True):
            assert pose["keypoints"] == old["keypoints"]
            assert pose["score"] == pose["score_raw"] == old["score_raw"]
            assert pose["kept"] == (pose["score"] >= 0.25)
    out, err = capsys.readouterr()
    assert f"{FRAMES} frames" in out
    assert "weights: none" in out
    assert err == ""


def test_a_misspelled_command_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("refien", "results.json") == 2
    assert "did you mean `rcnet-rt refine`?" in capsys.readouterr().err
    assert run("photo", *REPLAY) == 1  # like no command: a source
    assert "no such file or folder: photo" in capsys.readouterr().err
    (place / "trains").mkdir()
    assert run("trains", *REPLAY) == 1
    assert "did you mean" not in capsys.readouterr().err


def test_the_time_of_few_frames_is_mostly_that_of_the_first_call(
    place: Path, random_poses: Poses, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ("clip.mp4", *REPLAY, "--no-video", "--weights", "formula:score")
    assert run(*common) == 0
    assert "(median; the first call takes most of it)" in capsys.readouterr().out
    write_clip(place, random_poses, STARTING + 1)
    assert run(*common) == 0
    assert "a frame (median)," in capsys.readouterr().out


def test_telemetry(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("clip.mp4", *REPLAY, "--weights", "none", "--telemetry", "times.json") == 0
    figures = json.loads((place / "times.json").read_text())
    assert figures["frames"] == {"in": FRAMES, "out": FRAMES, "dropped": 0}
    assert list(figures["stages"]) == ["decode", "estimate", "refine", "draw", "write"]
    assert all(stage["count"] == FRAMES for stage in figures["stages"].values())
    assert 0 < figures["refine_share"] < 1
    assert 0 < figures["refine_cpu_share"] < 1
    out = capsys.readouterr().out
    assert "refining: " in out
    assert "written: times.json, clip_rcnet.mp4" in out


def test_a_second_look_says_what_it_costs(
    place: Path, random_poses: Poses, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    class Always:
        name, family, skeleton = "always", "yolo-pose", COCO17
        busy = False

        def estimate(self, image_bgr: Image) -> Poses:
            assert not self.busy, "both looks at once"
            self.busy = True
            time.sleep(0.001)
            self.busy = False
            return random_poses

    monkeypatch.setattr(estimators, "family", lambda _: "yolo-pose")
    monkeypatch.setattr(estimators, "load", lambda *_, **__: Always())
    common = ("clip.mp4", "--no-video", "--model", "any", "--json", "a.jsonl")
    assert run(*common, "--recheck", "--telemetry", "t.json") == 0
    out = capsys.readouterr().out
    assert f"recheck: {RECHECKED}.0 crops a frame, " in out
    assert "scores by more than 0.1" in out
    stages = json.loads((place / "t.json").read_text())["stages"]
    assert stages["recheck"]["count"] == stages["estimate"]["count"] > 1
    for line in read_lines(place / "a.jsonl"):
        assert sum("agreement" in pose for pose in line["poses"]) == RECHECKED
    assert run(*common, "--flip-test", "--workers", "2") == 0
    for line in read_lines(place / "a.jsonl"):
        assert all("agreement" in pose for pose in line["poses"])
    capsys.readouterr()
    assert run(*common, "--flip-test", "--recheck") == 1
    assert "choose one of --recheck and --flip-test" in capsys.readouterr().err
    assert run(*common, "--flip-test", "--weights", "top-down") == 1
    assert "do not use a flip test" in capsys.readouterr().err


def test_formulas_say_that_they_are_formulas(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    baseline = "formula:score_times_confidence"
    assert run(*REPLAY, "clip.mp4", "--weights", baseline, "--no-video", "--json", "a.jsonl") == 0
    assert "no trained weights" in capsys.readouterr().out
    assert names(place) == {"a.jsonl"}
    header = json.loads((place / "a.jsonl").read_text().splitlines()[0])
    assert header["weights"] == baseline
    pose = next(read_lines(place / "a.jsonl"))["poses"][0]
    assert pose["score"] < pose["score_raw"]


def test_conf_decides_what_is_kept(place: Path) -> None:
    kept = []
    for conf in (0, 0.5, 1):
        run(
            "clip.mp4", *REPLAY, "--weights=none", "--no-video", "--json", "a.jsonl", "--conf", conf
        )
        line = next(read_lines(place / "a.jsonl"))
        kept.append([pose["kept"] for pose in line["poses"]])
        assert kept[-1] == [pose["score"] >= conf for pose in line["poses"]]
    assert all(kept[0])
    assert not any(kept[2])


def test_compare_is_twice_as_wide(place: Path) -> None:
    assert run("clip.mp4", *REPLAY, "--compare", "--out", "both.mp4", "--max-frames", 2) == 0
    with av.open("both.mp4") as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [(1280, 480)] * 2


def test_a_image(place: Path) -> None:
    assert run("photo.png", *REPLAY, "--json", "a.jsonl") == 0
    assert cv2.imread("photo_rcnet.png").shape == (480, 640, 3)
    line = next(read_lines(place / "a.jsonl"))
    assert (line["time"], line["file"]) == (None, "photo.png")


@pytest.mark.parametrize("source", ["both", "both/*"])
def test_a_folder_of_images_and_videos(place: Path, source: str) -> None:
    (place / "both").mkdir()
    (place / "photo.png").rename("both/photo.png")
    cv2.imwrite("both/photo2.png", np.zeros((480, 640, 3), np.uint8))
    (place / "clip.mp4").rename("both/clip.mp4")
    assert run(source, *REPLAY, "--json", "a.jsonl", "--max-frames", 5) == 0
    assert {entry.name for entry in Path("both_rcnet").iterdir()} == {
        "photo.png",
        "photo2.png",
        "clip_rcnet.mp4",
    }
    lines = list(read_lines(place / "a.jsonl"))
    assert [(line["file"], line["frame"]) for line in lines] == [
        ("photo.png", 0),
        ("photo2.png", 1),
        ("clip.mp4", 0),
        ("clip.mp4", 1),
        ("clip.mp4", 2),
    ]


def test_out_may_be_a_folder(place: Path) -> None:
    assert run("clip.mp4", *REPLAY, "--out", "new/folder") == 0
    assert (place / "new" / "folder" / "clip_rcnet.mp4").is_file()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("missing.mp4",), 1, "no such file or folder: missing.mp4"),
        (("text.mp4",), 1, "is not a video"),
        (("empty.mp4",), 1, "empty"),
        (("cut.mp4",), 1, "cut off"),
        (("ftp://a:b@c/d",), 1, "addresses of the kind ftp://"),
        (("clip.mp4", "--model", "nonsense"), 1, "unknown model"),
        (("clip.mp4", *REPLAY, "--out", "missing/a.mp4"), 1, "create missing first"),
        (("clip.mp4", *REPLAY, "--json", "missing/a.jsonl"), 1, "create missing first"),
        (("clip.mp4", *REPLAY, "--out", "clip.mp4"), 1, "the source itself"),
        (("clip.mp4", *REPLAY, "--json", "clip.mp4"), 1, "the source itself"),
        (("clip.mp4", *REPLAY, "--out", "a.mp4", "--json", "a.mp4"), 1, "written twice"),
        (("clip.mp4", *REPLAY, "--json", "a", "--telemetry", "a"), 1, "written twice"),
        (("clip.mp4", *REPLAY, "--telemetry", "missing/a"), 1, "create missing first"),
        (("clip.mp4", *REPLAY, "--out", "a.avi"), 1, "must end in one of"),
        (("clip.mp4", *REPLAY, "--out", "text.mp4/a"), 1, "cannot be created"),
        (("photo.png", *REPLAY, "--out", "a.mp4"), 1, "must end in one of"),
        (("images", *REPLAY, "--out", "images"), 1, "the source itself"),
        (("images", *REPLAY, "--out", "a.mp4"), 1, "must be a folder"),
        (("clip.mp4", *REPLAY, "--weights", "nope"), 1, "unknown weights"),
        (("clip.mp4", *REPLAY, "--weights", "none", "--conf", "p95"), 1, "p95 needs trained"),
        (
            ("clip.mp4", *REPLAY, "--weights", "none", "--conf", "guaranteed"),
            1,
            "guaranteed needs trained",
        ),
        (("clip.mp4", *REPLAY, "--conf", "7"), 2, "a number from 0 to 1"),
        (("clip.mp4", *REPLAY, "--conf", "nan"), 2, "a number from 0 to 1"),
        (("clip.mp4", *REPLAY, "--conf", "high"), 2, "a number from 0 to 1"),
        (("clip.mp4", *REPLAY, "--max-frames", "0"), 2, "max-frames"),
        (("clip.mp4", *REPLAY, "--backend", "abacus"), 2, "abacus"),
        (("clip.mp4", *REPLAY, "--drift-reference", "99"), 2, "drift-reference"),
        (("clip.mp4", *REPLAY, "--recheck", "2"), 2, "which replay cannot"),
        (("clip.mp4", *REPLAY, "--flip-test"), 2, "which replay cannot"),
        (("clip.mp4", *REPLAY, "--nothing"), 2, "--nothing"),
        (("run",), 2, "SOURCE"),
    ],
)
def test_bad_input(
    place: Path,
    capfd: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    code: int,
    message: str,
) -> None:
    (place / "text.mp4").write_text("hello")
    (place / "empty.mp4").touch()
    (place / "cut.mp4").write_bytes((place / "clip.mp4").read_bytes()[:500])
    (place / "images").mkdir()
    for name in "ab":
        cv2.imwrite(f"images/{name}.png", np.zeros((4, 6, 3), np.uint8))
    there = {path: path.stat().st_mtime_ns for path in place.rglob("*")}
    assert run(*arguments) == code
    out, err = capfd.readouterr()
    assert out == ""
    assert message in err
    if code == 1:
        assert err.startswith("Error: ")
        assert err.count("\n") == 1
    assert {path: path.stat().st_mtime_ns for path in place.rglob("*")} == there


@pytest.mark.parametrize(
    "command",
    [
        ("run", "missing.mp4"),
        ("predict", "--coco", "missing", "--out", "a.json"),
        ("train", "--coco", "missing"),
    ],
)
def test_a_model_that_is_a_program_is_announced(
    place: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    (place / "mine.pt").touch()
    assert run(*command, "--model", "mine.pt") == 1
    note, error = capsys.readouterr().err.splitlines()
    assert note.startswith("Note: mine.pt is a pickle, that is, a program: ")
    assert error.startswith("Error: ")


def test_a_model_that_is_not_loaded_is_not_announced(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "mine.pt").touch()
    known = ("--coco", "missing", "--predictions", "missing.json", "--model", "mine.pt")
    assert run("train", *known) == 1
    assert "program" not in capsys.readouterr().err


def test_a_failure_in_mid_stream_keeps_what_was_done(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = (place / "poses.jsonl").read_text().splitlines()
    (place / "short.jsonl").write_text("\n".join(lines[:4]))
    assert run("clip.mp4", "--model", "replay:short.jsonl", "--json", "a.jsonl") == 1
    assert len(times(place / "clip_rcnet.mp4")) == 3
    assert len(list(read_lines(place / "a.jsonl"))) == 3
    err = capsys.readouterr().err
    assert "Stopped after 3 frames; written: a.jsonl, clip_rcnet.mp4." in err
    assert "has 3 recorded frames" in err


def test_debug_shows_the_traceback(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("missing.mp4", "--debug") == 1
    assert "Traceback" in capsys.readouterr().err


def test_a_file_named_like_a_command(place: Path) -> None:
    (place / "clip.mp4").rename("demo")
    assert run("run", "./demo", *REPLAY) == 0
    assert names(place) == {"demo", "demo_rcnet.mp4"}


def test_help_is_quick_and_loads_nothing_heavy(capsys: pytest.CaptureFixture[str]) -> None:
    code = (
        "import sys; from rcnet_rt.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'ultralytics', 'cv2', 'supervision', 'av'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "demo" in shown.stdout
    assert run("--version") == 0
    assert run("demo", "--help") == 0
    assert "rcnet-demo" in capsys.readouterr().out


UNLOADED = """
import sys
from rcnet_rt.cli import main
try:
    main([sys.argv[1], "--model", sys.argv[2], "--max-frames", "1"])
except SystemExit as ended:
    assert ended.code == 0
heavy = {"torch", "torchvision", "ultralytics", "supervision", "matplotlib", "faster_coco_eval"}
print(sorted(heavy & set(sys.modules)))
"""


def test_an_exported_model_on_a_video_loads_nothing_heavy(shared_data: Path, place: Path) -> None:
    pytest.importorskip("openvino")
    video = str(shared_data / "videos" / "people.mp4")
    model = str(shared_data / "models" / "yolov8n-pose_int8_openvino_model")
    command = [sys.executable, "-c", UNLOADED, video, model]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert names(place) == {"people_rcnet.mp4"}


def test_a_size_that_an_export_does_not_take(
    shared_data: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("openvino")
    model = shared_data / "models" / "yolov8n-pose_int8_openvino_model"
    assert run("clip.mp4", "--model", model, "--imgsz", 320) == 1
    assert "exported for images of 640 x 640, and 320 x 320 is asked for" in capsys.readouterr().err
    assert run("clip.mp4", "--model", model, "--half") == 1
    assert "not exported with half precision" in capsys.readouterr().err
    assert names(place) == set()


def test_doctor(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("doctor") == 0
    out = capsys.readouterr().out
    for word in ("Python", "torch", "openvino", "CUDA", "libx264", "backend onnx"):
        assert word in out


def test_demo_replays_where_nothing_can_be_downloaded(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("rcnet_rt.estimators.ultralytics.fetch", lambda name, seconds: False)
    assert run("demo", "--out", "shown") == 0
    out = capsys.readouterr().out
    assert "recorded in the package, are replayed" in out
    assert re.search(r"refining: \d+\.\d\d ms an image \(median, without the first 10\)", out)
    sentence = re.search(r"raw scores keep (\d+) false ones, refined scores (\d+)\.", out)
    assert sentence is not None
    assert int(sentence[1]) > int(sentence[2])
    assert {entry.name for entry in Path("shown").iterdir()} == {
        "clip.mp4",
        "clip_rcnet.mp4",
        "kept_poses.png",
        "poses.jsonl",
    }
    assert len(times(Path("shown/clip_rcnet.mp4"))) == 45


def test_joints_and_duplicates_decide_who_is_kept(place: Path) -> None:
    def kept(name: str, *more: str) -> int:
        options = ("--weights", "none", "--conf", "0.01", "--no-video", "--json", name)
        assert run(*REPLAY, "clip.mp4", *options, *more) == 0
        return sum(pose["kept"] for frame in read_lines(Path(name)) for pose in frame["poses"])

    everyone = kept("a.jsonl")
    assert kept("b.jsonl", "--joints", "hips, shoulders", "--min-joint-confidence", "0") <= everyone
    assert kept("c.jsonl", "--joints", "hips", "--min-joint-confidence", "1") == 0
    assert kept("d.jsonl", "--nms-oks", "1.0") == everyone
    assert kept("e.jsonl", "--nms-oks", "0.01") < everyone


def test_a_joint_that_is_not_there_is_told_before_anything_is_written(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*REPLAY, "clip.mp4", "--joints", "tail", "--json", "a.jsonl") == 1
    assert "coco17 has no joint 'tail'; it has nose" in capsys.readouterr().err
    assert not Path("a.jsonl").exists()


def test_ellipses_need_a_covariance(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ("clip.mp4", *REPLAY, "--weights", "none", "--ellipses", "--out", "drawn.mp4")
    assert run(*command) == 1
    assert "weights 'none' have no joint head" in capsys.readouterr().err
    add_joint_estimates(place / "poses.jsonl")
    assert run(*command) == 0


def add_joint_estimates(path: Path) -> int:
    """Write a recording again with estimates of its joints, and return how many poses it has."""
    header, frames = read(path)
    recorded = [(frame.index, frame.time, with_joint_estimates(frame.poses)) for frame in frames]
    with JsonLinesWriter(path, header) as writer:
        for index, seconds, poses in recorded:
            writer.write(index, seconds, poses, np.ones(len(poses), bool))
    return sum(len(poses) for _, _, poses in recorded)


def test_joints_are_kept_by_their_calibrated_confidence(place: Path) -> None:
    everybody = add_joint_estimates(place / "poses.jsonl")

    def kept(joint: str) -> int:
        rule = ("--joints", joint, "--min-joint-confidence", "0.85")
        options = ("--weights", "none", "--conf", "0", "--no-video", "--json", "out.jsonl", *rule)
        assert run("clip.mp4", *REPLAY, *options) == 0
        return sum(
            pose["kept"] for line in read_lines(place / "out.jsonl") for pose in line["poses"]
        )

    assert (kept("nose"), kept("right_ankle")) == (everybody, 0)


def test_the_live_view(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ("clip.mp4", *REPLAY, "--weights", "none", "--no-video")
    assert run(*options, "--serve", "0") == 0
    printed = capsys.readouterr().err
    assert re.search(r"live view: http://127\.0\.0\.1:\d+/\?token=[\w-]{32}\n", printed)
    assert run(*options, "--serve", "localhost") == 2
    assert "expected [HOST:]PORT" in capsys.readouterr().err
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        assert run(*options, "--serve", port, "--json", "out.jsonl") == 1
    assert f"cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err
    assert names(place) == set()


def test_a_token_of_the_environment_is_not_printed(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RCNET_RT_SERVE_TOKEN", "0123456789-secret")
    assert run("clip.mp4", *REPLAY, "--weights", "none", "--no-video", "--serve", "0") == 0
    printed = "".join(capsys.readouterr())
    assert "live view: http://127.0.0.1:" in printed
    assert "secret" not in printed
