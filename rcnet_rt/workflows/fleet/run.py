"""Videos and images in, a folder of Parquet out; started again, it does what is missing."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from os import PathLike, fspath
from pathlib import Path
from time import monotonic

from rcnet_rt import estimators
from rcnet_rt.datasets.parquet.schema import import_parquet
from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.cpus import available_cpus
from rcnet_rt.rescoring import weights_io
from rcnet_rt.workflows.fleet.items import Done, Failure, Item, Job, Plan, Planned
from rcnet_rt.workflows.fleet.manifest import Manifest, claim
from rcnet_rt.workflows.fleet.notes import collect_notes, write_note
from rcnet_rt.workflows.fleet.pool import Pool, work_off
from rcnet_rt.workflows.fleet.processes import ProcessPool
from rcnet_rt.workflows.fleet.sources import find_media
from rcnet_rt.workflows.fleet.store import Store, open_store
from rcnet_rt.workflows.fleet.worker import Setup
from rcnet_rt.workflows.interrupt import between_frames
from rcnet_rt.workflows.progress import OnProgress, Progress, ignore
from rcnet_rt.workflows.scoring import shipped_weights

__all__ = ["SEGMENT", "FleetSummary", "predict_sources"]

SEGMENT = 300.0  # seconds: little is lost with a worker, and a part is of some MB


@dataclass(frozen=True)
class FleetSummary:
    """What a run did.

    Attributes:
        out: the folder.
        complete: how many videos and images were done before.
        parts: how many parts this run published.
        frames: how many frames are in them.
        poses: how many poses are in them.
        failures: all that the folder's `failed.parquet` has, earlier runs' too.
        seconds: that this run took.
    """

    out: str
    complete: int
    parts: int
    frames: int
    poses: int
    failures: tuple[Failure, ...]
    seconds: float


@dataclass
class _Tally:
    parts: int = 0
    frames: int = 0
    poses: int = 0
    done: int = 0


def predict_sources(
    sources: Sequence[str | PathLike[str]],
    model: str,
    out: str | PathLike[str],
    *,
    weights: str = "auto",
    threshold: str | float = "auto",
    recheck: int = 0,
    track: bool = False,
    segment: float = SEGMENT,
    imgsz: int | tuple[int, int] | None = None,
    half: bool = False,
    workers: int | None = None,
    threads: int | None = None,
    shard: tuple[int, int] = (1, 1),
    ray: str | None = None,
    device: str = "auto",
    backend: str = "auto",
    progress: OnProgress = ignore,
) -> FleetSummary:
    """Run an estimator over videos and images, refine, and write Parquet, a row a pose.

    The folder gets `poses/*.parquet`, `frames/*.parquet` and, where something failed,
    `failed.parquet`. Parts appear whole, and the same call goes on with those that are missing. On
    the main thread Ctrl-C ends the run; parts that are published stay.

    Args:
        sources: files, folders, globs, `.txt` files with one of these a line; paths, or addresses
            that fsspec opens, such as "s3://bucket/*.mp4".
        model: as for `estimators.load`; no replay.
        out: folder, or an address that fsspec writes to.
        weights: as for `process_video`.
        threshold: as for `process_video`.
        recheck: as for `process_video`.
        track: track people; a video is then one part.
        segment: seconds of a part of a video; 0 leaves videos whole.
        imgsz: as for `estimators.load`.
        half: as for `estimators.load`.
        workers: how many processes, or actors of Ray; None is one.
        threads: CPUs that they share; None is all that are allowed, with Ray one for each.
        shard: (i, n): only the i-th, from 1, of n shares of the sources.
        ray: address of a Ray cluster, "local" to start one here; None takes processes.
        device: of the estimator; several, such as "cuda:0,cuda:1", go to the workers in turn.
        backend: as for `Refiner`.
        progress: called with each item that is done.

    Raises:
        SourceError: nothing is there.
        EstimatorError: the model cannot be loaded.
        OutputError: the folder belongs to another job, or cannot be written.
        RcnetError: a package is missing, or Ray does not answer.
    """
    began = monotonic()
    import_parquet()  # what is not installed fails before any work
    if model.startswith("replay:"):
        raise EstimatorError(
            f"{model} answers frames in their order, whatever video is asked for; give a model"
        )
    name, digest = _weights(model, weights)
    whole = 0.0 if track else segment
    job = Job(model, name, digest, threshold, recheck, track, whole, imgsz, half)
    media = find_media([fspath(source) for source in sources])
    media = [each for each in media if int(each.key, 16) % shard[1] == shard[0] - 1]
    store = open_store(fspath(out))
    claim(store, job)
    manifest = Manifest.read(store, job, media)
    count = workers or 1
    cpus = threads or (count if ray else available_cpus())
    setup = Setup(job, fspath(out), max(1, cpus // count), device, backend)
    tally = _Tally()
    if manifest.left:
        pool = _pool(setup, device.split(","), ray)
        with between_frames() as check:
            _work(store, manifest, pool, count, check, tally, progress)
    failures = tuple(collect_notes(store))
    seconds = monotonic() - began
    return FleetSummary(
        store.name,
        manifest.complete,
        tally.parts,
        tally.frames,
        tally.poses,
        failures,
        seconds,
    )


def _weights(model: str, weights: str) -> tuple[str, str | None]:
    """Return the name of the weights for a model, and the SHA-256 of their file."""
    name = shipped_weights(estimators.family(model)) if weights == "auto" else weights
    path = weights_io.available().get(name, Path(name))
    digest = sha256(path.read_bytes()).hexdigest() if path.is_file() else None
    return name, digest


def _pool(setup: Setup, devices: Sequence[str], ray: str | None) -> Pool:
    if ray is None:
        return ProcessPool(setup, devices)
    from rcnet_rt.workflows.fleet.actors import RayPool

    return RayPool(setup, devices, ray)


def _work(
    store: Store,
    manifest: Manifest,
    pool: Pool,
    workers: int,
    check: Callable[[], None],
    tally: _Tally,
    progress: OnProgress,
) -> None:
    """Do what is left: each video's segments become items once they are known."""
    queue = deque(manifest.left)
    total = len(queue)
    progress(Progress("parts", 0, total, _start_message(manifest)))
    for item, answer in work_off(queue, pool, workers, check):
        if isinstance(answer, Planned):
            missing = [each for each in answer.segments if each.part.text not in manifest.parts]
            queue.extendleft(reversed(missing))
            total += len(missing) - 1
            progress(Progress("parts", tally.done, total))
            continue
        _take(store, item, answer, tally)
        reasons = "; ".join(f"{each.source}: {each.reason}" for each in answer.failures[:1])
        progress(Progress("parts", tally.done, total, reasons))


def _take(store: Store, item: Item, answer: Done, tally: _Tally) -> None:
    tally.done += 1
    tally.frames += answer.frames
    tally.poses += answer.poses
    tally.parts += answer.frames > 0
    if answer.failures:
        write_note(store, item.first if isinstance(item, Plan) else item.part, answer.failures)


def _start_message(manifest: Manifest) -> str:
    if not manifest.complete:
        return ""
    return f"{manifest.complete:,} videos and images are done; going on with the others"
