"""What a worker does, whether a process of a pool or an actor of Ray runs it: one item at a time.

It decodes in its own process, so that no frame travels, and publishes the part by itself.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from rcnet_rt.datasets.jsonl import Header
from rcnet_rt.datasets.parquet.files import FRAMES, POSES, ParquetWriter
from rcnet_rt.datasets.scored_frames import Provenance, ScoredFrame
from rcnet_rt.errors import OutputError, RcnetError, SourceError
from rcnet_rt.poses.frame import Frame
from rcnet_rt.rescoring.score_convention import ScoreConvention
from rcnet_rt.video.address import is_url
from rcnet_rt.video.images import read_image
from rcnet_rt.video.pipeline import Result
from rcnet_rt.video.segments import WHOLE, decode_span, find_spans, open_media
from rcnet_rt.video.stages import Step, in_turn
from rcnet_rt.video.videofile import VideoFileSource
from rcnet_rt.workflows.fleet.items import (
    Done,
    Failure,
    ImageBatch,
    Item,
    Job,
    PartName,
    Plan,
    Planned,
    Segment,
)
from rcnet_rt.workflows.fleet.notes import write_note
from rcnet_rt.workflows.fleet.sources import Media, local_copy, open_bytes
from rcnet_rt.workflows.fleet.store import Store, open_store
from rcnet_rt.workflows.video_stages import VideoOptions, load_models, stages
from rcnet_rt.workflows.workers import Parallelism

__all__ = ["Answer", "Setup", "Worker", "failures_of"]

Answer = Done | Planned


@dataclass(frozen=True)
class Setup:
    """What a worker is made from.

    Attributes:
        job: what is done to each frame.
        out: address of the output folder.
        threads: of the estimator, and of the decoder.
        device: of the estimator.
        backend: of the refiner.
    """

    job: Job
    out: str
    threads: int
    device: str
    backend: str


class Worker:
    """An estimator and a refiner, loaded once.

    Raises:
        RcnetError: one of them cannot be loaded, or the output folder cannot be used.
    """

    def __init__(self, setup: Setup) -> None:
        self._job, self._threads = setup.job, setup.threads
        self._store: Store = open_store(setup.out)
        self._options = _options(setup)
        parallelism = self._options.parallelism
        self._models = load_models(self._options, parallelism.budget())
        scoring, estimator = self._models.scoring, self._models.estimator
        given = getattr(estimator, "score_convention", None)
        if given is None and scoring.weights is not None:
            given = scoring.weights.score_convention
        self._provenance = Provenance(
            Header(
                source="",
                estimator=estimator.name,
                weights=scoring.name,
                skeleton=estimator.skeleton.name,
                threshold=scoring.threshold,
                family=estimator.family,
            ),
            setup.job.weights_sha256,
            str(given or ScoreConvention(None)),
        )

    def __call__(self, item: Item) -> Answer:
        """Do one item; what fails is in the answer.

        Raises:
            OutputError: the output folder cannot be written, so that nothing can go on.
        """
        if isinstance(item, Plan):
            return self._plan(item)
        try:
            return self._segment(item) if isinstance(item, Segment) else self._images(item)
        except OutputError:
            raise
        except RcnetError as error:
            return Done(failures=failures_of(item, str(error)))

    def _plan(self, plan: Plan) -> Answer:
        """Find the segments of a video, by its packets."""
        spans = [WHOLE]
        if self._job.segment:
            try:
                with _opened(plan.video) as media, open_media(media, plan.video.name) as container:
                    spans = find_spans(container, plan.video.name, self._job.segment)
            except RcnetError:
                pass  # predicting it says what is wrong
        first = plan.first
        return Planned(
            tuple(
                Segment(
                    plan.video,
                    PartName(first.stem, first.source, first.content, index, len(spans)),
                    span,
                )
                for index, span in enumerate(spans)
            )
        )

    def _segment(self, segment: Segment) -> Done:
        """Predict part of a video. Of one that breaks off, what could be decoded is published."""
        name = segment.video.name
        broken: list[SourceError] = []
        failures: list[Failure] = []
        with self._part(segment.part) as writer, closing(_frames(segment, self._threads)) as frames:
            for result in self._results(_until_failure(frames, broken)):
                writer.write(_scored(result, name))
            for error in broken:
                if segment.span != WHOLE or writer.frame_count == 0:
                    raise error
                failures = [Failure(name, str(error), frames=writer.frame_count)]
                self._note(segment.part, *failures)
        return Done(writer.frame_count, writer.pose_count, tuple(failures))

    def _images(self, batch: ImageBatch) -> Done:
        """Predict some images; those that cannot be read are left out."""
        failures: list[Failure] = []
        stamps = {image.name: image.stamp for image in batch.images}
        with self._part(batch.part, images=stamps) as writer:
            for result in self._results(_readable(batch, failures)):
                assert result.frame.name is not None
                writer.write(_scored(result, result.frame.name))
            if failures:
                self._note(batch.part, *failures)
        return Done(writer.frame_count, writer.pose_count, tuple(failures))

    def _results(self, frames: Iterable[Frame]) -> Iterator[Result]:
        """Yield the results of a source's frames, as `run` has them; tracks are of one source."""
        steps = stages(self._models, [], self._options, draws=False, frame_by_frame=False)
        return in_turn(frames, [Step(each.name, each.workers, each.batch) for each in steps])

    @contextmanager
    def _part(self, part: PartName, **more: object) -> Iterator[ParquetWriter]:
        """Yield what takes the frames; at the end the part is published, its poses last."""
        name = f"{part.text}.parquet"
        with self._store.staging(part.text) as folder:
            files = {FRAMES: folder / f"{FRAMES}.parquet", POSES: folder / f"{POSES}.parquet"}
            description = {"part": part.text, "job": self._job.record, **more}
            try:
                with ParquetWriter(
                    files[POSES], files[FRAMES], self._provenance, **description
                ) as writer:
                    yield writer
            except OSError as error:
                raise OutputError(
                    f"{self._store.name} cannot be written ({error}); free some space or choose "
                    "another place"
                ) from error
            for table, file in files.items():
                self._store.publish(file, f"{table}/{name}")

    def _note(self, part: PartName, *failures: Failure) -> None:
        """Write down what a part lacks, before it is published: it is not done again."""
        write_note(self._store, part, failures)


def failures_of(item: Item, reason: str) -> tuple[Failure, ...]:
    """Return that an item failed as a whole."""
    if isinstance(item, ImageBatch):
        return tuple(Failure(image.name, reason) for image in item.images)
    first = item.span.first_frame if isinstance(item, Segment) else 0
    return (Failure(item.video.name, reason, first),)


def _until_failure(frames: Iterator[Frame], broken: list[SourceError]) -> Iterator[Frame]:
    """Yield the frames up to where the source breaks off; why goes to `broken`."""
    try:
        yield from frames
    except SourceError as error:
        broken.append(error)


def _readable(batch: ImageBatch, failures: list[Failure]) -> Iterator[Frame]:
    """Yield the images that can be read; the others go to `failures`."""
    for image in batch.images:
        try:
            with local_copy(image) as path:
                frame = Frame(0, read_image(path), name=image.name)
        except SourceError as error:
            failures.append(Failure(image.name, str(error)))
            continue
        yield frame


def _scored(result: Result, source: str) -> ScoredFrame:
    frame, poses = result.frame, result.poses
    if poses.image_size is None:
        poses = replace(poses, image_size=frame.size)
    return ScoredFrame(source, frame.index, frame.time_seconds, poses, result.kept)


def _options(setup: Setup) -> VideoOptions:
    job = setup.job
    return VideoOptions(
        source="",
        model=job.model,
        weights=job.weights,
        threshold=job.threshold,
        out=None,
        draws=False,
        json=None,
        telemetry=None,
        compare=False,
        ellipses=False,
        recheck=job.recheck,
        track=job.track,
        nms_oks=None,
        joints=(),
        min_joint_confidence=0.0,
        max_frames=None,
        realtime=False,
        sandbox=False,
        show=False,
        imgsz=job.imgsz,
        half=job.half,
        device=setup.device,
        backend=setup.backend,
        parallelism=Parallelism(workers=1, threads=setup.threads),
    )


@contextmanager
def _opened(video: Media) -> Iterator[Path | BinaryIO]:
    """Yield a path, or a remote file of which only what is needed is fetched.

    Raises:
        SourceError: it cannot be opened.
    """
    if not is_url(video.address):
        yield Path(video.address)
        return
    with ExitStack() as stack:
        try:
            file = stack.enter_context(open_bytes(video.address))
        except OSError as error:
            raise SourceError(
                f"{video.name} cannot be opened ({error}); check the address and the access"
            ) from error
        yield file


def _frames(segment: Segment, threads: int) -> Generator[Frame, None, None]:
    video = segment.video
    if segment.span == WHOLE:
        with local_copy(video) as path, VideoFileSource(path, threads) as source:
            yield from (item for item in source if isinstance(item, Frame))
        return
    with _opened(video) as media, open_media(media, video.name) as container:
        yield from decode_span(container, video.name, segment.span, threads)
