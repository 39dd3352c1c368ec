# `make` or `make help` lists the targets. Needs Python 3.11 or newer, git and make; uv is fetched
# into .uv/ if it is missing.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory
MAKEOVERRIDES = # do not pass variables on to the make of a project
unexport VIRTUAL_ENV

PYTHON ?= python3
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .uv/bin/uv)
BIN := .venv/bin

.PHONY: help setup lint format test matrix bench demo questions module-names exclude-newer actions release-notes clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.done ## install the tools into .venv/

lint: setup ## check format, style and types; change nothing
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## format the code, and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Three workers on two cores: a test often waits for a server to start.
test: setup ## run the tests; ARGS go to pytest, as in ARGS='tests/render -x'
	$(BIN)/pytest -n 3 --dist loadgroup -m "not matrix" $(ARGS)

matrix: setup ## run every test, including slow ones, with many more hostile answers; PART=stack runs those of tests/stack
	$(BIN)/pytest -n 2 --dist loadgroup --hypothesis-profile matrix $(if $(PART),tests/$(PART)) $(ARGS)

demo: setup ## render the default project into ./demo and run its pipeline
	rm -rf demo
	$(BIN)/cookiecutter . --no-input --output-dir demo
	$(MAKE) -C demo/my-pipeline run
	@echo; $(MAKE) -C demo/my-pipeline status
	@printf '\nThe report: demo/my-pipeline/runs/*/report.html. The pages of Prefect and MLflow: make -C demo/my-pipeline ui\n'

bench: setup ## measure what the template costs; ARGS chooses, as in ARGS='data render'
	$(BIN)/python -m benchmarks $(ARGS)

questions: setup ## generate cookiecutter.json and copier.yml from questions/questions.yml
	$(BIN)/python -m questions.generate

module-names: setup ## list the modules that a package must not hide, after a change of versions
	$(BIN)/python -m questions.module_names
	$(BIN)/python -m questions.generate

exclude-newer: ## set the date of the newest packages, here and in projects: DATE=2026-10-01
	@date --date "$$DATE" +%F | grep --quiet --line-regexp --fixed-strings -- "$$DATE" || { \
		echo "error: DATE is '$$DATE': give a day such as 2026-10-01." >&2; exit 2; }
	@sed --in-place "s/^exclude-newer = .*/exclude-newer = \"$${DATE}T00:00:00Z\"/" pyproject.toml */pyproject.toml

actions: ## pin the tree's actions to their newest releases, up to DATE if it is set; needs gh
	@for action in $$(grep --no-filename --only-matching --perl-regexp 'uses: \K[\w.-]+/[\w.-]+(?=@)' */*.github/workflows/*.yml | sort --unique); do \
		latest=$$(gh api "repos/$$action/releases/latest" --jq '.tag_name + " " + .published_at'); \
		tag=$${latest% *}; \
		if [[ -n "$${DATE:-}" && "$${latest#* }" > "$$DATE" ]]; then continue; fi; \
		[[ "$$tag" =~ ^v[0-9]+\.[0-9]+\.[0-9]+$$ ]] || { \
			echo "error: the newest release of $$action is '$$tag', no version such as v1.2.3: pin the action by hand." >&2; exit 2; }; \
		commit=$$(gh api "repos/$$action/commits/$$tag" --jq .sha); \
		sed --in-place "s|uses: $$action@[0-9a-f]* # v[0-9.]*|uses: $$action@$$commit # $$tag|" */*.github/workflows/*.yml; \
	done

release-notes: ## print the entry of CHANGELOG.md for the version in pyproject.toml: VERSION=0.1.0
	@grep --quiet --line-regexp --fixed-strings "version = \"$$VERSION\"" pyproject.toml || { \
		echo "error: pyproject.toml has another version than $$VERSION." >&2; exit 2; }
	@awk -v "version=$$VERSION" '/^## /{ on = $$2 == version; next } on { print; found = 1 } END { exit !found }' CHANGELOG.md || { \
		echo "error: CHANGELOG.md says nothing of $$VERSION." >&2; exit 2; }

clean: ## delete what the other targets created
	rm -rf .venv .uv uv.lock demo .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/.done: pyproject.toml | $(filter .uv/%,$(UV))
	$(UV) sync --quiet
	touch $@

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/pip install --quiet --disable-pip-version-check uv
