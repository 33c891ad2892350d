"""The training loop: a ranking set in, a network out. Flat, deterministic, resumable.

Nothing random depends on the past: each epoch seeds itself, so that a run which was interrupted and
resumed ends with the same weights as one that was not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from rcnet_rt.errors import WeightsError
from rcnet_rt.files.writing import write_atomically
from rcnet_rt.models import rcnet
from rcnet_rt.models.rcnet import Network
from rcnet_rt.rescoring.network_config import NetworkConfig
from rcnet_rt.training import losses
from rcnet_rt.training.config import Recipe
from rcnet_rt.training.dataset import RankingSet
from rcnet_rt.training.losses import Criterion

__all__ = ["Epoch", "score", "train"]

POSES_AT_ONCE = 1024
HIDDEN = {"attention": 16, "mlp": 128, "linear": 1}


@dataclass(frozen=True)
class Epoch:
    """What an epoch ended with.

    Attributes:
        number: from 1.
        loss: mean over the steps.
        network: the network as it would be kept now.
    """

    number: int
    loss: float
    network: Network


def train(
    recipe: Recipe,
    data: RankingSet,
    *,
    device: str = "cpu",
    checkpoint: Path | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> Network:
    """Train a network; go on from the checkpoint where there is one.

    Args:
        recipe: every choice.
        data: the poses to learn from.
        device: as torch spells it.
        checkpoint: file that is rewritten after every epoch, or None.
        on_epoch: called after every epoch.

    Raises:
        WeightsError: nothing to learn from, an unknown loss, one that is not finite, or a
            checkpoint that does not fit.
    """
    criterion = losses.get(recipe.loss, margin=recipe.margin, positive=recipe.positive)
    if len(data) < 2:
        raise WeightsError(f"training needs at least 2 poses, got {len(data)}")
    torch.manual_seed(recipe.seed)
    network = rcnet.on_device(_network(recipe, data), device)
    state = _State(recipe, network)
    done = state.load(checkpoint) if checkpoint is not None and checkpoint.exists() else 0
    columns = _Columns(recipe, data, device)
    kept = state.averaged if recipe.average > 0 else network
    for number in range(done + 1, recipe.epochs + 1):
        loss = _epoch(recipe, columns, state, criterion, number)
        if checkpoint is not None:
            state.save(checkpoint, number)
        if on_epoch is not None:
            on_epoch(Epoch(number, loss, kept.eval()))
    return kept.eval()


def score(network: Network, data: RankingSet) -> npt.NDArray[np.float64]:
    """Return (P,) scores of a ranking set, a few images at a time."""
    device = network.head.weight.device
    scores = np.zeros(len(data))
    ends = data.starts[1:]
    step = (ends - 1) // POSES_AT_ONCE
    with torch.inference_mode():
        for images in np.split(np.arange(len(ends)), np.flatnonzero(np.diff(step)) + 1):
            rows = slice(data.starts[images[0]], data.starts[images[-1] + 1])
            columns = (data.features[rows], data.baseline[rows], data.image[rows])
            batch = [torch.as_tensor(column, device=device) for column in columns]
            scores[rows] = network(*batch).cpu().numpy()
    return scores


def _network(recipe: Recipe, data: RankingSet) -> Network:
    config = NetworkConfig(
        feature_count=data.features.shape[1],
        architecture=recipe.architecture,
        output=recipe.output,
        hidden=recipe.hidden or HIDDEN[recipe.architecture],
        feedforward=recipe.feedforward,
        dropout=recipe.dropout,
        input_dropout=recipe.input_dropout,
        shortcut=recipe.shortcut and recipe.architecture == "attention",
    )
    network = rcnet.build(config)
    both = np.concatenate([data.features, data.mirrored]) if recipe.flip else data.features
    counts = np.isfinite(both).sum(axis=0)
    mean = np.where(counts > 0, np.nansum(both, axis=0) / np.maximum(counts, 1), 0.0)
    spread = np.sqrt(np.nansum((both - mean) ** 2, axis=0) / np.maximum(counts, 1))
    network.standardise.mean.copy_(torch.tensor(mean))
    # A feature that never changes says nothing; a deviation of 1 keeps it from being blown up.
    network.standardise.deviation.copy_(torch.tensor(np.where(spread > 1e-4, spread, 1.0)))
    return network


def _groups(recipe: Recipe, network: Network) -> list[dict[str, Any]]:
    """Parameters by their peak learning rate."""
    linear = [
        parameter
        for name, parameter in network.named_parameters()
        if recipe.architecture == "linear" or name.startswith("shortcut")
    ]
    chosen = {id(parameter) for parameter in linear}
    others = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    groups = [(others, recipe.learning_rate), (linear, recipe.linear_learning_rate)]
    return [{"params": some, "lr": rate, "peak": rate} for some, rate in groups if some]


def _vector(parameters: list[nn.Parameter]) -> nn.Parameter:
    """Make parameters parts of one vector: one call steps all of them."""
    vector = nn.Parameter(torch.cat([parameter.detach().ravel() for parameter in parameters]))
    start = 0
    for parameter in parameters:
        place = slice(start, start + parameter.numel())
        parameter.data = vector.detach()[place].view_as(parameter)
        start = place.stop
    return vector


class _Columns:
    """The ranking set on the device, so that a batch is an index."""

    def __init__(self, recipe: Recipe, data: RankingSet, device: str) -> None:
        def tensor(array: npt.NDArray[Any]) -> Tensor:
            return torch.tensor(array, device=device)

        self.starts = data.starts
        self.image, self.baseline = tensor(data.image), tensor(data.baseline)
        self.targets, self.weights = tensor(data.targets), tensor(data.weights)
        self.features = tensor(data.features)
        if recipe.flip:  # the mirrored poses follow
            self.features = torch.cat([self.features, tensor(data.mirrored)])

    def batches(
        self, order: npt.NDArray[np.int64], sizes: list[int], flipped: npt.NDArray[np.int64]
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield features, base, image, targets and weights of each step.

        Args:
            order: (P,) rows as they come.
            sizes: how many of them each step takes.
            flipped: (I,) 1 for the images that are seen in the mirror.
        """
        rows = torch.from_numpy(order).to(self.image.device)
        image = self.image[rows]
        seen = rows + len(rows) * torch.from_numpy(flipped).to(image.device)[image]
        # What is small is put in order at once; of the features only a step's are, at its turn.
        others = (self.baseline[rows], image, self.targets[rows], self.weights[rows])
        steps = (torch.split(column, sizes) for column in (seen, *others))
        for place, *rest in zip(*steps, strict=True):
            yield self.features.index_select(0, place), *rest


def _epoch(
    recipe: Recipe, columns: _Columns, state: _State, criterion: Criterion, number: int
) -> float:
    """Go once over all images in a random order; return the mean loss of the steps."""
    seed = recipe.seed * 1_000_003 + number
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    flipped = recipe.flip * random.integers(0, 2, len(columns.starts) - 1)
    order, sizes = _batches(columns.starts, random, recipe.poses_per_step)
    network = state.network.train()
    values: list[Tensor] = []
    for features, baseline, image, targets, weights in columns.batches(order, sizes, flipped):
        loss = criterion(network.logits(features, baseline, image), targets, weights)
        state.step(loss)
        values.append(loss.detach())
    mean = float(torch.stack(values).mean())
    if not np.isfinite(mean):
        raise WeightsError(
            f"the loss of epoch {number} is {mean}; use a smaller learning rate than "
            f"{recipe.learning_rate}"
        )
    return mean


def _batches(
    starts: npt.NDArray[np.int64], random: np.random.Generator, size: int
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Put whole images in a random order, packed until there are `size` poses.

    Returns:
        (P,) rows in that order, and how many of them each step takes.
    """
    order = random.permutation(len(starts) - 1)
    order = order[np.diff(starts)[order] > 0]  # what has no poses makes no step
    counts = np.diff(starts)[order]
    ends = np.cumsum(counts)
    rows = np.arange(ends[-1]) + np.repeat(starts[order] - (ends - counts), counts)
    last = np.append(np.flatnonzero(np.diff((ends - 1) // size)), len(ends) - 1)
    return rows, np.diff(ends[last], prepend=0).tolist()


class _State:
    """What an interrupted run needs to go on: weights, their running mean, the optimizer."""

    def __init__(self, recipe: Recipe, network: Network) -> None:
        self.recipe, self.network, self.averaged = recipe, network, deepcopy(network)
        groups = _groups(recipe, network)
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        self.vectors = [_vector(group["params"]) for group in groups]
        for group, vector in zip(groups, self.vectors, strict=True):
            group["params"] = [vector]
        self.means = [_vector(group["params"]) for group in _groups(recipe, self.averaged)]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay, fused=True)
        self.steps = 0

    def step(self, loss: Tensor) -> None:
        self.steps += 1
        warmth = min(1.0, self.steps / max(self.recipe.warmup_steps, 1))
        for group in self.optimizer.param_groups:
            group["lr"] = warmth * group["peak"]
        gradients = torch.autograd.grad(loss, self.parameters)
        whole = torch.cat([gradient.ravel() for gradient in gradients])
        parts = torch.split(whole, [len(vector) for vector in self.vectors])
        for vector, part in zip(self.vectors, parts, strict=True):
            vector.grad = part
        self.optimizer.step()
        if self.recipe.average > 0:
            # The first step starts the running mean.
            decay = self.recipe.average if self.steps > 1 else 0.0
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average(self.means, self.vectors, None)

    def tensors(self) -> dict[str, Tensor]:
        """Name every tensor; those of a fresh optimizer are not there yet."""
        named = {f"network.{name}": value for name, value in self.network.state_dict().items()}
        named |= {f"averaged.{name}": value for name, value in self.averaged.state_dict().items()}
        for index, values in self.optimizer.state_dict()["state"].items():
            named |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
        return {name: value.detach().contiguous().clone() for name, value in named.items()}

    def save(self, path: Path, epoch: int) -> None:
        from safetensors.torch import save

        path.parent.mkdir(parents=True, exist_ok=True)
        metadata = {"epoch": str(epoch), "steps": str(self.steps)}
        write_atomically(path, save(self.tensors(), metadata))

    def load(self, path: Path) -> int:
        """Take up a checkpoint; return the epochs that it has behind it."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                metadata = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            self._load_module(self.network, "network.", tensors)
            self._load_module(self.averaged, "averaged.", tensors)
            self._load_optimizer(tensors)
            self.steps = int(metadata["steps"])
            return int(metadata["epoch"])
        except (SafetensorError, OSError, KeyError, RuntimeError, ValueError) as error:
            raise WeightsError(
                f"checkpoint {path} does not fit this run ({str(error).splitlines()[0]}); resume "
                "with the options that it was started with, or train without --resume"
            ) from error

    @staticmethod
    def _load_module(module: nn.Module, prefix: str, tensors: dict[str, Tensor]) -> None:
        module.load_state_dict(
            {n.removeprefix(prefix): t for n, t in tensors.items() if n.startswith(prefix)}
        )

    def _load_optimizer(self, tensors: dict[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimizer."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = tensor
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})
