# Everything a person types. `make` alone lists the targets; each does its own set-up.

VENV := .venv
BIN := $(VENV)/bin
BUILT := $(VENV)/built
SOURCES := pyproject.toml Cargo.toml Cargo.lock $(shell find rust python -name '*.rs' -o -name 'Cargo.toml' -o -name '*.py' -o -name '*.pyi')
PYTEST := $(BIN)/pytest
PYTHON ?= python3

.DEFAULT_GOAL := help
.PHONY: help run test test-slow soak lint docs bench clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(BUILT) ## set up, then run a container on the embedded default image, with every step explained
	@.ci/packages .ci/packages-run.txt
	$(BIN)/minidock run --rm --explain busybox echo "hello from a container"

test: $(BUILT) ## set up, then run the tests (under 15 minutes)
	@.ci/packages tests/packages.txt
	cargo test --quiet --workspace --exclude minidock-py
	$(PYTEST) -m "not slow" --ignore tests/benchmarks

test-slow: $(BUILT) ## the longer tests, with large peers (docker.io, a user-mode kernel, qemu)
	@.ci/packages tests/packages.txt tests/packages-large.txt
	$(PYTEST) -m slow --ignore tests/benchmarks

soak: $(BUILT) ## long loads; prints figures, not part of CI
	@.ci/packages tests/packages.txt
	$(PYTEST) tests/soak

lint: $(BUILT) ## format, types, clippy, stubs against the compiled module
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --allowlist .ci/stubtest-allow.txt minidock._native
	cargo fmt --all --check
	cargo clippy --quiet --workspace --all-targets -- -D warnings
	@printf 'lines in _pure: '; cat $$(find python/minidock/_pure -name '*.py') | wc -l

docs: $(BUILT) ## the documentation, with traces of a real run
	$(BIN)/sphinx-build -n -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

bench: $(BUILT) ## native against pure, and whole commands against peers
	@.ci/packages tests/packages.txt tests/packages-large.txt
	$(PYTEST) tests/benchmarks --benchmark-enable --write-docs

clean: ## remove what the other targets made here
	rm -rf $(VENV) target dist docs/_build docs/_generated .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf python/minidock/bin python/minidock/_native*.so
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/tools: pyproject.toml .ci/tools.txt
	@.ci/packages .ci/packages-build.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -r .ci/tools.txt
	touch $@

$(BUILT): $(VENV)/tools $(SOURCES)
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --force-reinstall --no-deps .
	touch $@
