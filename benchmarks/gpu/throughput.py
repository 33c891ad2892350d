"""Throughput in bulk: the network alone, and the whole step, in frames of 20 poses.

The paper: 0.225 µs a pose on an RTX 3090, of the network alone.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from benchmarks.common import Results
from benchmarks.gpu.measuring import Deadline, attempt, on_device, seconds_of
from benchmarks.gpu.people import people
from benchmarks.gpu.steps import MAIN, shipped
from rcnet_rt.backends.torch import TorchBackend
from rcnet_rt.models import rcnet
from rcnet_rt.models.rcnet import RCNet
from rcnet_rt.refiner import Refiner
from rcnet_rt.rescoring.inputs import join
from rcnet_rt.rescoring.weights import Weights

__all__ = ["PAPER", "batched_scores", "measure"]

PAPER = 0.225  # µs a pose
FRAME = 20
SIZES = (1_000, 10_000, 100_000, 1_000_000)
CHUNKS = (240, 1_000, 4_000)  # poses in one call; masked attention compares all pairs of them
LARGE = 100_000  # poses in a call that compares only poses of a frame
TENFOLD = 8  # a size is left out if it would take longer than is left, at so many times the last


def measure(device: str, deadline: Deadline) -> Results:
    """Return microseconds a pose of networks and of the whole step, by size and by chunk."""
    networks: dict[str, nn.Module] = {
        "paper": RCNet.for_skeleton("coco17", features="paper", output="plain", feedforward=2048)
    }
    networks |= {name: rcnet.from_weights(weights) for name, weights in shipped().items()}
    parts = len(networks) + len(shipped()) + 1
    results: Results = {"paper_us_a_pose": PAPER}
    for name, network in networks.items():
        label = f"network alone, {name}"
        results[label] = attempt(_network, network, device, deadline.share(parts))
        parts -= 1
    for name, weights in shipped().items():
        label = f"whole step, {name}"
        results[label] = attempt(_whole_step, weights, device, deadline.share(parts))
        parts -= 1
    label = f"Refiner.batch from NumPy, {MAIN}"
    results[label] = attempt(_refiner_batch, shipped()[MAIN], device, deadline)
    return results


def batched_scores(network: RCNet, features: Tensor, baseline: Tensor) -> Tensor:
    """Return the scores (F, N) of F frames of N poses each: RCNet with frames as a batch dimension.

    It compares the poses of a frame alone, where `RCNet` masks the pairs of all poses.
    """
    layer, attention = network.encoder, network.encoder.self_attn
    standard = network.standardise(features)
    poses = network.phi(standard)
    projected = F.linear(poses, attention.in_proj_weight, attention.in_proj_bias)
    query, key, value = projected.chunk(3, dim=2)
    similarity = query @ key.transpose(1, 2) * poses.shape[2] ** -0.5
    poses = layer.norm1(poses + attention.out_proj(similarity.softmax(dim=2) @ value))
    poses = layer.norm2(poses + layer.linear2(layer.linear1(poses).relu()))
    logits = network.head(poses)
    if network.config.shortcut:
        logits = logits + network.shortcut(standard)
    logits = logits.squeeze(2)
    return torch.sigmoid(logits + baseline if network.config.output == "residual" else logits)


def _network(network: nn.Module, device: str, deadline: Deadline) -> list[Results]:
    network = network.to(device).eval()  # before inference mode, which would change parameters
    torch.manual_seed(0)
    with torch.inference_mode():
        return _ways(network, device, deadline)


def _ways(network: nn.Module, device: str, deadline: Deadline) -> list[Results]:
    count = network.config.feature_count
    attends = isinstance(network, RCNet)
    records: list[Results] = []
    ways = [f"chunks of {chunk}" for chunk in CHUNKS]
    ways += ["frames as a batch dimension"] if attends else [f"chunks of {LARGE}"]

    def run(way: str, size: int) -> Callable[[], object]:
        features = torch.randn(size, count, device=device)
        baseline = torch.randn(size, device=device)
        image = torch.arange(size, device=device).div(FRAME, rounding_mode="floor").float()
        if way.startswith("frames"):
            frames = features.view(-1, FRAME, count), baseline.view(-1, FRAME)
            parts = list(zip(*(part.split(LARGE // FRAME) for part in frames), strict=True))
            return lambda: [batched_scores(network, *part) for part in parts]
        columns = (features, baseline, image)
        chunk = int(way.split()[-1])
        parts = list(zip(*(part.split(chunk) for part in columns), strict=True))
        return lambda: [network(*part) for part in parts]

    for number, way in enumerate(ways):
        records += _sizes(way, run, device, deadline.share(len(ways) - number))
    if attends:
        records.append({"max_abs_difference": _difference(network, count, device)})
    return records


def _difference(network: RCNet, count: int, device: str) -> float:
    """Return how far both ways are apart on 200 poses."""
    standard = torch.randn(200, count, device=device)
    features = network.standardise.mean + network.standardise.deviation * standard
    baseline = torch.randn(200, device=device)
    image = torch.arange(10, device=device).repeat_interleave(FRAME).float()
    frames = features.view(10, FRAME, count), baseline.view(10, FRAME)
    masked = network(features, baseline, image)
    return float((batched_scores(network, *frames).flatten() - masked).abs().max())


def _sizes(
    way: str, run: Callable[[str, int], Callable[[], object]], device: str, deadline: Deadline
) -> list[Results]:
    """Time growing sizes until the next would not fit into the time left, or fails."""
    records: list[Results] = []
    last = 0.0
    for size in SIZES:
        if last * TENFOLD > deadline.left:
            break
        timing = attempt(lambda size=size: seconds_of(run(way, size), device, deadline))
        if "failed" not in timing:
            last = timing["seconds"]
            timing["us_a_pose"] = 1e6 * last / size
        records.append({"way": way, "poses": size, **timing})
        if "failed" in timing:
            break
    return records


def _whole_step(weights: Weights, device: str, deadline: Deadline) -> list[Results]:
    backend = TorchBackend(weights, device)  # with CUDA graphs where the chunk fits
    records: list[Results] = []

    def run(way: str, size: int) -> Callable[[], object]:
        chunk = int(way.split()[-1])
        frames = [people(FRAME, seed) for seed in range(min(chunk, size) // FRAME)]
        inputs = on_device(join(frames), device)
        repeats = -(-size // len(inputs.scores))
        return lambda: [backend(inputs) for _ in range(repeats)]

    for number, chunk in enumerate(CHUNKS):
        way = f"chunks of {chunk}"
        records += _sizes(way, run, device, deadline.share(len(CHUNKS) - number))
    return records


def _refiner_batch(weights: Weights, device: str, deadline: Deadline) -> list[Results]:
    refiner = Refiner(weights, device=device, backend="torch")

    def run(way: str, size: int) -> Callable[[], object]:
        frames = [people(FRAME, seed) for seed in range(50)] * (size // (50 * FRAME))
        return lambda: refiner.batch(frames, on_mistake="ignore")

    return _sizes("Refiner.batch", run, device, deadline)
