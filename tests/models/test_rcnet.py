import pytest
import torch
from torch import nn

from rcnet_rt import RCNet, ScoreNet, WeightsError
from rcnet_rt.models import rcnet
from rcnet_rt.rescoring.network_config import NetworkConfig
from tests.helpers.networks import KINDS, random_weights


def parameters(network):
    return sum(parameter.numel() for parameter in network.parameters())


def test_parameter_counts_are_the_papers():
    assert parameters(RCNet.for_skeleton("coco17", features="paper")) == 69_985
    assert parameters(RCNet.for_skeleton("crowdpose14")) == 69_745
    assert parameters(ScoreNet.for_skeleton("coco17")) == 85_249
    assert parameters(ScoreNet.for_skeleton("crowdpose14")) == 81_409


def batch(count, features, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(count, features, generator=generator),
        torch.randn(count, generator=generator),
    )


@pytest.mark.parametrize(("architecture", "feature_set"), KINDS)
def test_packed_images_give_the_numbers_of_one_by_one(architecture, feature_set):
    network = rcnet.from_weights(random_weights(architecture, feature_set))
    features, baseline = batch(30, network.config.feature_count)
    image_index = torch.tensor([0] * 1 + [1] * 9 + [2] * 20)
    together = network(features, baseline, image_index)
    for number in range(3):
        rows = image_index == number
        alone = network(features[rows], baseline[rows], image_index[rows])
        torch.testing.assert_close(together[rows], alone, rtol=0, atol=1e-6)


def test_attention_lets_poses_of_a_image_see_each_other():
    network = rcnet.from_weights(random_weights())
    features, baseline = batch(4, 75)
    before = network(features, baseline, torch.zeros(4))
    features[3] += 2
    after = network(features, baseline, torch.zeros(4))
    assert (before[:3] - after[:3]).abs().max() > 1e-4


def test_rcnet_equals_torchs_own_layer_per_image():
    network = RCNet.for_skeleton("coco17").eval()
    features, baseline = batch(7, 75)
    layer = nn.TransformerEncoderLayer(16, 1, batch_first=True).eval()
    layer.load_state_dict(network.encoder.state_dict())
    expected = torch.sigmoid(network.head(layer(network.phi(features)[None])[0]).squeeze(-1))
    torch.testing.assert_close(network(features, baseline, torch.zeros(7)), expected)


@pytest.mark.parametrize("kind", [RCNet, ScoreNet])
def test_a_fresh_residual_network_says_the_base(kind):
    network = kind.for_skeleton("coco17", output="residual").eval()
    features, baseline = batch(5, network.config.feature_count)
    torch.testing.assert_close(network(features, baseline, torch.zeros(5)), torch.sigmoid(baseline))


def test_a_plain_network_does_not_read_the_base():
    network = RCNet.for_skeleton("coco17").eval()
    features, baseline = batch(5, 75)
    same = network(features, baseline + 3, torch.zeros(5))
    torch.testing.assert_close(network(features, baseline, torch.zeros(5)), same)


def test_an_unknown_feature_is_the_training_mean():
    network = rcnet.from_weights(random_weights("linear", "full"))
    features, baseline = batch(3, 89)
    features[:, 4] = network.standardise.mean[4]
    expected = network(features, baseline, torch.zeros(3))
    features[:, 4] = float("nan")
    torch.testing.assert_close(network(features, baseline, torch.zeros(3)), expected)


def test_no_poses_give_no_scores():
    for architecture, feature_set in KINDS:
        network = rcnet.from_weights(random_weights(architecture, feature_set))
        features, baseline = batch(0, network.config.feature_count)
        assert network(features, baseline, torch.zeros(0)).shape == (0,)


def test_bad_options_are_told():
    with pytest.raises(WeightsError, match="architecture"):
        NetworkConfig(75, "tree")
    with pytest.raises(WeightsError, match="no such option"):
        RCNet.for_skeleton("coco17", depth=3)


def test_a_training_step_learns_what_torchs_own_layer_would():
    network = RCNet.for_skeleton("coco17", dropout=0.0, feedforward=32).train()
    features, baseline = batch(7, 75)
    layer = nn.TransformerEncoderLayer(16, 1, 32, dropout=0.0, batch_first=True)
    layer.load_state_dict(network.encoder.state_dict())
    image_index = torch.tensor([0, 0, 0, 1, 1, 2, 2])
    apart = image_index[:, None] != image_index[None, :]
    expected = network.head(layer(network.phi(features)[None], src_mask=apart)[0]).squeeze(-1)
    expected.sigmoid().square().sum().backward()
    network.zero_grad()
    network(features, baseline, image_index).square().sum().backward()
    for name, parameter in layer.named_parameters():
        mine = network.encoder.get_parameter(name).grad
        torch.testing.assert_close(mine, parameter.grad, rtol=1e-4, atol=1e-6)
