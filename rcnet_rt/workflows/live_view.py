"""The live view of a video run: its server before anything is loaded, its sink after."""

from __future__ import annotations

from contextlib import ExitStack

from rcnet_rt.serving.access import Access, parse_address
from rcnet_rt.serving.live_view import LiveView
from rcnet_rt.serving.server import LiveServer, listen
from rcnet_rt.workflows.summary import Tally
from rcnet_rt.workflows.video_stages import Models, VideoOptions

__all__ = ["open_server", "open_view"]


def open_server(options: VideoOptions, stack: ExitStack) -> LiveServer | None:
    """Return a server that has its port, closed with the stack; None if none is asked for.

    Raises:
        OutputError: the address or the token cannot be used.
    """
    if options.serve is None:
        return None
    access = Access.create(parse_address(options.serve), options.serve_token)
    return stack.enter_context(listen(access))


def open_view(
    server: LiveServer, models: Models, source: str, tally: Tally, stack: ExitStack
) -> LiveView:
    """Return the sink that the server shows from now on, until the stack is closed."""
    scoring = models.scoring
    about: dict[str, str | float] = {
        "source": source,
        "estimator": models.estimator.name,
        "weights": scoring.name,
        "raw_threshold": scoring.raw_threshold,
    }
    view = LiveView(about, models.threshold, tally.telemetry, models.draw_comparison)
    stack.enter_context(server.serving(view))
    stack.callback(_note_threshold, models, tally)
    return view


def _note_threshold(models: Models, tally: Tally) -> None:
    before, now = models.scoring.threshold, float(models.threshold)
    if now != before:
        tally.notes.append(f"the threshold was moved from {before:.3g} to {now:.3g} in the end")
