"""One table of what may be known of a pose, and what derives from it."""

from dataclasses import fields

from rcnet_rt.poses.fields import FIELDS, INPUTS, SIGNALS, shape_of
from rcnet_rt.poses.poses import Poses
from rcnet_rt.rescoring.batch import PoseBatch
from rcnet_rt.rescoring.inputs import ARRAYS, PoseInputs


def test_poses_have_the_fields_of_the_table_and_an_image_size():
    assert {field.name for field in fields(Poses)} == {f.name for f in FIELDS} | {"image_size"}


def test_inputs_have_the_fields_of_the_table_in_its_order():
    assert PoseInputs._fields == (*ARRAYS, "image_size", "reference")
    assert (*(field.name for field in INPUTS), "image_index") == ARRAYS


def test_a_batch_has_every_input():
    assert {field.name for field in INPUTS} <= {field.name for field in fields(PoseBatch)}


def test_signals_are_inputs_that_may_be_unknown():
    signals = [field for field in INPUTS if field.name in SIGNALS]
    assert len(signals) == len(SIGNALS)
    assert all(field.may_be_unknown and field.file_name for field in signals)


def test_joint_estimates_are_outputs_that_rescoring_never_reads():
    outputs = {field.name for field in FIELDS if not field.is_input}
    assert {"joint_confidence", "joint_covariance"} <= outputs


def test_shapes():
    shapes = {field.name: shape_of(field, joints=14, embedding_size=5) for field in FIELDS}
    assert shapes["keypoints"] == (14, 2)
    assert shapes["keypoint_scores"] == (14,)
    assert shapes["embeddings"] == (5,)
    assert shapes["track_ids"] == ()
    assert shapes["joint_covariance"] == (14, 2, 2)
