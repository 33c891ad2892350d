"""A web service whose workers are forked after the weights are loaded.

gunicorn --preload --workers 2 --chdir examples/processes gunicorn_app:application
curl localhost:8000 -d '{"keypoints": [[[x, y, confidence], …], …], "scores": [0.8, …]}'
"""

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from rcnet_rt import Refiner

MAX_BYTES = 1 << 20

refiner = Refiner(device="cpu")  # once, before the fork; CUDA would not survive it


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request (WSGI, PEP 3333): poses of one image in, refined scores out."""
    try:
        size = min(int(environ.get("CONTENT_LENGTH") or 0), MAX_BYTES)
        poses = json.loads(environ["wsgi.input"].read(size))
        keypoints, scores = (np.array(poses[key], float) for key in ("keypoints", "scores"))
        status, answer = "200 OK", {"scores": refiner.refine(keypoints, scores).tolist()}
    except (KeyError, TypeError, ValueError) as error:  # rcnet_rt's PosesError is a ValueError
        status, answer = "400 Bad Request", {"error": str(error)}
    start_response(status, [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
