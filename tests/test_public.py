"""The public names of the package, and what importing it does not do."""

import ast
import subprocess
import sys
from pathlib import Path

import rcnet_rt

PACKAGE = Path(rcnet_rt.__file__).parent


def test_all_is_what_there_is():
    names = {n for n in dir(rcnet_rt) if not n.startswith("_")}
    assert names == set(rcnet_rt.__all__) - {"__version__"}
    for name in rcnet_rt.__all__:
        assert getattr(rcnet_rt, name) is not None


def test_no_module_shadows_a_public_name():
    """Importing `rcnet_rt.name` would put the module in the place of the function."""
    modules = {path.stem for path in PACKAGE.iterdir()}
    assert not modules & set(rcnet_rt.__all__)
    assert set(rcnet_rt._LAZY) < set(rcnet_rt.__all__)
    for name in rcnet_rt._LAZY:
        assert callable(getattr(rcnet_rt, name))


def test_every_error_is_an_rcnet_error():
    errors = [getattr(rcnet_rt, name) for name in rcnet_rt.__all__ if name.endswith("Error")]
    assert all(issubclass(error, rcnet_rt.RcnetError) for error in errors)


def run(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_importing_loads_nothing_heavy_and_prints_nothing():
    run(
        "import rcnet_rt, sys\n"
        "heavy = {'torch', 'cv2', 'av', 'ultralytics', 'onnxruntime', 'numba', 'click', 'rich'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)"
    )


def test_importing_leaves_the_process_as_it_was():
    run(
        "import os, sys\n"
        "before = dict(os.environ)\n"
        "import rcnet_rt\n"
        "assert dict(os.environ) == before, set(os.environ) ^ set(before)\n"
        "assert None not in sys.modules.values()"
    )


def test_the_python_api_needs_neither_click_nor_rich():
    run(
        "import rcnet_rt, sys\n"
        "names = 'train predict evaluate rescore process_video export benchmark'\n"
        "assert all(callable(getattr(rcnet_rt, name)) for name in names.split())\n"
        "print(*{'click', 'rich', 'rcnet_rt.cli'} & set(sys.modules), end='')"
    )


def imports_and_prints(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            yield node.module or ""
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            yield f"{node.func.id}()"


def test_only_the_command_line_prints_and_nothing_imports_it():
    files = [path for path in PACKAGE.rglob("*.py") if path.name != "__main__.py"]
    outside = [path for path in files if "cli" not in path.relative_to(PACKAGE).parts]
    assert len(outside) > 100
    for path in outside:
        found = set(imports_and_prints(ast.parse(path.read_text(encoding="utf-8"))))
        forbidden = {name for name in found if name.split(".")[0] in ("click", "rich", "print()")}
        forbidden |= {name for name in found if name.startswith("rcnet_rt.cli")}
        assert not forbidden, f"{path.name}: {forbidden}"
