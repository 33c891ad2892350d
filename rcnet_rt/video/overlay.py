"""Draws poses, colored by their refined scores.

Where poses have a calibrated joint confidence, it is the opacity of the joint.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import numpy.typing as npt

from rcnet_rt.poses.frame import Image
from rcnet_rt.poses.poses import Poses
from rcnet_rt.poses.skeletons import Skeleton
from rcnet_rt.video import labels
from rcnet_rt.video.labels import Style

__all__ = ["compare", "draw", "draw_raw", "score_color", "warn"]

# Red, amber, green: dark to light as well, so that colour-blind eyes see the order.
RAMP_RGB = np.array([(165, 0, 38), (244, 109, 67), (254, 224, 80), (120, 220, 90), (0, 190, 110)])
BINS = 11
MIN_JOINT_CONFIDENCE = 0.3
ELLIPSE = (
    4.605**0.5
)  # standard deviations; the 0.9 quantile of chi² of 2 degrees of freedom is 4.605
FAR = 30_000  # pixels
BLACK, WHITE, WARNING = (0, 0, 0), (255, 255, 255), (38, 0, 165)  # blue, green, red
OPAQUE = 255

Color = tuple[int, ...]


def draw(
    image_bgr: Image,
    poses: Poses,
    kept: npt.NDArray[np.bool_],
    skeleton: Skeleton,
    *,
    ellipses: bool = False,
) -> Image:
    """Return a new image with the kept poses, each labelled #track raw -> refined score.

    Args:
        image_bgr: (H, W, 3) uint8.
        poses: N refined poses.
        kept: (N,) which of them to draw.
        skeleton: what joins the keypoints.
        ellipses: draw the ellipse in which each joint is with a probability of 90 %, where the
            poses have a covariance.
    """
    raw = poses.estimator_scores
    tracks = np.full(len(poses), -1) if poses.track_ids is None else poses.track_ids
    texts = [
        (f"#{track} " if track >= 0 else "") + f"{before:.2f} -> {after:.2f}"
        for track, before, after in zip(tracks, raw, poses.scores, strict=True)
    ]
    shown = poses if ellipses else replace(poses, joint_covariance=None)
    return _draw(image_bgr, shown, poses.scores, texts, kept, skeleton)


def draw_raw(image_bgr: Image, poses: Poses, raw_threshold: float, skeleton: Skeleton) -> Image:
    """Return a new image with the poses that the estimator's own scores keep, so labelled.

    Args:
        image_bgr: (H, W, 3) uint8.
        poses: N poses, refined or not.
        raw_threshold: poses whose raw score is at least this are drawn.
        skeleton: what joins the keypoints.
    """
    raw = poses.estimator_scores
    texts = [f"{score:.2f}" for score in raw]
    own = replace(poses, joint_confidence=None, joint_covariance=None)
    return _draw(image_bgr, own, raw, texts, raw >= raw_threshold, skeleton)


def compare(
    image_bgr: Image,
    poses: Poses,
    kept: npt.NDArray[np.bool_],
    skeleton: Skeleton,
    *,
    threshold: float,
    raw_threshold: float,
    ellipses: bool = False,
) -> Image:
    """Return an image twice as wide: the estimator's own choice left, the refined one right.

    Args:
        image_bgr: (H, W, 3) uint8.
        poses: N refined poses.
        kept: (N,) which the refined scores keep.
        skeleton: what joins the keypoints.
        threshold: what the refined scores were held against.
        raw_threshold: the left half shows poses whose raw score is at least this.
        ellipses: as for `draw`, in the right half.
    """
    left = draw_raw(image_bgr, poses, raw_threshold, skeleton)
    right = draw(image_bgr, poses, kept, skeleton, ellipses=ellipses)
    _title(left, f"raw score >= {raw_threshold:.2f}")
    _title(right, f"refined score >= {threshold:.2f}")
    return np.hstack([left, right])


def warn(scene: Image, sentences: Sequence[str]) -> None:
    """Write sentences below the upper edge of a drawn image, in place, as small as they need."""
    line = _line_width(scene)
    style = Style(1.3 * _text_scale(scene), line, 3 * line)
    corner = np.array([2 * line, 2 * line])
    widest = max((style.size(sentence)[0] for sentence in sentences), default=1)
    share = min(1.0, (scene.shape[1] - 4 * line) / widest)
    style = Style(share * style.scale, max(1, int(share * line)), int(share * style.padding))
    for sentence in sentences:
        labels.write(scene, sentence, corner, style, color=WHITE, on=WARNING)
        corner[1] += style.size(sentence)[1]


def score_color(score: float) -> tuple[int, int, int]:
    """Return the colour (red, green, blue) of a score in [0, 1]; others count as the nearest.

    >>> score_color(0.0)
    (165, 0, 38)
    """
    return _ramp()[_bin(score)]


@lru_cache
def _ramp() -> tuple[tuple[int, int, int], ...]:
    """(BINS,) colours from the lowest score to the highest."""
    places = np.linspace(0, len(RAMP_RGB) - 1, BINS)
    channels = [np.interp(places, range(len(RAMP_RGB)), values) for values in RAMP_RGB.T]
    return tuple((int(r), int(g), int(b)) for r, g, b in np.rint(channels).T)


def _bin(score: float) -> int:
    return round(float(np.clip(np.nan_to_num(score), 0, 1)) * (BINS - 1))


def _draw(
    image: Image,
    poses: Poses,
    scores: npt.NDArray[np.float32],
    texts: Sequence[str],
    shown: npt.NDArray[np.bool_],
    skeleton: Skeleton,
) -> Image:
    scene: Image = image.copy()
    # The best on top.
    order = [index for index in np.argsort(scores, kind="stable") if shown[index]]
    for index in order:
        pose, score = poses[int(index)], float(scores[index])
        _skeleton(scene, pose, score, skeleton)
        if pose.joint_covariance is not None:
            _ellipses(scene, pose, score)
    if order:
        _labels(scene, poses[order], scores[order], [texts[index] for index in order])
    return scene


def _skeleton(scene: Image, pose: Poses, score: float, skeleton: Skeleton) -> None:
    """Draw one pose in place.

    A joint is as opaque as its calibrated confidence, a limb as the lower one of its ends. Without
    that, joints that the estimator itself doubts are left out.
    """
    color, confidence = score_color(score)[::-1], pose.joint_confidence
    if confidence is None:
        _lines(scene, pose, skeleton, lambda *joints: color)
        return
    opacity = np.rint(OPAQUE * confidence[0]).astype(int).tolist()
    mask = np.zeros(scene.shape[:2], np.uint8)
    _lines(mask, pose, skeleton, lambda *joints: (min(opacity[joint] for joint in joints),))
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if len(rows):
        part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        share = mask[part][..., None] / np.float32(OPAQUE)
        scene[part] = np.rint((1 - share) * scene[part] + share * np.array(color, np.float32))


def _lines(
    target: npt.NDArray[np.uint8],
    pose: Poses,
    skeleton: Skeleton,
    color_of: Callable[..., Color],
) -> None:
    """Draw limbs and joints in place in the colors that `color_of` gives for one or two joints.

    The same pixels as supervision's annotators, which take ten times as long.
    """
    shown = _shown(pose).tolist()
    # Far outside the image lines end anyway; OpenCV counts in 32 bits.
    points = np.nan_to_num(pose.keypoints[0]).clip(-FAR, FAR).astype(np.int32).tolist()
    width = _line_width(target)
    for first, second in skeleton.links:
        if shown[first] and shown[second]:
            cv2.line(target, points[first], points[second], color_of(first, second), width)
    for joint, point in enumerate(points):
        if shown[joint]:
            cv2.circle(target, point, width + 1, color_of(joint), -1)


def _shown(pose: Poses) -> npt.NDArray[np.bool_]:
    """(K,) the joints of a pose that are drawn."""
    found: npt.NDArray[np.bool_] = np.isfinite(pose.keypoints[0].sum(axis=1))
    if pose.joint_confidence is not None or pose.keypoint_scores is None:
        return found
    return np.asarray(found & (pose.keypoint_scores[0] >= MIN_JOINT_CONFIDENCE))


def _ellipses(scene: Image, pose: Poses, score: float) -> None:
    """Draw in place where each joint of a pose is with a probability of 90 %."""
    import supervision as sv

    points = sv.KeyPoints(
        xy=np.nan_to_num(pose.keypoints).clip(-FAR, FAR),
        visible=_shown(pose)[None],
        data={"covariance": pose.joint_covariance},
    )
    sv.VertexEllipseOutlineAnnotator(
        sigma=ELLIPSE,
        color=sv.Color(*score_color(score)),
        thickness=max(1, _line_width(scene) // 2),
        max_axis=FAR,
    ).annotate(scene, points)


def _labels(scene: Image, poses: Poses, scores: npt.NDArray[np.float32], texts: list[str]) -> None:
    """Write one label above each pose, in place, where labels do not cover each other."""
    line = _line_width(scene)
    style = Style(_text_scale(scene), max(1, line // 2), 2 + line)
    sizes = np.array([style.size(text) for text in texts])
    above = _boxes(poses)[:, :2].astype(int) - sizes * [0, 1]
    corners = labels.place(above, sizes, (scene.shape[1], scene.shape[0]))
    for text, corner, score in zip(texts, corners, scores, strict=True):
        labels.write(scene, text, corner, style, color=BLACK, on=score_color(float(score))[::-1])


def _boxes(poses: Poses) -> npt.NDArray[np.float32]:
    """(N, 4) the estimator's boxes, or those around the joints that were found; all finite."""
    boxes = poses.boxes
    if boxes is None:
        lost = np.isnan(poses.keypoints)
        low = np.where(lost, np.inf, poses.keypoints).min(axis=1)
        high = np.where(lost, -np.inf, poses.keypoints).max(axis=1)
        boxes = np.concatenate([low, high], axis=1)
    return np.nan_to_num(boxes, posinf=0, neginf=0).clip(-FAR, FAR).astype(np.float32)


def _title(scene: Image, text: str) -> None:
    """Write what a half shows, in place, in its lower left corner, where labels are rare."""
    line = _line_width(scene)
    style = Style(1.3 * _text_scale(scene), line, 4 * line)
    margin = np.array([2 * line, scene.shape[0] - style.size(text)[1] - 2 * line])
    labels.write(scene, text, margin, style, color=WHITE, on=BLACK)


def _line_width(scene: Image) -> int:
    return max(1, round(_short_side(scene) / 270))


def _text_scale(scene: Image) -> float:
    return max(0.35, _short_side(scene) / 1200)


def _short_side(scene: Image) -> int:
    height, width = scene.shape[:2]
    return int(min(height, width))
