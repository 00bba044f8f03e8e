# What the kit can do, one target a command. Each target does the set-up it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.complete

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: e2e
e2e: $(SETUP) ## deploy both patterns, run ten tasks each, verify, destroy (ARGS="--pattern 1 …")
	@$(BIN)/python automation/e2e.py $(ARGS)

.PHONY: docker-e2e
docker-e2e: $(SETUP) ## the same with real containers, and their tests; root on Debian gets an engine for it (ARGS="…")
	@$(BIN)/python -m automation.local.docker_engine bash -c 'set -e; \
	  $(BIN)/python automation/e2e.py --container-runtime docker --config "baseImage=$$KIT_BASE_IMAGE" $(ARGS); \
	  $(BIN)/python -m pytest --quiet --timeout 900 -o faulthandler_timeout=1800 -m docker tests/integration tests/e2e/test_own_jobs.py'

.PHONY: wheels
wheels: $(SETUP) ## put the image's packages into its build context, for builds that reach no package index
	@$(BIN)/python -c 'from automation.local import docker_engine; docker_engine.fetch_wheels()'

.PHONY: test
test: $(SETUP) ## the tests that take less than three minutes in all, with coverage (ARGS="-k name …")
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile -m "not acceptance and not docker" --cov --cov-report=term:skip-covered --cov-fail-under=90 $(ARGS)

.PHONY: acceptance
acceptance: $(SETUP) ## the tests that take minutes: whole runs with faults of every kind, whole journeys (ARGS="-k name …")
	@$(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile --timeout 900 -o faulthandler_timeout=1800 -m "acceptance and not docker" tests/integration tests/e2e $(ARGS)

.PHONY: soak
soak: $(SETUP) ## fifty runs with faults in them on a deployed stack: all come to a true end (ARGS="--runs 6 --seed 2 …")
	@$(BIN)/python -m automation.soak $(ARGS)

.PHONY: deployments
deployments: $(SETUP) ## deploy and destroy a hundred times on a busy machine: every deployment is whole (ARGS="--count 10 …")
	@$(BIN)/python -m automation.deployments $(ARGS)

.PHONY: lint
lint: $(SETUP) ## ruff, mypy strict, import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .lint-imports.log 2>&1 || { cat .lint-imports.log; rm -f .lint-imports.log; exit 1; }; rm -f .lint-imports.log

.PHONY: format
format: $(SETUP) ## let ruff format and sort
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(SETUP) ## time the main job's phases and print their ratios
	@$(BIN)/python -m benchmarks.phases

.PHONY: local
local: $(SETUP) ## start the local AWS and print its environment: eval "$$(make -s local)"
	@$(BIN)/python -m automation.local start

.PHONY: local-stop
local-stop: $(SETUP) ## stop the local AWS and throw its state away
	@$(BIN)/python -m automation.local stop

.PHONY: lock
lock: $(SETUP) ## write requirements.lock anew from pyproject.toml
	@$(BIN)/pip-compile --quiet --allow-unsafe --extra dev --generate-hashes --strip-extras --no-header \
	  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links --output-file requirements.lock pyproject.toml

.PHONY: clean
clean: ## remove everything that was installed or built here
	@rm -rf $(VENV) .kit .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Complete only once every package of the lock is there: an interrupted set-up starts again.
# The lock names every package, so nothing is resolved: pip before 23.3 looks past the lock for what is asked for with
# extras, and then refuses the newest release for having no hash.
$(SETUP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "installing the locked packages into $(VENV) (once) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	@touch $(SETUP)
