# Everything runs from .venv, which `make setup` builds from the lock file and leaves alone while it is current.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.current
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-long test-client test-chain lint types bench docs lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | sort | column -t -s "$$(printf '\t')"

$(STAMP): requirements.lock pyproject.toml
	@echo "Setting up $(VENV) from requirements.lock (about half a minute)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

# An empty ledger to copy new ones from, made again when a table or a view is written otherwise.
NEW_LEDGER := $(VENV)/.new-ledger
$(NEW_LEDGER): $(STAMP) $(wildcard src/polyledger/store/schema/*/*.sql src/polyledger/store/models/*/*.sql) \
		src/polyledger/store/views.py src/polyledger/store/new_ledger.py
	@$(BIN)/python -c "from polyledger.store.new_ledger import keep_new_ledger; keep_new_ledger()"
	@touch $(NEW_LEDGER)

setup: $(NEW_LEDGER)  ## make .venv from the lock file; does nothing when it is current

demo: setup  ## the main job on the recorded world, and its result
	@$(BIN)/polyledger demo

lint: setup  ## style, import order of the rooms
	@$(BIN)/ruff check src tests bench
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/lint-imports --no-cache

types: setup  ## mypy, strict
	@$(BIN)/mypy --no-error-summary

test: lint types  ## lint, types and the tests
	@$(BIN)/python -m pytest -m "not long" -n $(WORKERS)

test-long: setup  ## the long proofs: many kills, fault matrices, long worlds
	@$(BIN)/python -m pytest -m long -n $(WORKERS)

CLIENT := .venv-client
$(CLIENT)/.current: requirements-client.lock
	@test -x $(CLIENT)/bin/python || $(PYTHON) -m venv $(CLIENT)
	@$(CLIENT)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-client.lock
	@touch $(CLIENT)/.current

test-client: setup $(CLIENT)/.current  ## Polymarket's own Python client against the replica
	@$(CLIENT)/bin/python tests/client/official_client.py $(BIN)/polyledger replica --port 0

CHAIN := .chain-tools
$(CHAIN)/.current: tests/chain/package.json
	@mkdir -p $(CHAIN)
	@cp tests/chain/package.json $(CHAIN)/
	@npm install --prefix $(CHAIN) --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel error
	@touch $(CHAIN)/.current

test-chain: setup $(CHAIN)/.current  ## the real ConditionalTokens contract on a development chain (needs npm)
	@$(BIN)/python -m pytest tests/chain/check_anvil.py

bench: setup  ## speed, each figure beside a baseline measured in the same run
	@$(BIN)/python -m bench $(ARGS)

docs: setup  ## write the generated parts of the documentation
	@$(BIN)/python -m polyledger.cli.reference docs/reference/cli.md

lock:  ## solve the dependencies of pyproject.toml anew into requirements.lock (needs uv on the path)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --quiet --output-file requirements.lock

clean:  ## remove what set-up and runs have made
	rm -rf $(VENV) $(CLIENT) $(CHAIN) build dist .mypy_cache .ruff_cache .import_linter_cache .hypothesis
