# `make` or `make help` lists what there is. It needs Python 3.11 or newer, git and make;
# uv is fetched into .uv/ where there is none.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
MAKEOVERRIDES = # variables of this Makefile are none of a project's
unexport VIRTUAL_ENV

PYTHON ?= python3
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
BIN := .venv/bin

.PHONY: help setup lint format test matrix bench demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.done ## install the tools into .venv/

lint: setup ## check format, style and types; change nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## bring the code into the format that lint asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

test: setup ## run the tests; ARGS go to pytest, as in ARGS='tests/render -x'
	$(BIN)/pytest -n 2 --dist loadgroup -m "not matrix" $(ARGS)

matrix: setup ## run every test, those that take minutes too, with many more hostile answers
	$(BIN)/pytest -n 2 --dist loadgroup --hypothesis-profile matrix $(ARGS)

demo: setup ## render the default project into ./demo and run its pipeline
	rm -rf demo
	$(BIN)/cookiecutter . --no-input --output-dir demo
	$(MAKE) -C demo/my-pipeline run
	@echo; $(MAKE) -C demo/my-pipeline status
	@printf '\nThe report: demo/my-pipeline/runs/*/report.html. The pages of Prefect and MLflow: make -C demo/my-pipeline ui\n'

bench: setup ## measure what the template costs; ARGS chooses, as in ARGS='data render'
	$(BIN)/python -m benchmarks $(ARGS)

clean: ## remove what the other targets made
	rm -rf .venv .uv uv.lock demo .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.done: pyproject.toml | $(filter .uv/%,$(UV))
	$(UV) sync --quiet
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv
