# The commands of the project. `make` installs what they need into .venv, once.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check

.NOTPARALLEL:
.PHONY: help up demo test soak check bench lock

help:
	@echo "make demo    start, drop a generated sample, show the answers (ARGS=--exit: stop then)"
	@echo "make up      the platform, until Ctrl-C"
	@echo "make test    all tests        make check   format, lint, imports, types"
	@echo "make soak    the platform under random work and faults (ARGS=\"--seed 1 --minutes 30\")"
	@echo "make bench   the performance table (ARGS=\"load --rows 5000000\")"
	@echo "make lock    update the locks in requirements/ from pyproject.toml"

up: $(VENV)/installed-platform $(VENV)/compiled
	@exec $(BIN)/shifts up $(ARGS)

demo: $(VENV)/installed-platform $(VENV)/compiled
	@exec $(BIN)/shifts demo $(ARGS)

test: $(VENV)/installed-dev $(VENV)/compiled
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(VENV)/installed-dev $(VENV)/compiled
	@exec $(BIN)/python -m tests.soak $(ARGS)

check: $(VENV)/installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

bench: $(VENV)/installed-dev $(VENV)/compiled
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/installed-dev
	@for set in api platform cluster dev; do \
	    extra=$$([ $$set = api ] || echo "--extra $$set"); \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-header --no-annotate $$extra pyproject.toml --output-file requirements/$$set.txt || exit 1; \
	done
	@printf "hatchling\neditables\n" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	    --no-emit-index-url --no-header --no-annotate - --output-file requirements/build.txt

# The embedded server needs packages of the operating system, which may change after an installation.
$(VENV)/installed-%: requirements/%.txt requirements/build.txt pyproject.toml | machine
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages into $(VENV) ($*)"
	@$(PIP) install --no-deps --require-hashes -r requirements/build.txt -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# numba caches compiled code by source file and does not notice changes of functions in other files.
$(VENV)/compiled: $(wildcard shifts_core/*/*.py shifts_platform/generator/*.py)
	@find shifts_core shifts_platform -name '*.nb[ci]' -delete
	@$(BIN)/python -m shifts_core.warm_up
	@$(BIN)/python -m shifts_platform.generator.warm_up
	@touch $@

.PHONY: machine
machine:
	@PYTHON=$(PYTHON) deploy/prepare-machine.sh
