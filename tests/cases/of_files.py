"""Cases of results files, OpenPose folders, annotations and pictures."""

from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import numpy as np

from rcnet_rt.datasets.results import poses_by_image
from rcnet_rt.poses.frame import Frame
from rcnet_rt.poses.skeletons import COCO17
from rcnet_rt.video.source import open_source
from tests.cases.commands import Case, Places, program

__all__ = ["CASES"]


def evaluated(name: str) -> Case:
    """Return the case of a folder with annotations and results."""

    def outcome(places: Places) -> str:
        folder = places.cases / "truth" / name
        options = ("--coco", folder, "--split", "val2017", "--weights", "formula:score")
        said = program(places, "eval", folder / "res.json", *options, "--json", "a.json")
        if not (places.scratch / "a.json").exists():
            return said
        found = json.loads((places.scratch / "a.json").read_text())["all_images"]
        metrics = found["before"]["metrics"]
        return f"exit 0: {found['images']} images, AP {100 * metrics['ap']:.2f}"

    return Case("A6" if "cat" in name else "B8", f"truth/{name}, eval", outcome)


def refined(number: str, path: str, *options: str) -> Case:
    """Return the case of a file or folder that is refined."""

    def outcome(places: Places) -> str:
        out = places.scratch / ("out" if (places.cases / path).is_dir() else "out.json")
        return program(places, "refine", places.cases / path, "--out", out, *options, say="Error")

    return Case(number, f"{path}, refine {' '.join(options)}".strip(), outcome)


def unpadded(places: Places) -> str:
    folder = places.cases / "openpose"
    model = f"replay:{folder / 'unpadded_names'}"
    options = ("--model", model, "--weights", "none", "--json", "a.jsonl", "--no-video")
    said = program(places, folder / "v12.mp4", *options)
    lines = (places.scratch / "a.jsonl").read_text().splitlines()[1:]
    left = [json.loads(line)["poses"][0]["keypoints"][0][0] for line in lines]
    return f"{said.split(':')[0]}: x of the first joint by frame {left}"


def names(places: Places) -> str:
    model = f"replay:{places.cases / 'results' / 'names.json'}"
    options = ("--model", model, "--weights", "none", "--json", "a.jsonl", "--no-video")
    said = program(places, places.cases / "results" / "pics", *options)
    lines = (places.scratch / "a.jsonl").read_text().splitlines()[1:]
    found = {str(row["file"]): len(row["poses"]) for row in map(json.loads, lines)}
    return f"{said.split(':')[0]}: poses by picture {found}"


def placeholders(places: Places) -> str:
    path = places.cases / "results" / "openpifpaf_as_results.json"
    listed = json.loads(path.read_text())
    images = poses_by_image(listed, COCO17).values()
    found = [int(image.poses.found.sum()) for image in images]
    sure = sum(c > 0 for entry in listed for c in entry["keypoints"][2::3])
    return f"{sum(found)} joints found; {sure} have a confidence above 0"


def another_data_set(places: Places) -> str:
    folder = places.cases / "truth" / "ev_results_file_names"
    results = json.loads((folder / "res.json").read_text())
    for entry in results:
        entry["keypoints"] = [value / 1000 for value in entry["keypoints"]]
    (places.scratch / "normalised.json").write_text(json.dumps(results))
    options = ("--coco", folder, "--split", "val2017", "--weights", "formula:score")
    return program(places, "eval", "normalised.json", *options, say="Error")


def areas(places: Places) -> str:
    source = places.cases / "truth" / "ev_results_file_names"
    (path,) = (source / "annotations").glob("*.json")
    truth = json.loads(path.read_text())
    truth["annotations"][0]["area"] = "5"
    (places.scratch / "annotations").mkdir()
    (places.scratch / "annotations" / path.name).write_text(json.dumps(truth))
    options = ("--coco", places.scratch, "--split", "val2017", "--weights", "formula:score")
    return program(places, "eval", source / "res.json", *options, say="Error")


def pipe(places: Places) -> str:
    source = places.cases / "results" / "openpifpaf_as_results.json"
    os.mkfifo(places.scratch / "pipe")
    writer = threading.Thread(
        target=lambda: Path(places.scratch / "pipe").write_bytes(source.read_bytes()), daemon=True
    )
    writer.start()
    return program(places, "refine", "pipe", "--out", "out.json")


def huge_number(places: Places) -> str:
    source = places.cases / "results" / "names.json"
    text = source.read_text().replace("[50,", "[1e400,", 1).replace("[50.0,", "[1e400,", 1)
    (places.scratch / "huge.json").write_text(text)
    return program(places, "refine", "huge.json", "--out", "out.json")


def full_device(places: Places) -> str:
    node = places.scratch / "full"
    try:
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 7))
    except PermissionError:
        return "skipped: making a device node needs root"
    source = places.cases / "results" / "openpifpaf_as_results.json"
    return program(places, "refine", source, "--out", node)


def picture(path: str) -> Case:
    """Return the case of a picture with more than 8 bits: how bright it is as it is read."""

    def outcome(places: Places) -> str:
        with open_source(str(places.cases / path)) as source:
            image = next(item.image_bgr for item in source if isinstance(item, Frame))
        darkest, median, brightest = np.percentile(image, (1, 50, 99))
        return f"read as 8 bits: 1 % {darkest:.0f}, median {median:.0f}, 99 % {brightest:.0f}"

    return Case("A9", path, outcome)


def heic(places: Places) -> str:
    (places.scratch / "a.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(64))
    model = f"replay:{places.cases / 'results' / 'names.json'}"
    return program(places, "a.heic", "--model", model, "--weights", "none")


OFFICIAL = "results/lightweight-openpose_official_score.json"
CASES = (
    refined("A1", OFFICIAL, "--weights", "lightweight-openpose"),
    refined("A2", "openpose/body25b"),
    Case("A3", "results/openpifpaf_as_results.json, read", placeholders),
    Case("A4", "openpose/unpadded_names with openpose/v12.mp4, replay", unpadded),
    Case("A5", "results/names.json with results/pics, replay", names),
    evaluated("ev_gt_cat1_res_cat0"),
    evaluated("ev_gt_cat3_res_cat1"),
    picture("pictures/ir14.png"),
    picture("pictures/f32.tiff"),
    Case("A11", "truth/ev_results_file_names with coordinates in 0-1, eval", another_data_set),
    Case("A12", 'truth/ev_results_file_names with an area "5", eval', areas),
    *(
        refined("B6", f"openpose/{name}")
        for name in (
            "nan_joint",
            "nan_person",
            "null_joint",
            "empty_person_id",
            "halpe26",
            "coco17",
        )
    ),
    *(
        refined("B7", f"results/{name}.json")
        for name in (
            "openpifpaf.predictions",
            "mmpose_results_demo",
            "inferencer",
            "inferencer_video",
        )
    ),
    *(
        evaluated(f"ev_{name}")
        for name in (
            "string_gt",
            "string_ann_ids",
            "huge_ann_ids",
            "huge_image_ids",
            "results_file_names",
            "results_digit_strings",
        )
    ),
    Case("B17", "results through a FIFO, refine", pipe),
    Case("B17", "a coordinate of 1e400, refine", huge_number),
    Case("B17", "--out on a device that is full, refine", full_device),
    Case("B18", "a HEIC picture", heic),
)
