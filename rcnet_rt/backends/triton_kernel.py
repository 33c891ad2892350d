"""The whole step for one frame as a single GPU kernel: packing, features, network, calibration.

One program holds the frame. Features never leave it: the first layer is summed up group by group as
they are computed. The rules are those of `packing`, `baselines`, `features` and `step`, against
which it is held.
"""

# Triton's language has no types that a checker could see, and names its constants in capitals.
# mypy: ignore-errors
# ruff: noqa: E501, E741, N803

from __future__ import annotations

import triton
import triton.language as tl

__all__ = ["refine_frame"]


@triton.jit
def _standard(values, mean_ptr, deviation_ptr, rows, there, CLIP: tl.constexpr):
    """Standardise a group of features (P, C); an unknown one becomes 0."""
    mean = tl.load(mean_ptr + rows, mask=there, other=0.0)
    deviation = tl.load(deviation_ptr + rows, mask=there, other=1.0)
    scaled = (values - mean[None, :]) / deviation[None, :]
    known = tl.where(scaled == scaled, scaled, 0.0)
    return tl.where(there[None, :], tl.minimum(tl.maximum(known, -CLIP), CLIP), 0.0)


@triton.jit
def _add(wide, direct, group, weight_ptr, direct_ptr, rows, there, unit, H: tl.constexpr):
    """Add a group's share (P, C) of the first layer (P, H) and of the direct way to the head (P,)."""
    held = there[:, None] & (unit < H)[None, :]
    weight = tl.load(weight_ptr + rows[:, None] * H + unit[None, :], mask=held, other=0.0)
    straight = tl.load(direct_ptr + rows, mask=there, other=0.0)
    wide += tl.dot(group, weight, input_precision="tf32x3")
    return wide, direct + tl.sum(group * straight[None, :], 1)


@triton.jit
def _layer(values, weight_ptr, bias_ptr, inner, outer, I: tl.constexpr, O: tl.constexpr):
    """A linear layer (P, I) -> (P, O), weights (O, I) as torch keeps them; sizes may be padded."""
    held = (inner < I)[:, None] & (outer < O)[None, :]
    weight = tl.load(weight_ptr + outer[None, :] * I + inner[:, None], mask=held, other=0.0)
    bias = tl.load(bias_ptr + outer, mask=outer < O, other=0.0)
    return tl.dot(values, weight, input_precision="tf32x3") + bias[None, :]


@triton.jit
def _normalised(values, scale_ptr, bias_ptr, unit, H: tl.constexpr):
    """Layer normalisation over the first H units."""
    there = unit < H
    centred = tl.where(there[None, :], values - (tl.sum(values, 1) / H)[:, None], 0.0)
    spread = tl.sqrt(tl.sum(centred * centred, 1) / H + 1e-5)
    scale = tl.load(scale_ptr + unit, mask=there, other=0.0)
    bias = tl.load(bias_ptr + unit, mask=there, other=0.0)
    return centred / spread[:, None] * scale[None, :] + bias[None, :]


@triton.jit
def _logit(value):
    bounded = tl.minimum(tl.maximum(value, 1e-4), 1 - 1e-4)
    return tl.log(bounded) - tl.log(1 - bounded)


@triton.jit
def _sigmoid(value):
    return 1 / (1 + tl.exp(-value))


@triton.jit
def _finite(value):
    return (value - value) == 0


@triton.jit
def _sound(value, LARGEST: tl.constexpr):
    return tl.abs(value) < LARGEST  # NaN is not


@triton.jit
def refine_frame(
    keypoints, scores, joint_scores, boxes, refined, faults, count,
    first, second, mean, deviation, weight, bias, direct,
    in_weight, in_bias, out_weight, out_bias, norm1, norm1_bias,
    up, up_bias, down, down_bias, norm2, norm2_bias,
    middle, middle_bias, head, head_bias, start, width, rise,
    P: tl.constexpr, K: tl.constexpr, L: tl.constexpr, H: tl.constexpr, F: tl.constexpr,
    M: tl.constexpr, KP: tl.constexpr, LP: tl.constexpr, HP: tl.constexpr, FP: tl.constexpr,
    UNIT_A: tl.constexpr, UNIT_B: tl.constexpr, HAS_JOINT_SCORES: tl.constexpr,
    HAS_BOXES: tl.constexpr, FEATURES: tl.constexpr, BASE: tl.constexpr, BASE_SCALE: tl.constexpr,
    ARCHITECTURE: tl.constexpr, RESIDUAL: tl.constexpr, FLOOR: tl.constexpr,
    BELOW_FLOOR: tl.constexpr, CLIP: tl.constexpr, EQUAL: tl.constexpr, CONFIDENT: tl.constexpr,
    LARGEST: tl.constexpr,
):  # fmt: skip
    """Refine `count` poses, at most P. Small sizes are padded to KP, LP, HP, FP, powers of two."""
    row, joint, link, unit = tl.arange(0, P), tl.arange(0, KP), tl.arange(0, LP), tl.arange(0, HP)
    valid = row < count
    joints, links = joint < K, link < L

    # Packing: what was found, what is wrong, what is absent.
    here = valid[:, None] & joints[None, :]
    at = keypoints + (row[:, None] * K + joint[None, :]) * 2
    x, y = tl.load(at, mask=here, other=0.0), tl.load(at + 1, mask=here, other=0.0)
    found = here & (x == x) & (y == y)
    number = tl.where(found, 1.0, 0.0)
    raw = tl.load(scores + row, mask=valid, other=0.0)
    far = (tl.abs(x) >= LARGEST) | (tl.abs(y) >= LARGEST)
    faulty = (_sound(raw, LARGEST) == 0) | (tl.sum(tl.where(far, 1.0, 0.0), 1) > 0)
    sure = number
    if HAS_JOINT_SCORES:
        sure = tl.load(joint_scores + row[:, None] * K + joint[None, :], mask=found, other=0.0)
        sound = _sound(sure, LARGEST)
        faulty = faulty | (tl.sum(tl.where(sound, 0.0, 1.0), 1) > 0)
        sure = tl.where(sound, sure, 0.0)
    found_count = tl.sum(number, 1)
    if HAS_BOXES:
        left, top = (
            tl.load(boxes + row * 4, mask=valid, other=0.0),
            tl.load(boxes + row * 4 + 1, mask=valid, other=0.0),
        )
        right, bottom = (
            tl.load(boxes + row * 4 + 2, mask=valid, other=0.0),
            tl.load(boxes + row * 4 + 3, mask=valid, other=0.0),
        )
        corner = _sound(left, LARGEST) & _sound(top, LARGEST)
        faulty = faulty | ((corner & _sound(right, LARGEST) & _sound(bottom, LARGEST)) == 0)
    else:
        some = found_count > 0
        left = tl.where(some, tl.min(tl.where(found, x, float("inf")), 1), 0.0)
        top = tl.where(some, tl.min(tl.where(found, y, float("inf")), 1), 0.0)
        right = tl.where(some, tl.max(tl.where(found, x, float("-inf")), 1), 0.0)
        bottom = tl.where(some, tl.max(tl.where(found, y, float("-inf")), 1), 0.0)
    score = tl.where(_sound(raw, LARGEST), raw, 0.0)
    below = score < FLOOR
    image_index = tl.where(faulty | below | (valid == 0), -1 - row, 0)

    # Base score.
    confident = tl.where(sure > CONFIDENT, 1.0, 0.0)
    confident_count = tl.sum(confident, 1)
    if BASE == "score_times_joints":
        baseline = score * tl.maximum(found_count - 1, 0.0)
        baseline = tl.log(tl.maximum(baseline / BASE_SCALE, 1e-4))
    else:
        baseline = score
        if BASE == "score_times_confidence":
            baseline = score * (tl.sum(sure * confident, 1) / tl.maximum(confident_count, 1.0))
        baseline = _logit(baseline)

    # Links, by their joints as they lie in memory.
    a, b = tl.load(first + link, mask=links, other=0), tl.load(second + link, mask=links, other=0)
    pairs = valid[:, None] & links[None, :]
    at_a, at_b = (
        keypoints + (row[:, None] * K + a[None, :]) * 2,
        keypoints + (row[:, None] * K + b[None, :]) * 2,
    )
    dx = tl.load(at_a, mask=pairs, other=0.0) - tl.load(at_b, mask=pairs, other=0.0)
    dy = tl.load(at_a + 1, mask=pairs, other=0.0) - tl.load(at_b + 1, mask=pairs, other=0.0)
    known = pairs & _finite(dx) & _finite(dy)
    dx, dy = tl.where(known, dx, 0.0), tl.where(known, dy, 0.0)
    length = tl.sqrt(dx * dx + dy * dy)
    scale_links = tl.where(link == UNIT_A, 1.0, 0.0) + tl.where(link == UNIT_B, 1.0, 0.0)
    unit_count = tl.sum(tl.where(known, 1.0, 0.0) * scale_links[None, :], 1)
    side_x, side_y = right - left, bottom - top
    area = tl.maximum(side_x, 0.0) * tl.maximum(side_y, 0.0)
    mean_length = tl.sum(length * scale_links[None, :], 1) / tl.maximum(unit_count, 1.0)
    size = tl.where(unit_count > 0, mean_length, 0.35 * tl.sqrt(area))
    size = tl.maximum(size, 0.01 * tl.sqrt(side_x * side_x + side_y * side_y))
    size = tl.where(size > 0, size, 1.0)

    # The first layer, group by group of features.
    wide, straight = tl.zeros((P, HP), tl.float32), tl.zeros((P,), tl.float32)
    rows = link * 2
    group = _standard(dx / size[:, None], mean, deviation, rows, links, CLIP)
    wide, straight = _add(wide, straight, group, weight, direct, rows, links, unit, H)
    rows = link * 2 + 1
    group = _standard(dy / size[:, None], mean, deviation, rows, links, CLIP)
    wide, straight = _add(wide, straight, group, weight, direct, rows, links, unit, H)
    rows = link + 2 * L
    group = _standard(length / size[:, None], mean, deviation, rows, links, CLIP)
    wide, straight = _add(wide, straight, group, weight, direct, rows, links, unit, H)
    rows = joint + 3 * L
    group = _standard(sure, mean, deviation, rows, joints, CLIP)
    wide, straight = _add(wide, straight, group, weight, direct, rows, joints, unit, H)
    if FEATURES > 0:
        more = tl.arange(0, 16)
        extra = tl.where(more[None, :] == 0, score[:, None], 0.0)
        if FEATURES > 1:
            log_x, log_y = tl.log(tl.maximum(side_x, 1e-3)), tl.log(tl.maximum(side_y, 1e-3))
            log_size = 0.5 * (log_x + log_y)
            most = tl.maximum(found_count, 1.0)
            mean_sure = tl.sum(sure, 1) / most
            off = tl.where(found, sure - mean_sure[:, None], 0.0)
            logs = tl.where(found, tl.log(tl.maximum(sure, 1e-3)), 0.0)
            same = image_index[:, None] == image_index[None, :]
            higher = same & (baseline[None, :] > baseline[:, None] + EQUAL)
            across = tl.minimum(right[:, None], right[None, :]) - tl.maximum(
                left[:, None], left[None, :]
            )
            down_ = tl.minimum(bottom[:, None], bottom[None, :]) - tl.maximum(
                top[:, None], top[None, :]
            )
            shared = tl.maximum(across, 0.0) * tl.maximum(down_, 0.0)
            union = tl.maximum(area[:, None] + area[None, :] - shared, 1e-6)
            overlap = tl.max(tl.where(higher, shared / union, 0.0), 1)
            highest = tl.max(tl.where(same, baseline[None, :], float("-inf")), 1)
            extra = tl.where(more[None, :] == 1, baseline[:, None], extra)
            extra = tl.where(more[None, :] == 2, log_size[:, None], extra)
            extra = tl.where(more[None, :] == 3, (log_y - log_x)[:, None], extra)
            extra = tl.where(more[None, :] == 4, (tl.log(size) - log_size)[:, None], extra)
            extra = tl.where(more[None, :] == 5, (found_count / K)[:, None], extra)
            extra = tl.where(more[None, :] == 6, (confident_count / K)[:, None], extra)
            extra = tl.where(more[None, :] == 7, mean_sure[:, None], extra)
            extra = tl.where(
                more[None, :] == 8, tl.min(tl.where(found, sure, 1.0), 1)[:, None], extra
            )
            extra = tl.where(
                more[None, :] == 9, tl.sqrt(tl.sum(off * off, 1) / most)[:, None], extra
            )
            extra = tl.where(more[None, :] == 10, (tl.sum(logs, 1) / most)[:, None], extra)
            extra = tl.where(more[None, :] == 11, overlap[:, None], extra)
            extra = tl.where(
                more[None, :] == 12,
                tl.log(1 + tl.sum(tl.where(higher, 1.0, 0.0), 1))[:, None],
                extra,
            )
            extra = tl.where(
                more[None, :] == 13, tl.log(tl.sum(tl.where(same, 1.0, 0.0), 1))[:, None], extra
            )
            extra = tl.where(more[None, :] == 14, (baseline - highest)[:, None], extra)
        there = more < (1 if FEATURES == 1 else 15)
        rows = more + 3 * L + K
        group = _standard(extra, mean, deviation, rows, there, CLIP)
        wide, straight = _add(wide, straight, group, weight, direct, rows, there, unit, H)

    # The network.
    wide += tl.load(bias + unit, mask=unit < H, other=0.0)[None, :]
    if ARCHITECTURE == "mlp":
        wide = tl.maximum(_layer(tl.maximum(wide, 0.0), middle, middle_bias, unit, unit, H, H), 0.0)
    if ARCHITECTURE == "attention":
        query = _layer(wide, in_weight, in_bias, unit, unit, H, H)
        key = _layer(wide, in_weight + H * H, in_bias + H, unit, unit, H, H)
        value = _layer(wide, in_weight + 2 * H * H, in_bias + 2 * H, unit, unit, H, H)
        likeness = tl.dot(query, tl.trans(key), input_precision="tf32x3") * (H**-0.5)
        likeness = tl.where(image_index[:, None] == image_index[None, :], likeness, float("-inf"))
        share = tl.exp(likeness - tl.max(likeness, 1)[:, None])
        share = share / tl.sum(share, 1)[:, None]
        seen = tl.dot(share, value, input_precision="tf32x3")
        seen = _layer(seen, out_weight, out_bias, unit, unit, H, H)
        wide = _normalised(wide + seen, norm1, norm1_bias, unit, H)
        forward = tl.zeros((P, HP), tl.float32)
        for begin in range(0, F, FP):
            part = begin + tl.arange(0, FP)
            inner = tl.maximum(_layer(wide, up, up_bias, unit, part, H, F), 0.0)
            held = (part < F)[:, None] & (unit < H)[None, :]
            back = tl.load(down + unit[None, :] * F + part[:, None], mask=held, other=0.0)
            forward += tl.dot(inner, back, input_precision="tf32x3")
        forward += tl.load(down_bias + unit, mask=unit < H, other=0.0)[None, :]
        wide = _normalised(wide + forward, norm2, norm2_bias, unit, H)
    last = tl.load(head + unit, mask=unit < H, other=0.0)
    logit = straight + tl.sum(wide * last[None, :], 1) + tl.load(head_bias)
    if RESIDUAL:
        logit += baseline
    result = _sigmoid(logit)

    # Calibration, floor, faults.
    knot = tl.arange(0, M)
    inside = (result[:, None] - tl.load(start + knot)[None, :]) / tl.load(width + knot)[None, :]
    inside = tl.minimum(tl.maximum(inside, 0.0), 1.0)
    result = tl.sum(inside * tl.load(rise + knot)[None, :], 1)
    result = tl.minimum(tl.maximum(result, 0.0), 1.0)
    if FLOOR > 0:
        low = tl.maximum(score, 0.0) * (BELOW_FLOOR / FLOOR)
        result = tl.where(below, low, BELOW_FLOOR + (1 - BELOW_FLOOR) * result)
    own = tl.minimum(tl.maximum(tl.where(raw == raw, raw, 0.0), 0.0), 1.0)
    tl.store(refined + row, tl.where(faulty, own, result), mask=valid)
    tl.store(faults + row, faulty, mask=valid)
