# Scaleworthy: `make demo` shows the whole product on a real backend, `make test` proves it.
# Every target calls `setup`, which makes .venv, installs the pinned packages and builds the Rust core; later calls rebuild only what changed.
SHELL := /bin/sh
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUST := $(shell find crates -name '*.rs' -o -name Cargo.toml 2>/dev/null) Cargo.toml Cargo.lock

.PHONY: help setup demo test lint bench docs picture clean

help: ## list the targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 12

setup: .stamps/native ## virtual environment, pinned packages, Rust core

.stamps/venv:
	@mkdir -p .stamps
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; got $$($(PYTHON) --version). Set PYTHON=/path/to/python3.11"; exit 2; }
	@command -v cargo >/dev/null || { echo "cargo was not found: install Rust (rustup) and run make again"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

.stamps/native: .stamps/venv pyproject.toml constraints.txt $(RUST)
	@echo "setting up: packages and the Rust core (some minutes the first time, seconds later)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt maturin
	PIP_CONSTRAINT=constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 VIRTUAL_ENV="$$PWD/$(VENV)" $(BIN)/maturin develop --release --quiet --extras postgres,redis,runtime,llm,kafka,servers,switchboard,parquet,locust,export,dev
	@touch $@

demo: setup ## assess the reference backend end to end and leave report.html
	$(BIN)/python -m scaleworthy demo

test: setup lint ## every check and test
	cargo test --quiet --workspace --exclude scaleworthy-python
	$(BIN)/python -m pytest -n 2

lint: setup ## formatting, types, layers, clippy
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy
	$(BIN)/lint-imports --no-cache
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- --deny warnings

bench: setup ## every benchmark, beside the peers that are installed; rows are printed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --requirement benchmarks/peers.txt
	@for file in benchmarks/bench_*.py; do echo "== $$file"; $(BIN)/python $$file $(BENCH) || failed=1; done; exit $${failed:-0}

picture: setup ## docs/report.png from report.html, by Chromium
	$(BIN)/python scripts/picture.py

docs: setup ## check that every example and every figure in README and docs is as the code says
	$(BIN)/python -m pytest tests/docs

clean: ## remove everything that setup made
	rm -rf $(VENV) .stamps target
