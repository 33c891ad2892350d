"""Weights on a backend: checked poses in, refined scores out, wherever the arrays are."""

from __future__ import annotations

import threading

from rcnet_rt.backends.choice import auto, open_backend
from rcnet_rt.backends.protocol import Backend, Refined
from rcnet_rt.errors import BackendError
from rcnet_rt.poses.arrays import Array, is_torch
from rcnet_rt.rescoring.inputs import MAX_POSES_IN_PACK, PoseInputs, with_floor
from rcnet_rt.rescoring.mistake_watch import MistakeWatch, OnMistake
from rcnet_rt.rescoring.score_convention import expected_by
from rcnet_rt.rescoring.weights import Weights, check_poses

__all__ = ["Session", "is_on_gpu"]


class Session:
    """Runs one weights file. Thread-safe; what it remembers is the mistakes that were told.

    Args:
        weights: what refines.
        choice: of the backend, a name of `backends.choice.NAMES`.
        device: where arrays of the host are refined; tensors on a GPU stay there.

    Attributes:
        backend: that runs for arrays of the host.
        max_poses: of images that are packed together.

    Raises:
        BackendError: an unknown backend, or one that does not suit the device.
    """

    def __init__(self, weights: Weights, choice: str, device: str) -> None:
        self._weights, self._choice, self._device = weights, choice, device
        self.backend = open_backend(weights, choice, device)
        self._on_gpu: dict[str, Backend] = {}
        self._lock = threading.Lock()
        self._watch = None if weights.is_baseline else MistakeWatch(expected_by(weights))
        kind = self.backend.device.partition(":")[0]
        self.max_poses = MAX_POSES_IN_PACK.get(kind, MAX_POSES_IN_PACK["cpu"])

    @property
    def reason(self) -> str:
        """Why that backend runs, in a few words."""
        if self._weights.is_baseline:
            return "a baseline needs no network"
        chosen, reason = self._choice, "as chosen"
        if self._choice == "auto":
            chosen, reason = auto(self._device)
        return reason if self.backend.name == chosen else "the one chosen does not work here"

    def refine(self, inputs: PoseInputs, scores: object, on_mistake: OnMistake) -> Refined:
        """Return the refined scores of at least one pose.

        Args:
            inputs: checked arrays.
            scores: as the caller gave them.
            on_mistake: see `Refiner.refine`; tensors on a GPU are not looked at.

        Raises:
            PosesError: poses of another number of joints; a likely mistake, for "raise".
        """
        prepared = self._prepared(inputs)
        result = self._backend_for(prepared.scores)(prepared)
        self._look(prepared, result, scores, on_mistake)
        return result

    def refine_with_joints(
        self, inputs: PoseInputs, scores: object, on_mistake: OnMistake
    ) -> Refined:
        """Return what `refine` does, and the estimates of the joints.

        Raises:
            PosesError: as `refine`.
            WeightsError: the weights have no joint head.
        """
        prepared = self._prepared(inputs)
        result = self._backend_for(prepared.scores).with_joints(prepared)
        self._look(prepared, result, scores, on_mistake)
        return result

    def returned(self, raw: Array, refined: Array) -> None:
        """Remember what a caller got, which would be a mistake to give as raw scores."""
        if self._watch is not None and not is_on_gpu(raw):
            self._watch.returned(raw, refined)

    def _prepared(self, inputs: PoseInputs) -> PoseInputs:
        check_poses(inputs, self._weights)
        return with_floor(inputs, self._weights.floor)

    def _look(
        self, inputs: PoseInputs, result: Refined, scores: object, on_mistake: OnMistake
    ) -> None:
        if self._watch is not None and on_mistake != "ignore" and not is_on_gpu(inputs.scores):
            self._watch.look(inputs, result.evidence, scores, on_mistake)

    def _backend_for(self, scores: Array) -> Backend:
        """Tensors on a GPU stay there, whatever device was chosen for arrays of the host."""
        if not is_on_gpu(scores):
            return self.backend
        device = str(scores.device)
        if self.backend.device in ("any", device, scores.device.type):
            return self.backend
        if self._choice not in ("auto", "torch"):
            raise BackendError(
                f"backend {self._choice} takes arrays of the host, got a tensor on {device}; "
                "use backend='auto' or move the tensor"
            )
        with self._lock:
            if device not in self._on_gpu:
                self._on_gpu[device] = open_backend(self._weights, "torch", device)
        return self._on_gpu[device]


def is_on_gpu(array: Array) -> bool:
    """Return whether an array is a CUDA tensor."""
    return is_torch(array) and bool(array.is_cuda)
