"""What of a job is done, and what is left: told by the names of the parts that are there."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rcnet_rt.datasets.parquet.files import FRAMES, POSES
from rcnet_rt.datasets.parquet.schema import KEY, import_parquet
from rcnet_rt.errors import OutputError
from rcnet_rt.workflows.fleet.items import IMAGES, ImageBatch, Item, Job, PartName, Plan
from rcnet_rt.workflows.fleet.notes import remove_notes
from rcnet_rt.workflows.fleet.sources import Media
from rcnet_rt.workflows.fleet.store import Store

__all__ = ["Manifest", "claim"]

JOB = "job.json"
BATCH = 256  # images of a part
SUFFIX = ".parquet"


def claim(store: Store, job: Job) -> None:
    """Make the folder that of this job.

    Raises:
        OutputError: it is that of another job.
    """
    content = store.read(JOB)
    if content is None:
        store.write(JOB, json.dumps(job.record, indent=1).encode())
        return
    try:
        earlier = json.loads(content)
        other = {key: earlier[key] for key, value in job.record.items() if earlier[key] != value}
    except (ValueError, KeyError, TypeError) as error:
        raise OutputError(
            f"{store.name}/{JOB} is damaged; give --out a folder that is new"
        ) from error
    if other:
        was = ", ".join(f"{key} {value}" for key, value in other.items())
        raise OutputError(
            f"{store.name} belongs to another job ({was}); give --out a folder that is new, or the "
            "same options"
        )


@dataclass(frozen=True)
class Manifest:
    """The items that are left at the start of a run.

    Attributes:
        parts: names of the parts that are there.
        left: items to do.
        complete: how many videos and images are done.
    """

    parts: frozenset[str]
    left: tuple[Item, ...]
    complete: int

    @classmethod
    def read(cls, store: Store, job: Job, media: Sequence[Media]) -> Manifest:
        """Return what is left of some media; parts of files that have changed are removed."""
        names = {name.removesuffix(SUFFIX) for name in store.names(POSES)}
        known = [part for part in map(PartName.parse, names) if part is not None]
        by_content: dict[tuple[str, str], list[PartName]] = defaultdict(list)
        for part in known:
            by_content[part.source, part.content].append(part)
        videos = [each for each in media if not each.is_image]
        images = [each for each in media if each.is_image]
        plans = [Plan(video, PartName.of_video(video, job.record)) for video in videos]
        removed = _outdated_videos(known, plans)
        left_plans = [plan for plan in plans if not _is_complete(plan.first, by_content)]
        left_images = images
        if images:
            batches = [part for part in known if part.stem == IMAGES]
            left_images, outdated = _left_images(store, batches, images)
            removed |= outdated
        for name in removed:
            for folder in (POSES, FRAMES):
                store.remove(f"{folder}/{name}{SUFFIX}")
        parts = frozenset(names - removed)
        left: tuple[Item, ...] = (*left_plans, *_batches(left_images, job))
        _clear(store, parts, left)
        complete = len(media) - len(left_plans) - len(left_images)
        return cls(parts, left, complete)


def _outdated_videos(known: Sequence[PartName], plans: Sequence[Plan]) -> set[str]:
    """Return the parts of videos that have changed since."""
    contents = {plan.first.source: plan.first.content for plan in plans}
    return {
        part.text
        for part in known
        if part.source in contents and part.content != contents[part.source]
    }


def _is_complete(first: PartName, by_content: Mapping[tuple[str, str], Sequence[PartName]]) -> bool:
    parts = by_content.get((first.source, first.content), [])
    return bool(parts) and len({part.index for part in parts}) == parts[0].count


def _left_images(
    store: Store, batches: Sequence[PartName], images: Sequence[Media]
) -> tuple[list[Media], set[str]]:
    """Return the images that no part has, and the parts with an image that has changed since."""
    parquet = import_parquet()
    stamps = {image.name: image.stamp for image in images}
    done: set[str] = set()
    outdated: set[str] = set()
    for part in batches:
        with store.open(f"{POSES}/{part.text}{SUFFIX}") as file:
            metadata = parquet.read_schema(file).metadata
        held = json.loads(metadata[KEY])["images"]
        if any(stamps.get(name, stamp) != stamp for name, stamp in held.items()):
            outdated.add(part.text)
        else:
            done |= held.keys()
    return [image for image in images if image.name not in done], outdated


def _batches(images: Sequence[Media], job: Job) -> list[ImageBatch]:
    batches = [tuple(images[first : first + BATCH]) for first in range(0, len(images), BATCH)]
    return [ImageBatch(some, PartName.of_images(some, job.record)) for some in batches]


def _clear(store: Store, parts: frozenset[str], left: Sequence[Item]) -> None:
    """Remove what earlier runs left of the items that are to be done now."""
    firsts = {item.first.source: item.first for item in left if isinstance(item, Plan)}
    names = {i.name for item in left if isinstance(item, ImageBatch) for i in item.images}

    def is_retried(name: str, sources: set[str]) -> bool:
        part = PartName.parse(name)
        return name not in parts and (
            (part is not None and part.source in firsts) or bool(sources & names)
        )

    remove_notes(store, lambda name, noted: is_retried(name, {each.source for each in noted}))
    begun = {f"{first.stem}-{first.source}-" for first in firsts.values()}
    store.sweep(begun | {f"{IMAGES}-"} if names else begun)
