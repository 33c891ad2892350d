"""The figures of a run for Prometheus, in its text format 0.0.4."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.version import __version__

__all__ = ["CONTENT_TYPE", "metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
BOUNDS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # seconds
QUANTILES = (0.5, 0.95, 0.99)


def metrics(view: LiveView, viewers: int) -> str:
    """Return all metrics; names and units are described in docs/how-to/live_view.md.

    Args:
        view: of the run.
        viewers: of the images, at present.
    """
    return "\n".join(_lines(view, viewers)) + "\n"


def _lines(view: LiveView, viewers: int) -> Iterator[str]:
    telemetry = view.telemetry
    info = {"version": __version__, **{k: v for k, v in view.about.items() if isinstance(v, str)}}
    yield from _family("info", "gauge", "What runs.", [("", info, 1)])
    numbers = [
        ("frames_read_total", "counter", "Frames that the source gave.", telemetry.frames_in),
        ("frames_total", "counter", "Frames whose result is complete.", telemetry.frames_out),
        ("frames_dropped_total", "counter", "Frames that gave way to newer.", telemetry.dropped),
        ("gaps_total", "counter", "How often frames were missing.", telemetry.gaps),
        ("poses_total", "counter", "Poses, kept or not.", view.poses),
        ("poses_kept_total", "counter", "Poses that were kept.", view.kept),
        ("images_encoded_total", "counter", "Images for viewers.", view.images.encoded),
        ("fps", "gauge", "Frames a second in the last seconds.", round(view.fps, 3)),
        ("threshold", "gauge", "Refined score from which poses are kept.", float(view.threshold)),
        ("viewers", "gauge", "Viewers of the images.", viewers),
    ]
    for name, kind, text, value in numbers:
        yield from _family(name, kind, text, [("", {}, value)])
    yield from _drift(view)
    yield from _latency(view)
    yield from _stages(view)


def _drift(view: LiveView) -> Iterator[str]:
    alarms, active = dict(view.telemetry.alarms), {change.what for change in view.drift}
    counts: list[_Sample] = [("", {"what": what}, count) for what, count in alarms.items()]
    states: list[_Sample] = [("", {"what": what}, int(what in active)) for what in alarms]
    yield from _family("drift_alarms_total", "counter", "How often drift was noticed.", counts)
    yield from _family("drift", "gauge", "Whether it is still there.", states)


def _latency(view: LiveView) -> Iterator[str]:
    below, count, total = view.telemetry.age.cumulative(BOUNDS)
    bounds = [*map(str, BOUNDS), "+Inf"]
    buckets = zip(bounds, [*below, count], strict=True)
    samples: list[_Sample] = [("_bucket", {"le": bound}, number) for bound, number in buckets]
    samples += [("_sum", {}, round(total, 6)), ("_count", {}, count)]
    text = "From a frame's arrival to its result."
    yield from _family("latency_seconds", "histogram", text, samples)


def _stages(view: LiveView) -> Iterator[str]:
    samples: list[_Sample] = []
    for stage, histogram in list(view.telemetry.stages.items()):
        for share in QUANTILES:
            labels = {"stage": stage, "quantile": str(share)}
            samples.append(("", labels, round(histogram.percentile(share), 6)))
        samples.append(("_sum", {"stage": stage}, round(histogram.total, 6)))
        samples.append(("_count", {"stage": stage}, histogram.count))
    text = "Time of a stage for one frame, in one of its workers."
    yield from _family("stage_seconds", "summary", text, samples)


_Sample = tuple[str, Mapping[str, str], float]  # suffix of the name, labels, value


def _family(name: str, kind: str, text: str, samples: Iterable[_Sample]) -> Iterator[str]:
    name = f"rcnet_rt_{name}"
    yield f"# HELP {name} {text}"
    yield f"# TYPE {name} {kind}"
    for suffix, labels, value in samples:
        pairs = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
        yield f"{name}{suffix}{{{pairs}}} {value}" if pairs else f"{name}{suffix} {value}"


def _escaped(value: str) -> str:
    r"""Return a label's value as the format wants it.

    >>> print(_escaped('a "b" \\ c'))
    a \"b\" \\ c
    """
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
