# Three commands do all the set-up: `make demo` shows it working, `make test` passes the tests,
# `make docs` writes the documentation to site/. They build and share one .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow lint docs clean

demo: .venv/.package
	$(BIN)/rcnet-rt demo

test: lint
	$(BIN)/python -m pytest -n auto

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow"

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

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

clean:
	rm -rf .venv dist build site rcnet-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
