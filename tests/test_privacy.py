"""Libraries are kept from reporting where they are imported, and only there."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import rcnet_rt

REPORTING = {"onnxruntime", "ultralytics", "transformers", "rtmlib", "mmpose"}
UNCHANGED = """
import os, sys
before = dict(os.environ), set(sys.modules)
import rcnet_rt
import rcnet_rt.cli
for name in rcnet_rt.__all__:
    getattr(rcnet_rt, name)
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
    after = {"yolo_candidates.py"}
    found = set()
    for path in package.rglob("*.py"):
        source = path.read_text("utf-8")
        if imports(ast.parse(source)) and path.name not in after:
            found.add(path.name)
            assert "disable_telemetry()" in source, path
    assert {"onnx.py", "ultralytics.py", "transformers.py", "rtmlib.py"} <= found
