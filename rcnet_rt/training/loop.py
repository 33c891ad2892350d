"""The training loop: a ranking set in, a network out; deterministic and resumable.

Each epoch seeds itself, so that a resumed run ends with the same weights as an uninterrupted one.
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
from rcnet_rt.training.recorded_steps import RecordedSteps

__all__ = ["Epoch", "score", "train"]

POSES_AT_ONCE = 1024
Step = Callable[..., Tensor]
HIDDEN = {"attention": 16, "mlp": 128, "linear": 1}


@dataclass(frozen=True)
class Epoch:
    """The state after an epoch.

    Attributes:
        number: from 1.
        loss: mean over the steps.
        network: the network that would be kept now.
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
    """Train a network, resuming from the checkpoint if the file exists.

    Args:
        recipe: all settings.
        data: the training poses.
        device: as torch spells it.
        checkpoint: file that is rewritten after every epoch, or None.
        on_epoch: called after every epoch.

    Raises:
        WeightsError: fewer than two poses, an unknown loss, a loss or weights that are not finite,
            or a checkpoint that does not fit.
    """
    criterion = losses.get(recipe.loss, margin=recipe.margin, positive=recipe.positive)
    if len(data) < 2:
        raise WeightsError(f"training needs at least 2 poses, got {len(data)}")
    torch.manual_seed(recipe.seed)
    network = rcnet.on_device(_network(recipe, data), device)
    state = _State(recipe, network)
    done = state.load(checkpoint) if checkpoint is not None and checkpoint.exists() else 0
    columns = _Columns(recipe, data, device)
    step = _step(state, criterion, device)
    kept = state.averaged if recipe.average > 0 else network
    for number in range(done + 1, recipe.epochs_for(len(data)) + 1):
        loss = _epoch(recipe, columns, state, step, number)
        if checkpoint is not None:
            state.save(checkpoint, number)
        if on_epoch is not None:
            on_epoch(Epoch(number, loss, kept.eval()))
    _check_finite(kept, recipe)
    return kept.eval()


def _check_finite(network: Network, recipe: Recipe) -> None:
    """Check that all weights are finite: the last step may diverge after the last loss."""
    if not all(bool(tensor.isfinite().all()) for tensor in network.state_dict().values()):
        raise WeightsError(
            "the trained weights are not finite; use a smaller learning rate than "
            f"{recipe.learning_rate}"
        )


def score(network: Network, data: RankingSet) -> npt.NDArray[np.float64]:
    """Return the (P,) scores in (0, 1) of a ranking set, computed a few images at a time."""
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
    """Return an untrained network that standardizes the features of the training data.

    It does not read features that are constant or unknown there: nothing can be learned of them.
    """
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
    # Constant features keep a deviation of 1, which avoids a division by almost 0.
    varied = spread > 1e-4
    network.standardise.deviation.copy_(torch.tensor(np.where(varied, spread, 1.0)))
    network.ignore(torch.from_numpy(~varied))
    return network


def _groups(recipe: Recipe, network: Network) -> list[dict[str, Any]]:
    """Return the optimizer's parameter groups, each with its peak learning rate."""
    linear = [
        parameter
        for name, parameter in network.named_parameters()
        if recipe.architecture == "linear" or name.startswith("shortcut")
    ]
    chosen = {id(parameter) for parameter in linear}
    others = [parameter for parameter in network.parameters() if id(parameter) not in chosen]
    groups = [(others, recipe.learning_rate), (linear, recipe.linear_learning_rate)]
    return [{"params": some, "lr": rate, "peak": rate} for some, rate in groups if some]


class _Columns:
    """The ranking set on the device, so that a batch is an index."""

    def __init__(self, recipe: Recipe, data: RankingSet, device: str) -> None:
        def tensor(array: npt.NDArray[Any]) -> Tensor:
            return torch.tensor(array, device=device)

        self.starts, self.estimator = data.starts, data.estimator
        self.image, self.baseline = tensor(data.image), tensor(data.baseline)
        self.targets, self.weights = tensor(data.targets), tensor(data.weights)
        self.features = tensor(data.features)
        if recipe.flip:  # the mirrored poses follow
            self.features = torch.cat([self.features, tensor(data.mirrored)])

    def batches(
        self, order: npt.NDArray[np.int64], sizes: list[int], flipped: npt.NDArray[np.int64]
    ) -> Iterator[tuple[Tensor, ...]]:
        """Yield features, baseline logits, image numbers, targets and weights of each step.

        Args:
            order: (P,) rows in the order of the epoch.
            sizes: number of rows of each step.
            flipped: (I,) 1 for mirrored images.
        """
        rows = torch.from_numpy(order).to(self.image.device)
        image = self.image[rows]
        seen = rows + len(rows) * torch.from_numpy(flipped).to(image.device)[image]
        # Small columns are reordered at once, the features step by step.
        others = (self.baseline[rows], image, self.targets[rows], self.weights[rows])
        steps = (torch.split(column, sizes) for column in (seen, *others))
        for step_rows, *rest in zip(*steps, strict=True):
            yield self.features.index_select(0, step_rows), *rest


def _step(state: _State, criterion: Criterion, device: str) -> Step:
    """Return the training step: a batch as `_Columns.batches` yields it -> its detached loss."""

    def step(
        features: Tensor, baseline: Tensor, image: Tensor, targets: Tensor, weights: Tensor
    ) -> Tensor:
        loss = criterion(state.network.logits(features, baseline, image), targets, weights)
        state.descend(loss)
        return loss.detach()

    on_gpu = torch.device(device).type == "cuda"
    recorded = on_gpu and losses.LOSSES[state.recipe.loss].fixed_shapes
    return RecordedSteps(step, device) if recorded else step


def _epoch(recipe: Recipe, columns: _Columns, state: _State, step: Step, number: int) -> float:
    """Train on all images once, in random order; return the mean loss of the steps."""
    seed = recipe.seed * 1_000_003 + number
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    flipped = recipe.flip * random.integers(0, 2, len(columns.starts) - 1)
    order, sizes = _batches(columns.starts, columns.estimator, random, recipe.poses_per_step)
    state.network.train()
    values: list[Tensor] = []
    for batch in columns.batches(order, sizes, flipped):
        state.begin_step()
        values.append(step(*batch))
    mean = float(torch.stack(values).mean())
    if not np.isfinite(mean):
        raise WeightsError(
            f"the loss of epoch {number} is {mean}; use a smaller learning rate than "
            f"{recipe.learning_rate}"
        )
    return mean


def _batches(
    starts: npt.NDArray[np.int64],
    estimator: npt.NDArray[np.int64],
    random: np.random.Generator,
    size: int,
) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Pack whole images, in random order, into batches of about `size` poses of one estimator.

    Scores of several estimators mean different things, so that a batch, and with it a ranking pair,
    never mixes them.

    Returns:
        (P,) rows in that order, and the number of rows of each batch.
    """
    order = random.permutation(len(starts) - 1)
    order = order[np.diff(starts)[order] > 0]  # images without poses make no batch
    order = order[np.argsort(estimator[order], kind="stable")]
    step = (np.cumsum(np.diff(starts)[order]) - 1) // size
    full = np.diff(step, prepend=step[0]) > 0
    other = np.diff(estimator[order], prepend=estimator[order[0]]) > 0
    batch = np.cumsum(full | other)
    if other.any():  # the batches of the estimators take turns at random
        batch = random.permutation(batch[-1] + 1)[batch]
        turn = np.argsort(batch, kind="stable")
        order, batch = order[turn], batch[turn]
    counts = np.diff(starts)[order]
    rows = np.arange(counts.sum()) + np.repeat(starts[order] - (np.cumsum(counts) - counts), counts)
    return rows, np.bincount(batch, counts).astype(np.int64).tolist()


class _State:
    """The state of a run that a checkpoint holds: weights, their moving average, the optimizer."""

    def __init__(self, recipe: Recipe, network: Network) -> None:
        self.recipe, self.network, self.averaged = recipe, network, deepcopy(network)
        groups, on_gpu = _groups(recipe, network), network.head.weight.is_cuda
        if on_gpu:  # a recorded step reads the learning rate from the GPU's memory
            for group in groups:
                group["lr"] = torch.tensor(group["peak"], device=network.head.weight.device)
        self.optimizer = torch.optim.AdamW(
            groups, weight_decay=recipe.weight_decay, fused=True, capturable=on_gpu
        )
        self.steps = 0

    def begin_step(self) -> None:
        """Count a step and set its learning rates."""
        self.steps += 1
        warmup_steps = max(self.recipe.warmup_steps, 1)
        if self.steps > warmup_steps:
            return
        for group in self.optimizer.param_groups:
            rate = self.steps / warmup_steps * group["peak"]
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(rate)
            else:
                group["lr"] = rate

    def descend(self, loss: Tensor) -> None:
        """Update the weights by the gradient of the loss, then their moving average."""
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self.recipe.average > 0:
            decay = self.recipe.average if self.steps > 1 else 0.0  # the first step starts it
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average(list(self.averaged.parameters()), list(self.network.parameters()), None)

    def tensors(self) -> dict[str, Tensor]:
        """Return all tensors by name; a fresh optimizer has none yet."""
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
        """Load a checkpoint; return the number of finished epochs."""
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
