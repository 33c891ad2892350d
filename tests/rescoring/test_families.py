"""Which weights `auto` takes for a family of estimators."""

import pytest

from rcnet_rt.rescoring import weights_io
from rcnet_rt.rescoring.families import GROUPS, SHIPPED, weights_for
from rcnet_rt.workflows.scoring import shipped_weights


@pytest.mark.parametrize("group", GROUPS)
def test_a_family_belongs_to_one_group(group):
    families = [*GROUPS[group].trained_on, *GROUPS[group].untested]
    others = [name for name in GROUPS if name != group]
    for family in families:
        assert weights_for(family, [GROUPS[group].weights]) == GROUPS[group].weights
        assert weights_for(family, [GROUPS[name].weights for name in others]) == "generic"


def test_weights_of_its_own_come_before_those_of_the_group():
    shipped = ["bottom-up", "lightweight-openpose", "generic"]
    assert weights_for("lightweight-openpose", shipped) == "lightweight-openpose"
    assert weights_for("posenet", shipped) == "bottom-up"
    assert weights_for("never heard of", shipped) == "generic"


def test_every_installation_has_the_weights_that_are_listed():
    assert sorted(weights_io.available()) == list(SHIPPED) == sorted(SHIPPED)


def test_the_weights_of_every_group_are_shipped():
    shipped = weights_io.available()
    assert {group.weights for group in GROUPS.values()} <= shipped.keys()
    assert shipped_weights("movenet") == "top-down"
