"""`Refiner` and `refine`: poses in, better scores out. Keypoints are never touched."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np

from rcnet_rt import features as feature_sets
from rcnet_rt import formulas, skeletons, weights_file
from rcnet_rt.arrays import Array, is_torch, namespace, sigmoid
from rcnet_rt.backends import Backend, open_backend
from rcnet_rt.errors import BackendError, PosesError
from rcnet_rt.packing import PackedPoses, concatenate, pack, pack_poses, set_apart
from rcnet_rt.poses import Poses
from rcnet_rt.score_scale import ScoreScale
from rcnet_rt.weights_file import Weights

__all__ = ["OnError", "Refiner", "refine"]

OnError = Literal["raise", "raw", "drop"]

BELOW_FLOOR = 1e-3  # refined scores of poses below the floor lie under this, in their old order
POSES_AT_ONCE = 512  # offline, pictures are packed up to about this many poses


class Refiner:
    """Weights loaded once, to be called for every frame. Stateless between calls; thread-safe.

    Args:
        weights: a shipped name ("yolo-pose"), a path, "formula:NAME", `Weights`, or "auto".
        device: "auto", "cpu", "cuda", "cuda:0", …
        backend: "auto", "onnx" or "torch".

    Attributes:
        weights: the `Weights` in use.

    Raises:
        WeightsError: unknown or damaged weights.
        BackendError: an unknown backend, or one that does not suit the device.

    >>> refiner = Refiner("formula:score_times_confidence")
    >>> poses = np.zeros((1, 17, 3)); poses[..., 2] = 0.5
    >>> refiner.refine(poses, np.array([0.8])).round(3).tolist()
    [0.4]
    """

    def __init__(
        self, weights: str | Weights = "auto", *, device: str = "auto", backend: str = "auto"
    ) -> None:
        self.weights = find_weights(weights) if isinstance(weights, str) else weights
        self._device, self._choice = device, backend
        self._lock = threading.Lock()
        self._backends: dict[str, Backend] = {}
        if not self.weights.is_formula:
            self._backends[device] = open_backend(self.weights, backend, device)

    @property
    def backend_name(self) -> str:
        """Name of the backend that runs the network, "numpy" for a formula."""
        if self.weights.is_formula:
            return "numpy"
        return self._backends[self._device].name

    def refine(
        self,
        keypoints: Array,
        scores: Array,
        *,
        keypoint_scores: Array | None = None,
        boxes: Array | None = None,
        image_size: tuple[float, float] | None = None,
        consensus: Array | None = None,
        agreement: Array | None = None,
        embeddings: Array | None = None,
        scale: ScoreScale | None = None,
        on_error: OnError = "raise",
        validate: bool | None = None,
    ) -> Array:
        """Return refined scores (N,) in [0, 1] for the poses of one picture.

        Args:
            keypoints: (N, K, 2) pixels, NaN for a joint that was not found; or (N, K, 3) with the
                joint scores in the third column.
            scores: (N,) the estimator's confidence.
            keypoint_scores: (N, K) or None.
            boxes: (N, 4) x1, y1, x2, y2 pixels, or None.
            image_size: (width, height), or None.
            consensus: (N, C) statistics of the estimator's other candidates, `rcnet_rt.consensus`.
            agreement: (N,) OKS with a second look, `rcnet_rt.second_look`; NaN where none.
            embeddings: (N, E) what the estimator's network saw.
            scale: the estimator's other scores, if you keep them; for weights of any estimator
                ("generic"), which go without by the scores in this picture alone. Use one scale,
                or none, for all pictures whose scores are compared.
            on_error: what a pose gets whose score, joints or box are not finite numbers: "raise"
                raises, "raw" gives it its raw score brought into [0, 1] (NaN becomes 0), "drop"
                gives it 0. Where people must be avoided, "raw" is the safe choice.
            validate: look for such poses, which on a GPU makes the host wait. None looks except on
                CUDA tensors, where these poses get 0 in silence.

        Returns:
            NumPy for NumPy, torch on the same device for torch.

        Raises:
            PosesError: shapes that do not fit, or K is not that of the weights; faulty values.
        """
        if isinstance(keypoints, Poses):
            raise PosesError(
                "refine takes arrays; call the Refiner itself with Poses: refiner(poses)"
            )
        if on_error not in get_args(OnError):
            raise PosesError(f"on_error: expected raise, raw or drop, got {on_error!r}")
        packed = pack(
            keypoints,
            scores,
            keypoint_scores,
            boxes,
            image_size,
            scale,
            consensus=consensus,
            agreement=agreement,
            embeddings=embeddings,
        )
        self._check_skeleton(packed)
        on_gpu = is_torch(packed.scores) and packed.scores.is_cuda
        if validate or (validate is None and not on_gpu):
            if on_error == "raise":
                _raise_faults(packed)
        elif on_gpu:
            on_error = "drop"
        return _same_kind_as(scores, self._score(packed, scores, on_error))

    def __call__(
        self, poses: Poses, *, scale: ScoreScale | None = None, on_error: OnError = "raise"
    ) -> Poses:
        """Return the same poses with refined scores; the estimator's stay as `raw_scores`."""
        return next(self._refined([poses], scale, on_error))

    def batch(
        self,
        pictures: Sequence[Poses],
        *,
        scale: ScoreScale | None = None,
        on_error: OnError = "raise",
    ) -> list[Poses]:
        """Refine many pictures, packed together: the same numbers as one by one, sooner."""
        return [
            poses for chunk in _chunks(pictures) for poses in self._refined(chunk, scale, on_error)
        ]

    def _refined(
        self, pictures: Sequence[Poses], scale: ScoreScale | None, on_error: OnError
    ) -> Iterator[Poses]:
        raw = [p.scores if p.raw_scores is None else p.raw_scores for p in pictures]
        packs = [
            pack_poses(poses, scores, scale) for poses, scores in zip(pictures, raw, strict=True)
        ]
        for packed in packs:
            self._check_skeleton(packed)
            if on_error == "raise":
                _raise_faults(packed)
        refined = self._score(concatenate(packs), np.concatenate(raw), on_error)
        ends = np.cumsum([len(packed) for packed in packs])[:-1]
        for poses, scores in zip(pictures, np.split(refined, ends), strict=True):
            yield poses.with_scores(scores)

    def _check_skeleton(self, packed: PackedPoses) -> None:
        if self.weights.skeleton is None:
            return
        expected = len(skeletons.get(self.weights.skeleton).keypoints)
        joints = packed.keypoints.shape[1]
        if joints != expected:
            raise PosesError(
                f"weights {self.weights.name!r} are for {self.weights.skeleton} with {expected} "
                f"keypoints, got poses of {joints}; use weights made for your skeleton"
            )

    def _score(self, packed: PackedPoses, raw: Array, on_error: OnError) -> Array:
        """Return refined scores; poses that are faulty or below the floor are seen by no other."""
        weights = self.weights
        backend = None if weights.is_formula else self._backend_for(packed.scores)
        packed = packed if backend is None else _moved(packed, backend)
        xp = namespace(packed.scores)
        below = packed.scores < weights.floor
        poses = set_apart(packed, packed.faulty | below)
        base = formulas.base_logit(weights.base, poses, weights.base_scale)
        if backend is None or len(poses) == 0:
            refined = self._formula_score(poses, base)
        else:
            refined = self._network_score(poses, base, backend)
        if weights.calibration is not None:
            refined = weights.calibration(refined)
        if weights.floor > 0:
            low = xp.clip(packed.scores, 0, None) / weights.floor * BELOW_FLOOR
            refined = xp.where(below, low, BELOW_FLOOR + (1 - BELOW_FLOOR) * refined)
        instead = _unit_raw(raw, packed.scores) if on_error == "raw" else xp.zeros_like(refined)
        return xp.where(packed.faulty, instead, refined)

    def _formula_score(self, poses: PackedPoses, base: Array) -> Array:
        """The formula's own value where it is bounded, free of the logit's clipping."""
        xp = namespace(base)
        formula = formulas.get(self.weights.base)
        return xp.clip(formula.compute(poses), 0, 1) if formula.bounded else sigmoid(base)

    def _network_score(self, poses: PackedPoses, base: Array, backend: Backend) -> Array:
        assert self.weights.skeleton is not None
        skeleton = skeletons.get(self.weights.skeleton)
        features = feature_sets.get(self.weights.features).compute(poses, skeleton, base)
        refined = backend(features, base, poses.picture)
        return refined.astype(np.float64) if backend.arrays == "numpy" else refined.to(base.dtype)

    def _backend_for(self, scores: Array) -> Backend:
        """Tensors on a GPU stay there, whatever device was chosen for arrays of the host."""
        default = self._backends[self._device]
        if not (is_torch(scores) and scores.is_cuda):
            return default
        device = str(scores.device)
        if default.device in (device, scores.device.type):
            return default
        if self._choice not in ("auto", "torch"):
            raise BackendError(
                f"backend {self._choice} takes arrays of the host, got a tensor on {device}; "
                "use backend='auto' or move the tensor"
            )
        with self._lock:
            if device not in self._backends:
                self._backends[device] = open_backend(self.weights, "torch", device)
        return self._backends[device]


def refine(
    keypoints: Array,
    scores: Array,
    *,
    keypoint_scores: Array | None = None,
    boxes: Array | None = None,
    image_size: tuple[float, float] | None = None,
    consensus: Array | None = None,
    agreement: Array | None = None,
    embeddings: Array | None = None,
    scale: ScoreScale | None = None,
    weights: str = "auto",
    device: str = "auto",
    backend: str = "auto",
    on_error: OnError = "raise",
    validate: bool | None = None,
) -> Array:
    """Return refined scores (N,) in [0, 1] for the poses of one picture; see `Refiner.refine`.

    The weights are loaded on the first call and kept. The answer depends on these poses alone.

    >>> rng = np.random.default_rng(0)
    >>> refine(rng.uniform(0, 300, (5, 17, 2)), rng.uniform(0, 1, 5)).shape
    (5,)
    """
    return _loaded(weights, device, backend).refine(
        keypoints,
        scores,
        keypoint_scores=keypoint_scores,
        boxes=boxes,
        image_size=image_size,
        consensus=consensus,
        agreement=agreement,
        embeddings=embeddings,
        scale=scale,
        on_error=on_error,
        validate=validate,
    )


def find_weights(name: str) -> Weights:
    """Return weights by name; "auto" is the best that is shipped for an unknown estimator."""
    if name != "auto":
        return weights_file.find(name)
    shipped = weights_file.available()
    for choice in ("generic", "yolo-pose"):
        if choice in shipped:
            return weights_file.load(shipped[choice])
    return weights_file.formula("score_times_confidence")


@lru_cache(maxsize=8)
def _loaded(weights: str, device: str, backend: str) -> Refiner:
    return Refiner(weights, device=device, backend=backend)


def _raise_faults(packed: PackedPoses) -> None:
    if bool(packed.faulty.any()):
        first = int(packed.faulty.tolist().index(True))
        raise PosesError(
            f"pose {first}: its score, a joint, a joint score or its box is infinite or NaN (NaN "
            "is allowed for both coordinates of a joint that was not found); mend it, or say "
            "on_error='raw' or 'drop'"
        )


def _unit_raw(raw: Array, like: Array) -> Array:
    """Raw scores brought into [0, 1], NaN to 0, as the kind of array that `like` is."""
    xp = namespace(like)
    if is_torch(like):
        raw = xp.as_tensor(raw, dtype=like.dtype, device=like.device).detach()
    elif is_torch(raw):
        raw = raw.detach().numpy()
    return xp.clip(xp.where(xp.isnan(raw), xp.zeros_like(like), raw), 0, 1)


def _same_kind_as(given: Any, refined: Array) -> Array:
    """Return scores in the kind and floating type that came in; float32 where none did."""
    if is_torch(given):
        torch = namespace(given)
        dtype = given.dtype if given.is_floating_point() else torch.float32
        return torch.as_tensor(refined, dtype=dtype, device=given.device)
    if is_torch(refined):
        refined = refined.cpu().numpy()
    dtype = np.asarray(given).dtype
    return refined.astype(dtype if dtype.kind == "f" else np.float32)


def _moved(poses: PackedPoses, backend: Backend) -> PackedPoses:
    """Bring poses to the kind of array and the device of the backend."""
    if backend.arrays == "numpy":
        return poses if not is_torch(poses.scores) else _each(poses, lambda array: array.numpy())
    import torch

    return _each(poses, lambda array: torch.as_tensor(array, device=backend.device))


def _each(poses: PackedPoses, change: Callable[[Array], Array]) -> PackedPoses:
    columns = {name: value for name, value in vars(poses).items() if name != "scale"}
    return replace(poses, **{name: change(array) for name, array in columns.items()})


def _chunks(pictures: Sequence[Poses]) -> Iterator[list[Poses]]:
    chunk: list[Poses] = []
    for poses in pictures:
        if chunk and sum(map(len, chunk)) + len(poses) > POSES_AT_ONCE:
            yield chunk
            chunk = []
        chunk.append(poses)
    if chunk:
        yield chunk
