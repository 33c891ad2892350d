"""Labels stand inside the scene and, where there is room, beside each other."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rcnet_rt.video.labels import Style, place, write

SCENE = (200, 400)


def overlaps(corners: np.ndarray, sizes: np.ndarray) -> int:
    count = 0
    for i in range(len(corners)):
        for j in range(i):
            low = np.maximum(corners[i], corners[j])
            high = np.minimum(corners[i] + sizes[i], corners[j] + sizes[j])
            count += int((high > low).all())
    return count


@given(
    st.integers(0, 9).flatmap(lambda n: arrays(np.int64, (n, 2), elements=st.integers(-50, 500)))
)
def test_labels_of_one_height_never_cover_each_other_where_there_is_room(
    wanted: np.ndarray,
) -> None:
    sizes = np.tile([60, 20], (len(wanted), 1))
    corners = place(wanted, sizes, SCENE)
    assert (corners >= 0).all()
    assert (corners + sizes <= SCENE).all()
    assert overlaps(corners, sizes) == 0
    if len(wanted):  # the last gets its place first
        np.testing.assert_array_equal(corners[-1], np.clip(wanted[-1], 0, [140, 380]))
    before = wanted.copy()
    np.testing.assert_array_equal(corners, place(wanted, sizes, SCENE))
    np.testing.assert_array_equal(wanted, before)


def test_a_label_stays_where_nothing_is_free() -> None:
    wanted, sizes = np.zeros((3, 2), int), np.tile([500, 150], (3, 1))
    corners = place(wanted, sizes, SCENE)
    assert corners.tolist() == [[0, 0], [0, 150], [0, 0]]


def test_writing() -> None:
    scene = np.zeros((60, 200, 3), np.uint8)
    style = Style(scale=0.5, width=1, padding=3)
    write(scene, "0.5", np.array([10, 20]), style, color=(0, 0, 0), on=(1, 2, 3))
    width, height = style.size("0.5")
    covered = scene[20 : 20 + height + 1, 10 : 10 + width + 1]
    assert set(map(tuple, covered.reshape(-1, 3))) >= {(1, 2, 3), (0, 0, 0)}
    scene[20 : 20 + height + 1, 10 : 10 + width + 1] = 0
    assert not scene.any()
