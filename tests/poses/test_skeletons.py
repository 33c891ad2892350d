from dataclasses import replace

import pytest

from rcnet_rt import SkeletonError
from rcnet_rt.poses import skeletons
from rcnet_rt.poses.skeletons import COCO17, CROWDPOSE14, CROWDPOSE14_TORSO


@pytest.mark.parametrize(("skeleton", "joints", "links"), [(COCO17, 17, 19), (CROWDPOSE14, 14, 15)])
def test_sizes(skeleton, joints, links):
    assert (len(skeleton.keypoints), len(skeleton.sigmas), len(skeleton.links)) == (
        joints,
        joints,
        links,
    )


@pytest.mark.parametrize("skeleton", [COCO17, CROWDPOSE14])
def test_flip_pairs_are_left_and_right_of_the_same_joint(skeleton):
    for left, right in skeleton.flip_pairs:
        assert skeleton.keypoints[left] == skeleton.keypoints[right].replace("right", "left")
    order = skeleton.flip_order
    assert [order[i] for i in order] == list(range(len(order)))


@pytest.mark.parametrize("skeleton", [COCO17, CROWDPOSE14])
def test_the_torso_joins_shoulders_and_hips(skeleton):
    sides = [{skeleton.keypoints[joint] for joint in skeleton.links[i]} for i in skeleton.torso]
    assert sides == [{f"{side}_shoulder", f"{side}_hip"} for side in ("left", "right")]


def test_dekr_measures_crowdpose_by_a_leg():
    links = [CROWDPOSE14.links[index] for index in CROWDPOSE14.unit]
    names = [[CROWDPOSE14.keypoints[joint] for joint in link] for link in links]
    assert names == [["left_hip", "left_knee"], ["left_knee", "left_ankle"]]


def test_crowdpose_by_the_torso_differs_in_nothing_else():
    assert CROWDPOSE14_TORSO.unit == CROWDPOSE14.torso
    assert skeletons.get("crowdpose14-torso") is CROWDPOSE14_TORSO
    assert replace(CROWDPOSE14_TORSO, name="crowdpose14", unit_links=(9, 11)) == CROWDPOSE14


def test_sigmas_are_those_of_pycocotools():
    params = pytest.importorskip("pycocotools.cocoeval").Params(iouType="keypoints")
    assert list(COCO17.sigmas) == pytest.approx(params.kpt_oks_sigmas.tolist())


def test_your_own_skeleton_can_be_registered(monkeypatch):
    monkeypatch.setattr(skeletons, "_registered", dict(skeletons._registered))
    mine = replace(COCO17, name="mine")
    assert skeletons.get(skeletons.register(mine).name) is mine
    skeletons.register(mine)
    with pytest.raises(SkeletonError, match="choose another name"):
        skeletons.register(replace(mine, links=COCO17.links[::-1]))


@pytest.mark.parametrize(
    "fault",
    [{"sigmas": (0.1,)}, {"links": ((0, 17),)}, {"torso": (0, 19)}, {"flip_pairs": ((0, -1),)}],
)
def test_faulty_skeletons_are_refused(fault):
    with pytest.raises(SkeletonError):
        replace(COCO17, **fault)


def test_an_unknown_name_lists_the_known():
    with pytest.raises(SkeletonError, match="coco17, crowdpose14"):
        skeletons.get("coco133")
