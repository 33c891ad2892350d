"""Libraries are kept from reporting where they are imported; no message shows credentials."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import rcnet_rt
from rcnet_rt.cli import main
from rcnet_rt.privacy import mask_address, mask_credentials

REPORTING = {"onnxruntime", "ultralytics", "transformers", "rtmlib", "mmpose"}
UNCHANGED = """
import os, sys
before = dict(os.environ), set(sys.modules)
import rcnet_rt
import rcnet_rt.cli
print(sorted(dict(os.environ).items() ^ before[0].items()))
print(sorted(name for name, module in sys.modules.items() if module is None))
"""
SWITCHED = """
import os, sys
import rcnet_rt.{module}
print("ORT_DISABLE_TELEMETRY" in os.environ, "YOLO_OFFLINE" in os.environ)
print(sys.modules.get("openvino_telemetry", "absent"))
"""


def output(program: str, **variables: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PATH": "", "PYTHONPATH": str(Path(rcnet_rt.__file__).parents[1]), **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_importing_changes_neither_environment_nor_modules() -> None:
    assert output(UNCHANGED) == ["[]", "[]"]


@pytest.mark.parametrize(
    ("module", "package"),
    [("backends.onnx", "onnxruntime"), ("integrations.ultralytics", "ultralytics")],
)
def test_reports_are_off_where_such_a_library_is_imported(
    module: str, package: str, tmp_path: Path
) -> None:
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    program = SWITCHED.format(module=module)
    home = str(tmp_path)
    assert output(program, HOME=home)[-2:] == ["True True", "None"]


def imports(tree: ast.AST) -> set[int]:
    """Return the lines that import a library that reports."""
    lines = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        else:
            continue
        if REPORTING & {name.split(".")[0] for name in names}:
            lines.add(node.lineno)
    return lines


def test_every_module_that_imports_such_a_library_turns_its_reports_off() -> None:
    package = Path(rcnet_rt.__file__).parent
    # Code that runs when ultralytics has predicted already.
    after = {"candidates.py"}
    found = set()
    for path in package.rglob("*.py"):
        source = path.read_text("utf-8")
        if imports(ast.parse(source)) and path.name not in after:
            found.add(path.name)
            assert "disable_telemetry()" in source, path
    assert {"onnx.py", "ultralytics.py", "transformers.py", "rtmlib.py"} <= found


SECRET = "Xq7"
ADDRESSES = [
    "rtsp://host/user=admin&password=Xq7",
    "rtsp://host/user=admin&password=Xq7&channel=1&stream=0.sdp",
    "rtsp://host/user=admin_password=Xq7_channel=1_stream=0.sdp",
    "rtsp://host/user%3Dadmin%26password%3DXq7",
    "rtsp://host:554/cam/realmonitor?channel=1&user=a&password=Xq7",
    "rtsp://host/live;password=Xq7",
    "rtsp://host/live;user=a;password=Xq7",
    '"rtsp://u:Xq7@host"',
    "'rtsp://u:Xq7@host/live'",
    " rtsp://u:Xq7@host/live",
    "\trtsp://u:Xq7@host/live ",
    "rtsp:/u:Xq7@host",
    "rtsp:///u:Xq7@host",
    "rtsp:u:Xq7@host",
    "RTSP://u:Xq7@host",
    "u:Xq7@host/live",
    "u:Xq7@host",
    "host/live?user=u&password=Xq7",
    "https://u:Xq7@host/w.safetensors",
    "https://host/w.safetensors?token=Xq7",
    "https://host/w.safetensors#Xq7",
    "ftp://u:Xq7@host/a",
    "s3://key:Xq7@bucket/a",
    "rtsp://h/cam?u=x@Xq7",
    "rtsp://u:a@h/cam?u=x@Xq7",
    "rtsp://h/cam?u=x&p=a@b/Xq7",
    "rtsp://h:554/cam?u=x@Xq7",
    "rtsp://u:p@ss/Xq7@rd@host/s",
    "rtsp://u:Xq7?b@host/s",
    "rtsp://u:Xq7#b@host/s",
    "rtsp://u:Xq7/b@host/s",
    "rtsp://u:Xq7;b@host/s",
    "rtsp://u:b=Xq7@host/s",
    "rtsp://u:12/Xq7@host/s",
    "rtsp://u:b Xq7@host/s",
    "rtsp://u:%58q7Xq7@host/s",
    "rtsp://Xq7@host/s",
    "rtsp://host:554/0/user:Xq7/main",
    "rtsp://[::1]:554/live?auth=Xq7",
]
OPTIONS = [[], ["--model"], ["--weights"], ["--conf"], ["--device"], ["--json"], ["--out"]]


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_credentials_are_shown(address: str) -> None:
    assert SECRET not in mask_address(address)
    assert mask_address(mask_address(address)) == mask_address(address)
    if "b Xq7" not in address:
        for message in (f"no such file: {address}; check it", f"({address!r})", f"x={address},"):
            assert SECRET not in mask_credentials(message)
            assert SECRET not in str(rcnet_rt.SourceError(message))
            assert SECRET not in str(rcnet_rt.PosesError(message))


@pytest.mark.parametrize(
    "text",
    [
        "rtsp://camera:554/h264/ch1 cannot be opened (timed out); check the address",
        "expected thresholds 0 <= leave <= enter <= 1, got leave=0.3, enter=0.2",
        "no such file or folder: /data/a@2x.mp4; check the path",
        "C:/videos/a=b@c.mp4 and C:\\videos\\a.mp4",
        "rtmo:lightweight, mmpose:human or replay:FILE; keypoints=17, key: 3",
        "see https://docs.python.org/3/library/re.html.",
        "path:/tmp/lr=0.1/x",
        "write to somebody@example.org",
        "weights v1.2:yolo @ 3",
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert mask_credentials(text) == text


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: "".join(option) or "SOURCE")
def test_no_command_prints_them(
    option: list[str], tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.chdir(tmp_path)
    for address in ADDRESSES:
        if address.strip("\t '\"").startswith(("rtsp://", "https://", "RTSP://")) and not option:
            continue  # would be opened
        for more in ([], ["--debug"]):
            source = [] if not option else ["missing.mp4"]
            with pytest.raises(SystemExit):
                main(["run", *source, *option, address, *more])
    for command in (["refine"], ["eval"], ["nothing"], ["train", "--coco"], ["export"]):
        for address in ADDRESSES[:12]:
            with pytest.raises(SystemExit):
                main([*command, address, "--out", "x.json"])
            with pytest.raises(SystemExit):
                main([*command, "a", "b", address])
    out, err = capfd.readouterr()
    assert "Error" in err
    assert SECRET not in out + err


def test_no_command_prints_the_credentials_of_a_stream(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    """Nobody answers at these addresses."""
    monkeypatch.chdir(tmp_path)
    for path in ("user=a&password=Xq7", "live;password=Xq7", "a?p=Xq7", "cam?u=x@Xq7", "u:Xq7"):
        with pytest.raises(SystemExit):
            main([f"http://127.0.0.1:9/{path}", "--debug"])
    out, err = capfd.readouterr()
    assert "cannot be opened" in err
    assert SECRET not in out + err
    assert list(tmp_path.iterdir()) == []
