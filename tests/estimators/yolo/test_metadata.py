"""Layouts of outputs from the metadata of exports."""

from __future__ import annotations

from typing import Any

import pytest

from rcnet_rt.errors import EstimatorError
from rcnet_rt.estimators.yolo.head import Head
from rcnet_rt.estimators.yolo.metadata import head_of

PERSON = {"task": "pose", "names": {0: "person"}, "kpt_shape": [17, 3]}
TEXT = {"task": "pose", "names": "{0: 'cat', 1: 'dog'}", "kpt_shape": "[14, 2]", "stride": "64"}


@pytest.mark.parametrize(
    ("metadata", "head"),
    [
        (PERSON, Head(1, 17, 3, False, 32)),
        (TEXT, Head(2, 14, 2, False, 64)),
        ({**PERSON, "end2end": True}, Head(end2end=True)),
        ({**TEXT, "end2end": "True"}, Head(2, 14, 2, True, 64)),
        ({**TEXT, "end2end": "False", "args": "{'nms': True}"}, Head(2, 14, 2, True, 64)),
    ],
)
def test_layouts(metadata: dict[str, Any], head: Head) -> None:
    assert head_of(metadata, "x") == head


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({}, "x has no metadata task, names, kpt_shape, which tell"),
        ({"task": "pose", "names": {}}, "x has no metadata kpt_shape"),
        ({"task": "detect", "names": {}}, "x is a model for the task 'detect', not 'pose'; use a"),
        ({**PERSON, "kpt_shape": [17, 4]}, r"metadata of x cannot be read: kpt_shape is \(17, 4\)"),
        ({**PERSON, "kpt_shape": [0, 3]}, "cannot be read: kpt_shape"),
        ({**PERSON, "kpt_shape": [17]}, "metadata of x cannot be read: .*; export it again"),
        ({**PERSON, "names": "exit()"}, "metadata of x cannot be read"),
        ({**PERSON, "stride": "many"}, "metadata of x cannot be read"),
    ],
)
def test_metadata_that_cannot_be_used(metadata: dict[str, Any], message: str) -> None:
    with pytest.raises(EstimatorError, match=message):
        head_of(metadata, "x")
