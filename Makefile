# Two commands carry a newcomer: `make run` and `make test`.  Everything else is `make help`.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
STATE ?= .run

.DEFAULT_GOAL := help
.PHONY: help run demo setup test check unit conformance format integrity lock docs bench bench-quick bench-setup soak clean

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.venv/.stamp: requirements.lock pyproject.toml
	@.ci/setup venv
	@touch $@

setup: .venv/.stamp  ## set up .venv with every locked dependency

run: setup  ## set everything up and run the daemon around the reference worker
	@printf '%s\n' '' 'Try from a second terminal, in this directory:' '' \
		  '  $(BIN)/switchover status --state-dir $(STATE)' \
	  '  $(BIN)/switchover call plan_next '"'"'{"limit": 3}'"'"' --state-dir $(STATE)' \
	  '  $(BIN)/switchover canary --state-dir $(STATE) -- $(BIN)/python -m workers.reference --version-label v2' ''
	@exec $(BIN)/switchover serve --state-dir $(STATE) -- $(BIN)/python -m workers.reference

demo: setup  ## the whole story in about a minute: a good version takes over, a bad one is taken back
	@$(BIN)/python -m workers.examples.demo $(DEMO)

check: setup  ## lint, types, import contracts
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

unit: setup  ## the fast tests only
	$(BIN)/pytest tests/unit tests/simulation

# Tests that compute get a process a core.  Those that start processes wait for them half of their time: two a core keep
# the cores busy, and what takes longest comes first, so that none of it is left over at the end.
CORES := $(shell cores=$$(nproc); echo $$((cores < 8 ? cores : 8)))
WAITING := $(shell echo $$((2 * $(CORES))))

# The tests start some hundreds of processes, and compiling is a third of a start: have bytecode kept wherever they run.
test unit conformance integrity soak: export PYTHONDONTWRITEBYTECODE =

test: check  ## everything CI runs: check, then all tests, with the coverage of those that run in one process
	@.ci/setup peers
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n $(CORES) --dist worksteal tests/unit tests/simulation
	@$(BIN)/coverage combine -q && $(BIN)/coverage report | tail -n 25
	$(BIN)/pytest -n $(WAITING) --dist worksteal tests/e2e/test_readme.py tests/e2e tests/conformance tests/integration

format: setup  ## rewrite the code in the house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

conformance: setup  ## the official MCP conformance suite, directly and through the daemon
	@.ci/setup peers
	$(BIN)/pytest tests/conformance

integrity: setup  ## every tool of the reference worker, and of each candidate with a planted change
	@.ci/setup peers
	INTEGRITY=whole $(BIN)/pytest -n $(CORES) --dist worksteal tests/integration/test_integrity.py tests/integration/test_candidates.py

soak: setup  ## the long random tests (kill -9, fuzzing); not part of `make test`
	@.ci/setup peers
	$(BIN)/pytest -m soak --timeout 3600

bench-setup: setup  ## install what the benchmarks compare against (HAProxy, peers)
	@.ci/setup bench

bench: bench-setup  ## measure everything at length, keep bench/results.json
	$(BIN)/python bench/run.py

bench-quick: bench-setup  ## the same, at most 45 s a figure
	$(BIN)/python bench/run.py --quick

docs: setup  ## regenerate the generated pages of docs/
	$(BIN)/python -m docs.generate

lock:  ## resolve requirements.lock anew (needs uv)
	uv pip compile -q pyproject.toml --extra reference --group dev --python-version 3.11 --universal \
	  --generate-hashes --no-emit-index-url --no-emit-find-links --no-header -o requirements.lock

clean:  ## remove what was generated
	rm -rf .venv .run .mypy_cache .ruff_cache .pytest_cache .hypothesis node_modules tests/peers/node_modules
