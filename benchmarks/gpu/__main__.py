"""Every figure of a GPU: `python -m benchmarks.gpu --minutes 8 --json FILE`.

It needs torch, NumPy, click and safetensors, no data and no network. Parts that fail are recorded
with the reason and the others go on; the file is written again after each part. `--device cpu`
runs the same on a CPU.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import click
import torch

from benchmarks.common import Results, json_option, machine, write
from benchmarks.gpu import agreement, compiled, epoch, kernels, latency, throughput
from benchmarks.gpu.measuring import Deadline, attempt, on_gpu, wait

__all__ = ["PARTS", "main", "measure"]

Part = Callable[[str, Deadline], Results]
# In this order, each with its share of the minutes; what one leaves is shared by the following.
PARTS: dict[str, tuple[int, Part]] = {
    "agreement": (10, agreement.measure),
    "latency": (20, latency.measure),
    "kernels": (15, kernels.measure),
    "throughput": (20, throughput.measure),
    "epoch": (20, epoch.measure),
    "compiled": (15, compiled.measure),
}


def measure(device: str, minutes: float, write_results: Callable[[Results], None]) -> Results:
    """Run all parts within the minutes; the results so far are handed over after each."""
    whole = Deadline.after(60 * minutes)
    results: Results = {"machine": attempt(_machine, device, minutes)}
    write_results(results)
    shares = sum(share for share, _ in PARTS.values())
    for name, (share, part) in PARTS.items():
        click.echo(f"{name}: {whole.left:.0f} s left")
        begin = time.perf_counter()
        results[name] = _with_memory(part, device, Deadline.after(whole.left * share / shares))
        results[name]["part_seconds"] = round(time.perf_counter() - begin, 1)
        shares -= share
        for key, value in results[name].items():
            _show(key, value)
        write_results(results)
    return results


def _with_memory(part: Part, device: str, deadline: Deadline) -> Results:
    """Run a part; add the most memory that torch had allocated on the GPU meanwhile."""
    if not on_gpu(device):
        return attempt(part, device, deadline)
    attempt(torch.cuda.reset_peak_memory_stats, device)
    results = attempt(part, device, deadline)
    results["peak_memory_bytes"] = attempt(torch.cuda.max_memory_allocated, device)
    attempt(wait, device)  # an error of a kernel shows here, not in the next part
    attempt(torch.cuda.empty_cache)
    return results


def _machine(device: str, minutes: float) -> Results:
    known = machine()
    known["date"] = time.strftime("%Y-%m-%d", time.gmtime())
    known["command"] = f"python -m benchmarks.gpu --device {device} --minutes {minutes:g}"
    known["device"] = device
    if on_gpu(device):
        properties = torch.cuda.get_device_properties(device)
        known |= {
            "gpu": properties.name,
            "compute_capability": f"{properties.major}.{properties.minor}",
            "gpu_memory_bytes": properties.total_memory,
            "multiprocessors": properties.multi_processor_count,
            "cuda": torch.version.cuda,
            "driver": attempt(_driver),
            "tf32": torch.backends.cuda.matmul.allow_tf32,
        }
    return known


def _driver() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    lines = subprocess.run(command, capture_output=True, text=True, timeout=20).stdout.split()
    return lines[0] if lines else None


def _show(name: str, value: object) -> None:
    """Print a result in lines, a list of records with one line each."""
    rounded = json.loads(json.dumps(value), parse_float=lambda text: float(f"{float(text):.4g}"))
    if isinstance(rounded, dict | list) and rounded:
        click.echo(f"  {name}")
        items = rounded.items() if isinstance(rounded, dict) else (("", item) for item in rounded)
        for key, item in items:
            click.echo(f"    {key} {json.dumps(item)}".replace("     ", "    "))
    else:
        click.echo(f"  {name}: {json.dumps(rounded)}")


@click.command()
@click.option("--minutes", default=8.0, show_default=True, help="Time for all parts together.")
@click.option("--device", help="As torch spells it.  [default: cuda where there is one, else cpu]")
@json_option
def main(minutes: float, device: str | None, json_file: Path | None) -> None:
    """Measure agreement, latency, kernels, throughput and training on a GPU."""
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if on_gpu(device) and not torch.cuda.is_available():
        raise click.UsageError(f"torch finds no GPU for device {device!r}; --device cpu works")
    measure(device, minutes, lambda results: json_file and write(results, json_file))


if __name__ == "__main__":
    main()
