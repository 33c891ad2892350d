"""A window that shows results: `q` quits, space pauses, `r` changes between raw and refined."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from rcnet_rt.errors import OutputError
from rcnet_rt.poses.frame import Image
from rcnet_rt.video.pipeline import Result

__all__ = ["Window", "WindowClosed", "check_display"]

Drawing = Callable[[Result], Image]
LARGEST = (1280, 720)  # wider or higher images open in a window of this size
POLL = "import cv2; cv2.namedWindow('rcnet-rt'); cv2.waitKey(1); cv2.destroyAllWindows()"


class WindowClosed(Exception):  # noqa: N818 (no error: the user has seen enough)
    """The user closed the window or pressed q."""


def check_display() -> None:
    """Check that a window can be opened; in a child process, for OpenCV aborts where it cannot.

    Call it first of all: OpenCV's windows hang where PyAV was loaded before OpenCV, since both
    bring a libxcb of their own.

    Raises:
        OutputError: there is no display, or OpenCV was built without windows.
    """
    if sys.platform.startswith("linux") and not (
        os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    ):
        raise OutputError(
            "--show needs a display and there is none (DISPLAY is not set); leave --show out, and "
            "look at the video that is written"
        )
    os.environ.setdefault("QT_LOGGING_RULES", "*.warning=false")  # a page about missing fonts
    import cv2  # noqa: F401 (before PyAV)

    try:
        child = subprocess.run(  # noqa: S603 (our own interpreter and program)
            [sys.executable, "-c", POLL], capture_output=True, timeout=30, check=False
        )
    except subprocess.TimeoutExpired:
        child = None
    if child is None or child.returncode != 0:
        raise OutputError(
            "--show cannot open a window: the display does not answer, or OpenCV was built without "
            "windows (then: pip uninstall opencv-python-headless; pip install opencv-python)"
        )


class Window:
    """Shows results in the thread that made it; `check_display` tests whether it can be opened.

    Args:
        title: of the window.
        refined: draws a result, where it was not drawn on its way.
        raw: draws what the estimator's own scores would have shown.
        check: called while the window waits; it may raise to stop.
    """

    def __init__(
        self, title: str, refined: Drawing, raw: Drawing, check: Callable[[], None]
    ) -> None:
        import cv2

        self._title = title
        self._drawings = (refined, raw)
        self._check = check
        self._shows_raw = False
        self._is_open = False
        self._last: Result | None = None
        cv2.namedWindow(title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO)

    def show(self, result: Result) -> None:
        """Show one result; while paused, wait.

        Raises:
            WindowClosed: the user has seen enough.
        """
        self._last = result
        self._draw()
        self.poll()

    def poll(self) -> None:
        """Answer to keys; call it while nothing comes, too.

        Raises:
            WindowClosed: the user has seen enough.
        """
        if self._key(1) == " ":
            while self._key(50) != " ":
                self._check()

    def close(self) -> None:
        """Close the window."""
        import cv2

        cv2.destroyAllWindows()

    def __enter__(self) -> Window:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _key(self, milliseconds: int) -> str:
        """Return the key that was pressed, `q` and `r` done already."""
        import cv2

        code = cv2.waitKey(milliseconds) & 0xFF
        key = "" if code == 0xFF else chr(code)
        gone = self._is_open and cv2.getWindowProperty(self._title, cv2.WND_PROP_VISIBLE) < 1
        if key == "q" or gone:
            raise WindowClosed
        if key == "r":
            self._shows_raw = not self._shows_raw
            self._draw()
        return key

    def _draw(self) -> None:
        import cv2

        if self._last is None:
            return
        refined, raw = self._drawings
        if self._shows_raw:
            image = raw(self._last)
        else:
            image = refined(self._last) if self._last.drawn is None else self._last.drawn
        if not self._is_open:
            height, width = image.shape[:2]
            scale = min(1.0, LARGEST[0] / width, LARGEST[1] / height)
            size = max(1, round(scale * width)), max(1, round(scale * height))
            cv2.resizeWindow(self._title, *size)
            self._is_open = True
        cv2.imshow(self._title, image)
