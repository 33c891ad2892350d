"""Real CrowdPose annotations of some images, with simulated results."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

from benchmarks.studies.full_coco.simulator import simulate
from rcnet_rt.datasets.crowdpose import crowdpose


def crowdpose_folder(shared_data: Path, folder: Path, every: int = 20) -> tuple[Path, Path]:
    """Write every so many images as a CrowdPose folder; return it and a file of results."""
    path = shared_data / "crowdpose" / "annotations" / "crowdpose_val.json.gz"
    content = json.loads(gzip.decompress(path.read_bytes()))
    content["images"] = content["images"][::every]
    kept = {image["id"] for image in content["images"]}
    content["annotations"] = [a for a in content["annotations"] if a["image_id"] in kept]
    root = folder / "crowdpose"
    (root / "json").mkdir(parents=True)
    (root / "json" / "crowdpose_val.json").write_text(json.dumps(content))
    results = folder / "simulated.json"
    results.write_text(json.dumps(simulate(crowdpose(root).ground_truth())))
    return root, results
