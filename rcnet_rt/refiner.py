"""`Refiner` and `refine`: poses in, better scores out. Keypoints are never touched."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache, partial
from typing import Any

from rcnet_rt.backends import results
from rcnet_rt.backends.session import Session, is_on_gpu
from rcnet_rt.errors import PosesError
from rcnet_rt.poses.arrays import Array
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.inputs import PoseInputs, check, inputs_of, join, packs
from rcnet_rt.rescoring.joint_head import JointEstimates
from rcnet_rt.rescoring.mistake_watch import OnMistake
from rcnet_rt.rescoring.rescore import no_joint_head
from rcnet_rt.rescoring.score_reference import ScoreReference
from rcnet_rt.rescoring.weights import Weights
from rcnet_rt.rescoring.weights_io import find_weights

__all__ = ["OnError", "OnMistake", "Refiner", "find_weights", "refine"]


OnError = results.OnError


class Refiner:
    """Weights loaded once, to be called for every frame. Thread-safe; it can be pickled.

    On the CPU it works in forked processes, too; on a GPU make one in each process.

    Scores of a call depend on its arguments alone. What is remembered is which likely mistakes of
    the caller were told.

    Args:
        weights: a shipped name ("yolo-pose"), a path, "formula:NAME", `Weights`, or "auto".
        device: "auto", "cpu", "cuda", "cuda:0", …
        backend: "auto", "numba", "onnx", "torch" or "tensorrt".

    Attributes:
        weights: the `Weights` in use.

    Raises:
        WeightsError: unknown or damaged weights.
        BackendError: an unknown backend, or one that does not suit the device.

    >>> import numpy as np
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
        self._session = Session(self.weights, backend, device)

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, or a copy, opens the same backend for itself."""
        opened = partial(type(self), device=self._device, backend=self._choice)
        return opened, (self.weights,)

    @property
    def backend_name(self) -> str:
        """Name of the backend that runs the network, "numpy" for a baseline."""
        return self._session.backend.name

    @property
    def backend_reason(self) -> str:
        """Why that backend runs, in a few words."""
        return self._session.reason

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
        reference: ScoreReference | None = None,
        on_error: OnError = "raise",
        on_mistake: OnMistake = "warn",
        validate: bool | None = None,
    ) -> Array:
        """Return refined scores (N,) in [0, 1] for the poses of one image.

        Args:
            keypoints: (N, K, 2) pixels, NaN for a joint that was not found; or (N, K, 3) with the
                joint scores in the third column.
            scores: (N,) the estimator's confidence.
            keypoint_scores: (N, K) or None.
            boxes: (N, 4) x1, y1, x2, y2 pixels, or None.
            image_size: (width, height), or None.
            consensus: (N, C) statistics of the NMS candidates, `rescoring.nms_consensus`.
            agreement: (N,) OKS × √score of the pose that a recheck found, `estimators.recheck`;
                NaN where there was none.
            embeddings: (N, E) features of the pose in the estimator's network.
            reference: the estimator's other scores, if you keep them; for weights of any estimator
                ("generic"), which go without by the scores in this image alone. Use one scale,
                or none, for all images whose scores are compared.
            on_error: what a pose gets whose score, joints or box are NaN or beyond ±1e15: "raise"
                raises, "raw" gives it its raw score brought into [0, 1] (NaN becomes 0), "drop"
                gives it 0. Where people must be avoided, "raw" is the safe choice.
            on_mistake: what to do where the arrays are very likely not what they should be (boxes
                as x, y, width, height, scores in percent, absent joints at (0, 0), …): "warn" gives
                one `PosesWarning` for each kind, "raise" raises, "ignore" does not look. CUDA
                tensors are not looked at.
            validate: look for faulty poses, which on a GPU makes the host wait. None looks except
                on CUDA tensors, where these poses get 0 without a word.

        Returns:
            NumPy for NumPy, torch on the same device for torch.

        Raises:
            PosesError: shapes that do not fit, or K is not that of the weights; faulty values; a
                likely mistake, for on_mistake="raise".
        """
        results.check_choice("on_error", on_error, OnError)
        results.check_choice("on_mistake", on_mistake, OnMistake)
        inputs = _checked(
            keypoints,
            scores,
            keypoint_scores=keypoint_scores,
            boxes=boxes,
            image_size=image_size,
            consensus=consensus,
            agreement=agreement,
            embeddings=embeddings,
            reference=reference,
        )
        if len(inputs.scores) == 0:
            return results.same_kind_as(scores, inputs.scores)
        on_gpu = is_on_gpu(inputs.scores)
        looks = not on_gpu if validate is None else validate
        if not looks and (on_gpu or on_error == "raise"):
            on_error = "drop"
        refined = results.ruled(self._session.refine(inputs, scores, on_mistake), on_error)
        self._session.returned(inputs.scores, refined)
        return results.same_kind_as(scores, refined)

    def joints(
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
        reference: ScoreReference | None = None,
        on_mistake: OnMistake = "warn",
    ) -> JointEstimates:
        """Return confidence (N, K) and covariance (N, K, 2, 2) of the joints of one image's poses.

        Arguments and errors are those of `refine`. A joint that was not found has confidence 0 and
        a covariance of NaN; so have the joints of a pose that `refine` takes for faulty.

        Raises:
            WeightsError: the weights have no joint head.
        """
        if self.weights.joints is None:
            raise no_joint_head(self.weights.name)
        results.check_choice("on_mistake", on_mistake, OnMistake)
        inputs = _checked(
            keypoints,
            scores,
            keypoint_scores=keypoint_scores,
            boxes=boxes,
            image_size=image_size,
            consensus=consensus,
            agreement=agreement,
            embeddings=embeddings,
            reference=reference,
        )
        if len(inputs.scores) == 0:
            return results.estimates_like(scores, results.no_estimates(inputs.keypoints))
        estimates = self._session.refine_with_joints(inputs, scores, on_mistake).joints
        assert estimates is not None
        return results.estimates_like(scores, estimates)

    def __call__(
        self,
        poses: Poses,
        *,
        reference: ScoreReference | None = None,
        on_error: OnError = "raise",
        on_mistake: OnMistake = "warn",
    ) -> Poses:
        """Return the same poses with refined scores; the estimator's stay as `raw_scores`.

        Weights with a joint head add `joint_confidence` and `joint_covariance`.
        """
        scores, joints = self._refined(inputs_of(poses, reference), on_error, on_mistake)
        new = poses.with_scores(scores)
        return new if joints is None else new.with_joints(joints.confidence, joints.covariance)

    def batch(
        self,
        images: Sequence[Poses],
        *,
        reference: ScoreReference | None = None,
        on_error: OnError = "raise",
        on_mistake: OnMistake = "warn",
    ) -> list[Poses]:
        """Refine many images, packed together: the same numbers as one by one, sooner."""
        return list(
            self.stream(images, reference=reference, on_error=on_error, on_mistake=on_mistake)
        )

    def stream(
        self,
        images: Iterable[Poses],
        *,
        reference: ScoreReference | None = None,
        on_error: OnError = "raise",
        on_mistake: OnMistake = "warn",
    ) -> Iterator[Poses]:
        """Yield what `batch` returns, in flat memory: some images are taken at a time."""
        for some in packs(images, self._session.max_poses):
            refined = self._refined(join(some, reference), on_error, on_mistake)
            yield from results.per_image(some, *refined)

    def _refined(
        self, inputs: PoseInputs, on_error: OnError, on_mistake: OnMistake
    ) -> tuple[Array, JointEstimates | None]:
        """Return the refined scores, and the estimates of joints where there is a joint head."""
        has_head = self.weights.joints is not None
        if len(inputs.scores) == 0:
            return inputs.scores, results.no_estimates(inputs.keypoints) if has_head else None
        run = self._session.refine_with_joints if has_head else self._session.refine
        result = run(inputs, inputs.scores, on_mistake)
        scores = results.same_kind_as(
            inputs.scores, results.ruled(result, on_error, inputs.image_index)
        )
        return scores, result.joints and results.estimates_like(inputs.scores, result.joints)


def _checked(keypoints: Array, scores: Array, **others: Any) -> PoseInputs:
    if isinstance(keypoints, Poses):
        raise PosesError("refine takes arrays; call the Refiner itself with Poses: refiner(poses)")
    return check(PoseInputs(keypoints, scores, **others))


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
    reference: ScoreReference | None = None,
    weights: str = "auto",
    device: str = "auto",
    backend: str = "auto",
    on_error: OnError = "raise",
    on_mistake: OnMistake = "warn",
    validate: bool | None = None,
) -> Array:
    """Return refined scores (N,) in [0, 1] for the poses of one image; see `Refiner.refine`.

    The weights are loaded on the first call and kept. The answer depends on these poses alone.

    >>> refine([[[10.0, 20.0]] * 17], [0.5]).shape
    (1,)
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
        reference=reference,
        on_error=on_error,
        on_mistake=on_mistake,
        validate=validate,
    )


@lru_cache(maxsize=8)
def _loaded(weights: str, device: str, backend: str) -> Refiner:
    return Refiner(weights, device=device, backend=backend)
