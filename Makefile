# Two commands do all the set-up: `make demo` shows it working, `make test` passes the tests.
# Both build and share one .venv.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-slow lint clean

demo: .venv/.package
	$(BIN)/rcnet-rt demo

test: lint
	$(BIN)/python -m pytest

test-slow: .venv/.dev
	$(BIN)/python -m pytest -m "slow"

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

clean:
	rm -rf .venv dist build rcnet-demo .pytest_cache .mypy_cache .ruff_cache .hypothesis
