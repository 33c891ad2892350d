"""Cases of machines: device nodes, signals, addresses, broken packages, locales."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time

from tests.cases.commands import Case, Places, program
from tests.cases.of_videos import ESTIMATOR

__all__ = ["CASES"]

SLOW = ESTIMATOR.replace("    return", "    import time\n    time.sleep(0.1)\n    return")


def device_node(places: Places) -> str:
    node = places.scratch / "null"
    try:
        os.mknod(node, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        return "skipped: making a device node needs root"
    source = places.cases / "results" / "openpifpaf_as_results.json"
    said = program(places, "refine", source, "--out", node)
    return f"{said}; still a device: {stat.S_ISCHR(node.stat().st_mode)}"


def ended(name: str) -> Case:
    """Return the case of a run that a signal ends."""

    def outcome(places: Places) -> str:
        (places.scratch / "slow.py").write_text(SLOW)
        clip = places.cases / "video" / "cat.ts"
        command = ["run", clip, "--model", "slow:model", "--weights", "none", "--out", "out.mp4"]
        started = subprocess.Popen(
            [sys.executable, "-m", "rcnet_rt", *map(str, command)],
            cwd=places.scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        until = time.monotonic() + 60
        while time.monotonic() < until and not list(places.scratch.glob("*.partial.mp4")):
            time.sleep(0.05)
        time.sleep(0.5)
        started.send_signal(getattr(signal, name))
        _, said = started.communicate(timeout=60)
        left = sorted(path.name for path in places.scratch.glob("*.mp4"))
        return f"exit {started.returncode}: {said.splitlines()[-1]} files {left}"

    return Case("B10", f"{name} in a run", outcome)


def cut_cache(places: Places) -> str:
    """A robot that loses power while Numba writes its cache."""
    cache = str(places.scratch / "cache")
    source = places.cases / "results" / "openpifpaf_as_results.json"
    command = ("refine", source, "--out", "out.json", "--backend", "numba")
    program(places, *command, NUMBA_CACHE_DIR=cache)
    files = [path for path in (places.scratch / "cache").rglob("*.nb*") if path.is_file()]
    for path in files:
        path.write_bytes(b"")
    said = program(places, *command, NUMBA_CACHE_DIR=cache)
    return f"{said} ({len(files)} files cut to 0 bytes before)"


def address(text: str) -> Case:
    """Return the case of an address with a password in it, X."""

    def outcome(places: Places) -> str:
        secret = text.replace("X", "Sesame123")
        said = program(places, secret, "--model", "replay:nothing.json", last=9)
        return f"{'SHOWN' if 'Sesame123' in said else 'hidden'}: {said}"

    return Case("B13", text, outcome)


def broken(package: str) -> Case:
    """Return the case of an installed package whose import fails."""

    def outcome(places: Places) -> str:
        (places.scratch / f"{package}.py").write_text("raise OSError('libbroken.so: no such file')")
        source = places.cases / "results" / "openpifpaf_as_results.json"
        path = str(places.scratch)
        return program(places, "refine", source, "--out", "out.json", last=3, PYTHONPATH=path)

    return Case("B14", f"{package} is broken, refine", outcome)


def odd_name(places: Places) -> str:
    clip = places.scratch / os.fsdecode(b"clip\xff.mp4")
    clip.write_bytes((places.cases / "video" / "sar.mp4").read_bytes())
    (places.scratch / "made.py").write_text(ESTIMATOR)
    options = ("--model", "made:model", "--weights", "none", "--json", "a.jsonl", "--no-video")
    return program(places, clip.name, *options, LC_ALL="C")


CASES = (
    Case("B9", "--out on a device node, refine", device_node),
    *map(ended, ("SIGTERM", "SIGHUP", "SIGINT")),
    Case("B11", "Numba cache files of 0 bytes, refine", cut_cache),
    *map(
        address,
        (
            "rtsp://localhost:1/user=admin&password=X",
            '"rtsp://u:X@localhost:1"',
            " rtsp://u:X@localhost:1",
            "rtsp:/u:X@localhost:1",
            "u:X@localhost/live",
            "rtsp://localhost:1/cam?u=x@X",
        ),
    ),
    *map(broken, ("numba", "onnxruntime")),
    Case("B15", "a file name that is not UTF-8, --json, LC_ALL=C", odd_name),
)
