"""A threshold that can be moved while a run goes on."""

from __future__ import annotations

from rcnet_rt.errors import PosesError

__all__ = ["Threshold"]


class Threshold:
    """A refined score in [0, 1] from which poses are kept; any thread may move it.

    Raises:
        PosesError: not a number in [0, 1].

    >>> threshold = Threshold(0.4)
    >>> threshold.move(0.6)
    >>> float(threshold)
    0.6
    """

    def __init__(self, value: float) -> None:
        self.move(value)

    def move(self, value: float) -> None:
        """Take another value, which holds from the next frame on.

        Raises:
            PosesError: not a number in [0, 1].
        """
        if not 0 <= value <= 1:
            raise PosesError(f"threshold: expected a number from 0 to 1, got {value!r}")
        self._value = float(value)

    def __float__(self) -> float:
        return self._value
