# Three commands do all the set-up: `make demo` shows it working, `make test` passes the tests,
# `make docs` writes the documentation to site/. They build and share one .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test pytest test-slow lint docs dist sbom clean

demo: .venv/.package
	$(BIN)/rcnet-rt demo

test: lint pytest

pytest: .venv/.dev
	$(BIN)/python -m pytest -n auto

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow"

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What a release holds: the source distribution, the wheel made from it, both checked.
dist: .venv/.release
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

# The bill of materials (CycloneDX) of an environment that holds the wheel and what it requires.
sbom: dist
	rm -rf build/sbom
	$(PYTHON) -m venv --without-pip build/sbom
	$(BIN)/python -m pip --python build/sbom/bin/python install --quiet \
		--disable-pip-version-check dist/*.whl
	$(BIN)/cyclonedx-py environment --output-reproducible \
		--output-file dist/rcnet-rt.cdx.json build/sbom/bin/python

.venv/.package: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/.dev: .venv/.package
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@

.venv/.docs: .venv/.package
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	touch $@

.venv/.release:
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		"build>=1.2" "cyclonedx-bom>=7" "twine>=6.1"
	touch $@

clean:
	rm -rf .venv dist build site rcnet-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
