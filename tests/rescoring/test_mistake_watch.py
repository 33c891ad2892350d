"""The watch for likely mistakes of a caller."""

import warnings

import numpy as np
import pytest
import torch

from rcnet_rt.errors import PosesWarning
from rcnet_rt.rescoring.inputs import PoseInputs
from rcnet_rt.rescoring.mistake_watch import MistakeWatch
from rcnet_rt.rescoring.score_convention import expected_by
from rcnet_rt.rescoring.weights_io import find


class OnGpu(torch.Tensor):
    """A tensor that NumPy cannot read, like one on a GPU, until it is copied to the host."""

    def __array__(self, *arguments, **options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def numpy(self, *arguments, **options):
        raise TypeError("can't convert cuda:0 device type tensor to numpy")

    def cpu(self):
        return self.as_subclass(torch.Tensor)


def test_scores_refined_on_a_gpu_are_known_when_they_come_back():
    watch = MistakeWatch(expected_by(find("yolo-pose")))
    rng = np.random.default_rng(0)
    raw, refined = rng.random((2, 5), np.float32)
    on_gpu = torch.tensor(refined).as_subclass(OnGpu)
    with pytest.raises(TypeError, match="cuda"):
        np.asarray(on_gpu, np.float32)
    watch.returned(raw, on_gpu)
    joints = rng.random((5, 17, 3), np.float32) * (200, 200, 1)
    inputs = PoseInputs(joints[..., :2], refined, joints[..., 2])
    with pytest.warns(PosesWarning, match="returned by this Refiner"):
        watch.look(inputs, None, refined, "warn")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watch.look(inputs._replace(scores=raw), None, raw, "warn")
