# The two commands: `make demo` and `make test`. `make check` is the quick loop.
# Everything they need goes into .venv; nothing else on the machine is touched, except that
# `make test` installs Debian's Chromium, Docker and OpenSSH where it is root and apt is there (tools/neighbours), and
# keeps Pulumi and the images of its own Docker engine in the user's cache folder.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv
# Copies where the package cache lies on another file system, instead of a warning.
export UV_LINK_MODE ?= copy

.PHONY: help demo test check bench lock clean

help:
	@echo 'make demo    the whole story on this machine: deploy a CRM, break it, credit the customer (ARGS="--keep")'
	@echo 'make test    every test; installs what they need'
	@echo 'make check   the quick loop: lint, types, imports, fast tests'
	@echo 'make bench   the benchmark table'
	@echo 'make lock    compute requirements/*.txt anew from requirements/*.in'

demo: $(VENV)/run.done
	@$(BIN)/crmhost demo $(ARGS)

test: $(VENV)/test.done
	@tools/neighbours
	@$(MAKE) --no-print-directory lint
	@tools/run-tests $(ARGS)

check: $(VENV)/test.done lint
	@$(BIN)/python -m pytest -q -x -n 2 -m 'not slow and not creme and not cloud' $(ARGS)

.PHONY: lint
lint: $(VENV)/test.done
	@$(BIN)/ruff check -q .
	@$(BIN)/ruff format -q --check .
	@$(BIN)/lint-imports --no-cache >$(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/mypy

bench: $(VENV)/test.done
	@$(BIN)/python -m benchmarks $(ARGS)

$(VENV)/uv.done: requirements/build.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'crmhost needs Python 3.11 or newer; $(PYTHON) is '"$$($(PYTHON) -V)"'. Name another one: make PYTHON=python3.12 …' >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'Python cannot make environments here: apt-get install python3-venv' >&2; exit 1; }
	@echo 'making $(VENV) …'
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/build.txt
	@touch $@

$(VENV)/run.done: $(VENV)/uv.done requirements/run.txt pyproject.toml
	@echo 'installing what crmhost needs …'
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/run.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q contract crm infra playbooks monitor crmhost
	@touch $@

$(VENV)/test.done: $(VENV)/run.done requirements/test.txt
	@echo 'installing what the tests need …'
	@$(UV) pip install --quiet --python $(BIN)/python --compile-bytecode --require-hashes -r requirements/test.txt
	@touch $@

COMPILE := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header
lock: $(VENV)/uv.done
	@$(COMPILE) requirements/build.in -o requirements/build.txt
	@$(COMPILE) requirements/go.in -o requirements/go.txt
	@$(COMPILE) requirements/run.in -o requirements/run.txt
	@$(COMPILE) requirements/test.in -c requirements/run.txt -o requirements/test.txt
	@$(COMPILE) requirements/peers.in -o requirements/peers.txt

clean:
	rm -rf $(VENV) build
