"""What a release is made of: one version everywhere, workflows with few rights, whole packages."""

from __future__ import annotations

import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from rcnet_rt import __version__
from rcnet_rt.rescoring import weights_io

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = {path.name: path for path in sorted(ROOT.glob(".github/workflows/*.yml"))}
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
INFO = f"rcnet_rt-{__version__}.dist-info"  # a folder of the wheel
PINNED = re.compile(r"uses: ([\w.-]+/[\w.-]+)@([0-9a-f]{40}) # (v\d+\.\d+\.\d+)")
# What a job may do beyond reading the repository.
RIGHTS = {"publish": {"id-token": "write"}, "github-release": {"contents": "write"}}


def workflow(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(WORKFLOWS[name].read_text(encoding="utf-8"))
    return content


def steps(name: str) -> Iterator[dict[str, Any]]:
    for job in workflow(name)["jobs"].values():
        yield from job["steps"]


def test_actions_are_pinned_by_commit_and_the_same_everywhere() -> None:
    assert len(WORKFLOWS) == 2
    pins: dict[str, set[tuple[str, str]]] = {}
    for path in WORKFLOWS.values():
        for line in path.read_text(encoding="utf-8").splitlines():
            if "uses:" in line:
                found = PINNED.search(line)
                assert found, f"{path.name}: {line.strip()} is not pinned by a commit"
                pins.setdefault(found[1], set()).add((found[2], found[3]))
    assert {action: len(pinned) for action, pinned in pins.items() if len(pinned) > 1} == {}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_jobs_have_few_rights_and_little_time(name: str) -> None:
    content = workflow(name)
    assert content["permissions"] == {"contents": "read"}
    assert content["concurrency"]["group"]
    for job_name, job in content["jobs"].items():
        assert job.get("permissions", {}) == RIGHTS.get(job_name, {})
        assert job["timeout-minutes"] <= 60
        assert not job["runs-on"].endswith("latest")
    assert "secrets." not in WORKFLOWS[name].read_text(encoding="utf-8")
    for step in steps(name):
        if step.get("uses", "").startswith("actions/checkout@"):
            assert step["with"]["persist-credentials"] is False
        # What an event brings is text of strangers: it stays out of what a shell runs.
        assert "${{" not in step.get("run", "")


def test_the_tests_run_on_the_versions_that_are_promised() -> None:
    tested = workflow("ci.yml")["jobs"]["tests"]["strategy"]["matrix"]["python-version"]
    promised = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', PYPROJECT)
    assert tested == promised
    assert f'requires-python = ">={promised[0]}"' in PYPROJECT


def test_targets_and_files_that_workflows_name_are_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    runs = [step["run"] for name in WORKFLOWS for step in steps(name) if "run" in step]
    made = {target for run in runs if run.startswith("make ") for target in run.split()[1:]}
    assert {"lint", "pytest", "docs", "dist", "sbom"} == made <= targets
    for file in re.findall(r"\b(?:tests|rcnet_rt)/[\w/]+\.py", "\n".join(runs)):
        assert (ROOT / file).is_file()


def test_a_release_is_published_only_from_a_tag_that_is_the_version() -> None:
    content = workflow("release.yml")
    assert content[True] == {"push": {"tags": ["v[0-9]+.[0-9]+.[0-9]+"]}}  # YAML reads `on` so
    check = next(step["run"] for step in steps("release.yml") if "name" in step)
    file = re.escape("rcnet_rt/version.py")
    assert re.fullmatch(rf"grep .*GITHUB_REF_NAME#v.* {file}", check)
    assert f'__version__ = "{__version__}"\n' in (ROOT / "rcnet_rt" / "version.py").read_text()
    assert content["jobs"]["publish"]["environment"]["name"] == "pypi"


def test_the_version_and_its_date_are_one() -> None:
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    versions = re.findall(r"^## (\S+) \((\d{4}-\d\d-\d\d)\)$", changes, re.MULTILINE)
    assert versions[0] == (__version__, CITATION["date-released"])
    assert CITATION["version"] == __version__
    assert len(versions) == len(re.findall(r"^## ", changes, re.MULTILINE))


def test_the_citation_is_what_the_package_says() -> None:
    assert CITATION["cff-version"] == "1.2.0"
    assert f'license = "{CITATION["license"]}"' in PYPROJECT
    assert CITATION["authors"] == [{"name": "rcnet-rt contributors"}]
    assert [each["title"] for each in CITATION["references"]]


def test_issue_templates_have_names() -> None:
    templates = list(ROOT.glob(".github/ISSUE_TEMPLATE/*.md"))
    assert len(templates) == 3
    for path in templates:
        head = yaml.safe_load(path.read_text(encoding="utf-8").split("---\n")[1])
        assert {"name", "about", "labels"} <= head.keys()


@pytest.mark.network
def test_the_packages_hold_what_they_should(tmp_path: Path) -> None:
    """The wheel is built from the source distribution, so that both are whole."""
    build = [sys.executable, "-m", "build", "--outdir", str(tmp_path), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (sdist,), (wheel,) = tmp_path.glob("*.tar.gz"), tmp_path.glob("*.whl")
    with tarfile.open(sdist) as archive:
        sources = {name.partition("/")[2] for name in archive.getnames()}
    with zipfile.ZipFile(wheel) as archive_of_wheel:
        installed = set(archive_of_wheel.namelist())
        metadata = archive_of_wheel.read(f"{INFO}/METADATA").decode()
    assert metadata.startswith(f"Metadata-Version: 2.4\nName: rcnet-rt\nVersion: {__version__}\n")
    for name in weights_io.available():
        assert f"weights/{name}.safetensors" in sources
        assert f"rcnet_rt/weights/{name}.safetensors" in installed
    assert {"LICENSE", "CHANGELOG.md", "CITATION.cff", "tests/conftest.py"} <= sources
    assert {"rcnet_rt/py.typed", "rcnet_rt/demo_data/poses.jsonl.gz"} <= installed
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if tracked.returncode == 0:  # else these are the files of a source distribution
        assert sources - {"PKG-INFO", ".gitignore"} <= set(tracked.stdout.splitlines())
    assert {name.split("/")[0] for name in installed} == {"rcnet_rt", INFO}
