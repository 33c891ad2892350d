"""Bad input of every kind, made on the spot, with what rcnet-rt is expected to say to it."""

from __future__ import annotations

import gzip
import json
import math
import os
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from safetensors.numpy import load_file, save_file

from rcnet_rt.datasets.jsonl import Header, JsonLinesWriter
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring import weights_io
from tests.helpers.networks import random_weights
from tests.helpers.synthetic_coco import make_content, make_results, write_dataset

__all__ = ["CORPUS", "Bad", "lay_out"]

FRAMES = 5
RUN = ("--model", "replay:people.json", "--weights", "none")
REPLAY = ("clip.mp4", "--no-video", "--weights", "none", "--json", "out.jsonl", "--model")
REFINE = ("--out", "out.json", "--weights", "formula:score_times_confidence")
RESCORE = ("refine", "good.json", "--out", "out.json", "--weights", "bad.safetensors")
EVAL = ("eval", "good.json", "--weights", "formula:score_times_confidence", "--coco", "coco")
Make = Callable[[Path], None]


@dataclass(frozen=True)
class Bad:
    """One kind of bad input.

    Attributes:
        kind: in words.
        make: writes it into a folder that `lay_out` prepared.
        command: what follows `rcnet-rt`.
        code: the exit status that is right.
        says: a part of the sentence, or of what is reported where the input is only odd.
        keeps: a file with the frames that were finished before.
        largest: bytes to which files may grow.
    """

    kind: str
    make: Make
    command: tuple[str, ...]
    code: int
    says: str
    keeps: str | None = None
    largest: int | None = None


def lay_out(folder: Path) -> None:
    """Write the good input that bad input lies beside: a clip, an image, poses, ground truth."""
    video(folder / "clip.mp4")
    cv2.imwrite(str(folder / "photo.png"), gradient((96, 64)))
    content = make_content()
    (folder / "good.json").write_text(json.dumps(make_results(content)))
    write_dataset(folder / "coco", content)
    (folder / "people.json").write_text(json.dumps([pose(image_id=i) for i in range(FRAMES)]))
    weights_io.save(random_weights(name="mine"), folder / "bad.safetensors")
    header = Header("clip.mp4", "recorded", "none", "coco17", 0.25, "yolo-pose", (96, 64))
    joints = np.array(pose()["keypoints"], np.float32).reshape(1, 17, 3)
    poses = Poses(joints[..., :2], [0.5], keypoint_scores=joints[..., 2], image_size=(96, 64))
    with JsonLinesWriter(folder / "poses.jsonl", header) as writer:
        for index in range(FRAMES):
            writer.write(index, index / 10, poses, poses.scores > 0)


def gradient(size: tuple[int, int], dtype: Any = np.uint8, seed: int = 0) -> Any:
    """Return an (H, W, 3) image that does not compress to nothing."""
    highest = np.iinfo(dtype).max
    return np.random.default_rng(seed).integers(0, highest, (size[1], size[0], 3)).astype(dtype)


def video(
    path: Path,
    size: tuple[int, int] = (96, 64),
    times: Iterable[int] = range(FRAMES),
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: Fraction = Fraction(10),
    unit: Fraction = Fraction(1, 10),
    rotation: int | None = None,
    options: dict[str, str] | None = None,
) -> None:
    """Write a video with a frame at each of the times."""
    with av.open(str(path), "w", options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.time_base = stream.codec_context.time_base = unit
        if rotation is not None:
            stream.set_display_rotation(rotation)
        for index, time in enumerate(times):
            image_file = av.VideoFrame.from_ndarray(gradient(size, seed=index), format="bgr24")
            frame = image_file.reformat(format=pixels)
            frame.pts, frame.time_base = time, unit
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def sound(path: Path) -> None:
    """Write a file of silence."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=44_100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        frame.rate = 44_100
        for item in (frame, None):
            container.mux(stream.encode(item))


def write(name: str, content: bytes | str) -> Make:
    """Return what writes a file."""
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (folder / name).write_bytes(data) and None


def cut(source: str, name: str, share: float) -> Make:
    """Return what copies the beginning of a file."""

    def make(folder: Path) -> None:
        data = (folder / source).read_bytes()
        (folder / name).write_bytes(data[: int(share * len(data))])

    return make


def clip(name: str, **options: Any) -> Make:
    """Return what writes a video."""
    return lambda folder: video(folder / name, **options)


def cut_clip(name: str, share: float, **options: Any) -> Make:
    """Return what writes the beginning of a video."""

    def make(folder: Path) -> None:
        video(folder / f"whole{Path(name).suffix}", **options)
        cut(f"whole{Path(name).suffix}", name, share)(folder)

    return make


def avi_rate(scale: int, rate: int) -> Make:
    """Return what writes an AVI whose header claims rate / scale frames a second."""

    def make(folder: Path) -> None:
        video(folder / "bad.avi", codec="mpeg4")
        data = bytearray((folder / "bad.avi").read_bytes())
        at = data.index(b"strh") + 8 + 20  # dwScale, dwRate of AVISTREAMHEADER
        data[at : at + 8] = struct.pack("<II", scale, rate)
        (folder / "bad.avi").write_bytes(data)

    return make


def joined(suffix: str) -> Make:
    """Return what joins two videos end to end, the second with larger images."""

    def make(folder: Path) -> None:
        parts = [folder / f"a{suffix}", folder / f"b{suffix}"]
        for path, size in zip(parts, ((96, 64), (192, 128)), strict=True):
            video(path, size)
        (folder / f"bad{suffix}").write_bytes(b"".join(path.read_bytes() for path in parts))

    return make


def image_file(name: str, image: Any) -> Make:
    """Return what writes an image."""
    return lambda folder: cv2.imencode(Path(name).suffix, image)[1].tofile(folder / name)


def png_of(width: int, height: int) -> bytes:
    """Return the beginning of a PNG that claims such a size."""
    import zlib

    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + struct.pack(">I", 13)
        + header
        + struct.pack(">I", zlib.crc32(header))
    )


def pose(**changes: Any) -> dict[str, Any]:
    """Return one COCO result."""
    joints = [value for joint in range(17) for value in (10.0 + joint, 20.0 + 2 * joint, 0.5)]
    return {"image_id": 1, "category_id": 1, "keypoints": joints, "score": 0.5} | changes


def results(*entries: Any) -> Make:
    """Return what writes a results file."""
    return write("bad.json", json.dumps(entries))


def with_first(value: Any) -> list[Any]:
    """Return a pose's keypoints with another first value."""
    return [value, *pose()["keypoints"][1:]]


def lines(*changed: tuple[int, str]) -> Make:
    """Return what writes a recording with other texts in place of some of its lines."""

    def make(folder: Path) -> None:
        text = (folder / "poses.jsonl").read_text().splitlines()
        for number, line in changed:
            text[number] = line
        (folder / "bad.jsonl").write_text("\n".join(text))

    return make


def weights(metadata: dict[str, Any] | None = None, **tensors: Any) -> Make:
    """Return what changes the weights file."""

    def make(folder: Path) -> None:
        from safetensors import safe_open

        path = folder / "bad.safetensors"
        with safe_open(path, "numpy") as file:
            record = json.loads(file.metadata()["rcnet_rt"]) | (metadata or {})
        save_file({**load_file(path), **tensors}, path, {"rcnet_rt": json.dumps(record)})

    return make


def truth(change: Callable[[dict[str, Any]], Any]) -> Make:
    """Return what changes the ground truth."""

    def make(folder: Path) -> None:
        content = make_content()
        change(content)
        write_dataset(folder / "coco", content)

    return make


def nothing(_: Path) -> None:
    """The command itself is bad."""


def directory(name: str) -> Make:
    """Return what makes a folder."""
    return lambda folder: (folder / name).mkdir()


TRUTH = "coco/annotations/person_keypoints_val2017.json"
SAFE = "is not a readable safetensors file"

VIDEOS = [
    Bad("video of 0 bytes", write("bad.mp4", b""), ("bad.mp4", *RUN), 1, "is empty (0 bytes)"),
    Bad("video cut off before its index", cut("clip.mp4", "bad.mp4", 0.5), ("bad.mp4", *RUN), 1,
        "its index (moov) is missing"),
    Bad("video cut off after its index",
        cut_clip("bad.mp4", 0.75, times=range(50), options={"movflags": "+faststart"}),
        ("bad.mp4", *RUN), 1, "copy or record it again", "bad_rcnet.mp4"),
    Bad("Matroska cut off, which nothing in it tells", cut_clip("bad.mkv", 0.5, times=range(50)),
        ("bad.mkv", *RUN, "--json", "out.jsonl"), 0, "frames"),
    Bad("text named .mp4", write("bad.mp4", "hello"), ("bad.mp4", *RUN), 1, "is not a video"),
    Bad("random bytes named .mkv", write("bad.mkv", np.random.default_rng(0).bytes(9999)),
        ("bad.mkv", *RUN), 1, "is not a video"),
    Bad("image named .mp4", lambda f: cut("photo.png", "bad.mp4", 1)(f), ("bad.mp4", *RUN), 0,
        "1 frames"),
    Bad("MP4 named .avi", cut("clip.mp4", "bad.avi", 1), ("bad.avi", *RUN), 0, "5 frames"),
    Bad("no video stream", lambda f: sound(f / "bad.mp4"), ("bad.mp4", *RUN), 1,
        "holds no video stream"),
    Bad("0 frames a second", avi_rate(1, 0), ("bad.avi", *RUN), 0, "5 frames"),
    Bad("0/0 (NaN) frames a second", avi_rate(0, 0), ("bad.avi", *RUN), 0, "5 frames"),
    Bad("4,294,967,295 frames a second", avi_rate(1, 2**32 - 1), ("bad.avi", *RUN), 0, "5 frames"),
    Bad("unknown frame count", clip("bad.ts"), ("bad.ts", *RUN), 0, "5 frames"),
    Bad("size changes in mid-stream", joined(".h264"), ("bad.h264", *RUN), 0, "10 frames"),
    Bad("transport stream with a break", joined(".ts"), ("bad.ts", *RUN), 0, "10 frames"),
    Bad("1 × 1 pixels", clip("bad.mov", size=(1, 1), codec="png", pixels="rgb24"),
        ("bad.mov", *RUN), 0, "5 frames"),
    Bad("odd width and height", clip("bad.mov", size=(97, 65), codec="png", pixels="rgb24"),
        ("bad.mov", *RUN), 0, "5 frames"),
    Bad("16 bits a channel", clip("bad.mkv", codec="ffv1", pixels="gray16le"),
        ("bad.mkv", *RUN), 0, "5 frames"),
    Bad("turned by metadata", clip("bad.mp4", rotation=90), ("bad.mp4", *RUN), 0, "5 frames"),
    Bad("variable frame rate", clip("bad.mp4", times=[0, 1, 7, 8, 90]), ("bad.mp4", *RUN), 0,
        "5 frames"),
    Bad("more frames than recorded poses", clip("bad.mp4", times=range(9)),
        ("bad.mp4", "--model", "replay:poses.jsonl", "--weights", "none"), 1,
        "has 5 recorded frames and the source has more", "bad_rcnet.mp4"),
    Bad("image damaged among good ones", lambda f: (
        directory("many")(f), image_file("many/a.png", gradient((96, 64)))(f),
        write("many/b.png", b"no")(f)), ("many", *RUN, "--json", "out.jsonl"), 1,
        "is empty or damaged", "out.jsonl"),
]  # fmt: skip

LISTS = [
    Bad("playlist of a local file", write("bad.mp4", "#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n"),
        ("bad.mp4", *RUN), 1, "is not a video"),
    Bad("playlist of a film beside it",
        write("bad.m3u8", "#EXTM3U\n#EXTINF:1,\nclip.mp4\n#EXT-X-ENDLIST\n"), ("bad.m3u8", *RUN), 1,
        "is not a video"),
    Bad("playlist of an address",
        write("bad.m3u8", "#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n#EXT-X-ENDLIST\n"),
        ("bad.m3u8", *RUN), 1, "is not a video"),
    Bad("list of films to join", write("bad.mp4", "ffconcat version 1.0\nfile clip.mp4\n"),
        ("bad.mp4", *RUN), 1, "is not a video"),
    Bad("list of any files to join",
        write("bad.ffconcat", "ffconcat version 1.0\nfile /etc/hostname\n"),
        ("bad.ffconcat", *RUN), 1, "is not a video"),
    Bad("session description (SDP)",
        write("bad.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
              "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n"),
        ("bad.sdp", *RUN), 1, "a list of other files"),
    Bad("address of another kind", nothing, ("ftp://me:hush@127.0.0.1/a.mp4", *RUN), 1,
        "addresses of the kind ftp:// are not opened"),
    Bad("address of a file", nothing, ("file:///etc/hostname", *RUN), 1,
        "addresses of the kind file:// are not opened"),
    Bad("FFmpeg's own syntax", nothing, ("concat:clip.mp4|clip.mp4", *RUN), 1, "no such file"),
    Bad("nobody answers", nothing, ("http://me:hush@127.0.0.1:9/live?key=hush", *RUN), 1,
        "http://127.0.0.1:9/live cannot be opened"),
]  # fmt: skip

PATHS = [
    Bad("missing", nothing, ("missing.mp4", *RUN), 1, "no such file or folder"),
    Bad("letters beyond ASCII, spaces", cut("clip.mp4", "ä 人 🙂.mp4", 1), ("ä 人 🙂.mp4", *RUN), 0,
        "5 frames"),
    Bad("a path with ..", directory("a"), ("a/../clip.mp4", *RUN), 0, "5 frames"),
    Bad("empty folder", directory("a"), ("a", *RUN), 1, "no images or videos"),
    Bad("pipe", lambda f: os.mkfifo(f / "pipe"), ("pipe", *RUN), 1, "neither a file nor a folder"),
    Bad("output equal to input", nothing, ("clip.mp4", *RUN, "--out", "clip.mp4"), 1,
        "holds the source itself"),
    Bad("output is a link to the input", lambda f: (f / "b.mp4").symlink_to("clip.mp4"),
        ("clip.mp4", *RUN, "--out", "b.mp4"), 1, "holds the source itself"),
    Bad("two outputs of one name", nothing, ("clip.mp4", *RUN, "--out", "a.mp4", "--json", "a.mp4"),
        1, "would be written twice"),
    Bad("output in a missing folder", nothing, ("clip.mp4", *RUN, "--json", "no/a.jsonl"), 1,
        "create no first"),
    Bad("output is a folder", directory("a.jsonl"), ("clip.mp4", *RUN, "--json", "a.jsonl"), 1,
        "is a folder"),
    Bad("output in a folder that is a file", nothing, ("clip.mp4", *RUN, "--json", "photo.png/a"),
        1, "is a file; choose a folder"),
    Bad("output of an unknown kind", nothing, ("clip.mp4", *RUN, "--out", "a.xyz"), 1,
        "must end in one of"),
    Bad("output that outgrows the disk", clip("bad.mp4", size=(640, 480), times=range(40)),
        ("bad.mp4", *RUN, "--json", "out.jsonl"), 1, "bad_rcnet.mp4 cannot be written",
        largest=200_000),
]  # fmt: skip

IMAGES = [
    Bad("image of 0 bytes", write("bad.jpg", b""), ("bad.jpg", *RUN), 1, "is empty or damaged"),
    Bad("text named .png", write("bad.png", "hello"), ("bad.png", *RUN), 1, "is empty or damaged"),
    Bad("image cut off", cut("photo.png", "bad.png", 0.2), ("bad.png", *RUN), 1,
        "is empty or damaged"),
    Bad("image that claims 10¹⁰ pixels", write("bad.png", png_of(100_000, 100_000)),
        ("bad.png", *RUN), 1, "is empty or damaged"),
    Bad("image of 16 bits a channel", image_file("bad.png", gradient((96, 64), np.uint16)),
        ("bad.png", *RUN), 0, "1 frames"),
    Bad("image of 1 × 1 pixels", image_file("bad.png", gradient((1, 1))), ("bad.png", *RUN), 0,
        "1 frames"),
    Bad("image of one channel", image_file("bad.png", gradient((96, 64))[..., 0]),
        ("bad.png", *RUN), 0, "1 frames"),
]  # fmt: skip

RESULTS = [
    Bad("results of 0 bytes", write("bad.json", b""), ("refine", "bad.json", *REFINE), 1,
        "is cut off or not JSON"),
    Bad("results cut off", cut("good.json", "bad.json", 0.5), ("refine", "bad.json", *REFINE), 1,
        "is cut off or not JSON"),
    Bad("gzip cut off", lambda f: write("bad.json", gzip.compress(
        (f / "good.json").read_bytes())[:400])(f), ("refine", "bad.json", *REFINE), 1,
        "is cut off or not JSON"),
    Bad("not UTF-8", write("bad.json", b'[{"image_id": "\xff\xfe"}]'),
        ("refine", "bad.json", *REFINE), 1, "is cut off or not JSON"),
    Bad("lists in lists in lists", write("bad.json", "[" * 100_000),
        ("refine", "bad.json", *REFINE), 1, "is cut off or not JSON"),
    Bad("no list", write("bad.json", "{}"), ("refine", "bad.json", *REFINE), 1, "expected a list"),
    Bad("entries that are no objects", results(1, 2), ("refine", "bad.json", *REFINE), 1,
        "entry 0 is not an object"),
    Bad("no entries", results(), ("refine", "bad.json", *REFINE), 0, "0 poses"),
    Bad("a field is missing", results({"image_id": 1, "score": 1}),
        ("refine", "bad.json", *REFINE), 1, "lacks category_id, keypoints"),
    Bad("a field too many", results(pose(note={"any": None})), ("refine", "bad.json", *REFINE), 0,
        "1 poses"),
    Bad("NaN score", results(pose(score=math.nan)), ("refine", "bad.json", *REFINE), 1,
        "has a score that is not a finite number"),
    Bad("NaN score, --on-error drop", results(pose(score=math.nan)),
        ("refine", "bad.json", *REFINE, "--on-error", "drop"), 0, "1 poses"),
    Bad("score that is a text", results(pose(score="0.5")), ("refine", "bad.json", *REFINE), 1,
        "has score '0.5'; expected a number"),
    Bad("score beyond any float", write("bad.json", json.dumps([pose(score=10**400)])),
        ("refine", "bad.json", *REFINE), 1, "has score 1000"),
    Bad("negative score", results(pose(score=-3.5)), ("refine", "bad.json", *REFINE), 0, "1 poses"),
    Bad("huge score", results(pose(score=1e300)), ("refine", "bad.json", *REFINE), 1,
        "has a score that is not a finite number"),
    Bad("NaN keypoint", results(pose(keypoints=with_first(math.nan))),
        ("refine", "bad.json", *REFINE), 1, "has a keypoint that is not a finite number"),
    Bad("keypoint beyond any float", results(pose(keypoints=with_first(10**400))),
        ("refine", "bad.json", *REFINE), 1, "has the keypoint value 1000"),
    Bad("huge keypoint", results(pose(keypoints=with_first(1e300))),
        ("refine", "bad.json", *REFINE), 1, "has a keypoint that is not a finite number"),
    Bad("negative keypoint", results(pose(keypoints=with_first(-1e6))),
        ("refine", "bad.json", *REFINE), 0, "1 poses"),
    Bad("keypoint that is a text", results(pose(keypoints=with_first("1"))),
        ("refine", "bad.json", *REFINE), 1, "has the keypoint value '1'"),
    Bad("keypoints in pairs", results(pose(keypoints=[1.0] * 34)),
        ("refine", "bad.json", *REFINE), 1, "34 keypoint values"),
    Bad("poses of different lengths", results(pose(), pose(keypoints=[1.0] * 42)),
        ("refine", "bad.json", *REFINE), 1, "42 keypoint values (14 joints)"),
    Bad("no keypoints", results(pose(keypoints=[])), ("refine", "bad.json", *REFINE), 1,
        "keypoint"),
    Bad("box of three numbers", results(pose(bbox=[1, 2, 3])), ("refine", "bad.json", *REFINE), 1,
        "has bbox [1, 2, 3]; expected x, y, width, height"),
    Bad("negative box", results(pose(bbox=[5, 5, -3, -3])), ("refine", "bad.json", *REFINE), 0,
        "1 poses"),
    Bad("image_id that is a list", results(pose(image_id=[1])), ("refine", "bad.json", *REFINE), 1,
        "has image_id [1]"),
    Bad("name that a terminal would obey", results(pose(image_id="\x1b[2J", score=math.nan)),
        ("refine", "bad.json", *REFINE), 1, "entry 0 (image [2J) of the results"),
    Bad("the same pose twice", results(pose(), pose()), ("refine", "bad.json", *REFINE), 0,
        "2 poses"),
    Bad("10⁵ poses in an image", write("bad.json", json.dumps([pose()] * 10**5)),
        ("refine", "bad.json", *REFINE), 0, "100,000 poses"),
    Bad("results are missing", nothing, ("refine", "missing.json", *REFINE), 1, "missing.json"),
    Bad("results are a video", nothing, ("refine", "clip.mp4", *REFINE), 1, "not JSON"),
]  # fmt: skip

RECORDINGS = [
    Bad("recording cut off", cut("poses.jsonl", "bad.jsonl", 0.5), (*REPLAY, "replay:bad.jsonl"), 1,
        "not JSON", "out.jsonl"),
    Bad("recording without header", lines((0, '{"rcnet_rt": "0.1.0"}')),
        (*REPLAY, "replay:bad.jsonl"), 1, "the header lacks something"),
    Bad("recording of an unknown skeleton", lambda f: lines((0, (f / "poses.jsonl").read_text()
        .splitlines()[0].replace("coco17", "octopus")))(f), (*REPLAY, "replay:bad.jsonl"), 1,
        "unknown skeleton 'octopus'"),
    Bad("recorded pose of 3 keypoints",
        lines((3, '{"frame": 2, "poses": [{"keypoints": [[1, 2, 3]], "score_raw": 1}]}')),
        (*REPLAY, "replay:bad.jsonl"), 1, "line 4: not a frame of 17 keypoints",
        "out.jsonl"),
    Bad("recorded score of NaN", lambda f: lines((3, (f / "poses.jsonl").read_text()
        .splitlines()[3].replace('"score_raw": 0.5', '"score_raw": NaN')))(f),
        (*REPLAY, "replay:bad.jsonl"), 0, "5 frames"),
    Bad("recording of another size", lambda f: (clip("clip.mp4", size=(64, 48))(f)),
        (*REPLAY, "replay:poses.jsonl"), 1, "was recorded on images of (96, 64)"),
    Bad("recording is missing", nothing, (*REPLAY, "replay:missing.jsonl"), 1, "no such file"),
]  # fmt: skip

ANNOTATIONS = [
    Bad("annotations cut off", lambda f: cut(TRUTH, TRUTH, 0.5)(f), EVAL, 1,
        "is cut off or not JSON"),
    Bad("annotations that are a list", write(TRUTH, "[]"), EVAL, 1,
        "is not COCO keypoint ground truth"),
    Bad("annotation without area", truth(lambda c: c["annotations"][0].pop("area")), EVAL, 1,
        "expected images and annotations with keypoints, bbox and area"),
    Bad("annotation of 3 values", truth(lambda c: c["annotations"][0].update(keypoints=[1, 2, 2])),
        EVAL, 1, "has 3 values, expected 51"),
    Bad("annotation with a text", truth(lambda c: c["annotations"][0].update(area="large")),
        EVAL, 1, "large"),
    Bad("annotations are missing", lambda f: (f / TRUTH).unlink(), EVAL, 1, "annotation"),
    Bad("results of other images", lambda f: (f / "good.json").write_text(
        json.dumps([pose(image_id=999_999)])) and None, EVAL, 1, "image"),
]  # fmt: skip

MODELS = [
    Bad("weights of 0 bytes", write("bad.safetensors", b""), RESCORE, 1, SAFE),
    Bad("weights cut off", cut("bad.safetensors", "bad.safetensors", 0.5), RESCORE, 1, SAFE),
    Bad("weights with a header of 2⁶³ bytes",
        write("bad.safetensors", (2**63).to_bytes(8, "little") + b"{}"), RESCORE, 1, SAFE),
    Bad("weights with NaN", weights(**{"head.bias": np.array([np.nan], np.float32)}), RESCORE, 1,
        "holds values that are not finite"),
    Bad("weights of another type", weights(**{"head.bias": np.zeros(1, np.float64)}), RESCORE, 1,
        "should be float32"),
    Bad("weights of another version", weights({"format": 99}), RESCORE, 1, "update rcnet-rt"),
    Bad("weights for another skeleton", lambda f: weights_io.save(
        random_weights(name="x", skeleton="crowdpose14"), f / "bad.safetensors"), RESCORE, 1,
        "17"),
    Bad("somebody else's safetensors", lambda f: save_file(
        {"a": np.zeros(1, np.float32)}, f / "bad.safetensors"), RESCORE, 1,
        "not one that rcnet-rt wrote"),
    Bad("unknown weights", nothing, (*RESCORE[:-1], "nobody"), 1, "unknown weights 'nobody'"),
    Bad("unknown model", nothing, ("clip.mp4", "--model", "nobody"), 1, "unknown model 'nobody'"),
    Bad("text named .onnx", write("bad.onnx", "hello"), ("photo.png", "--model", "bad.onnx"), 1,
        "bad.onnx"),
    Bad("text named .pt", write("bad.pt", "hello"), ("photo.png", "--model", "bad.pt"), 1,
        "bad.pt cannot be loaded"),
    Bad("folder without a model", directory("a"), ("clip.mp4", "--model", "./a"), 1,
        "a folder without an OpenVINO model"),
    Bad("threshold of 7", nothing, ("clip.mp4", *RUN, "--conf", "7"), 2, "a number from 0 to 1"),
]  # fmt: skip

CORPUS = {
    "Videos": VIDEOS,
    "Addresses and playlists": LISTS,
    "Paths and outputs": PATHS,
    "Images": IMAGES,
    "Results": RESULTS,
    "Recordings": RECORDINGS,
    "Annotations": ANNOTATIONS,
    "Weights and models": MODELS,
}
