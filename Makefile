# One target per command. Each target does the set-up it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.complete
DOCS := .venv-docs

.PHONY: help
help: ## show this help
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## /{printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: e2e
e2e: $(SETUP) ## deploy both patterns, run ten tasks each, verify, destroy (ARGS="--pattern 1 …")
	@$(BIN)/python automation/e2e.py $(ARGS)

.PHONY: docker-e2e
docker-e2e: $(SETUP) ## e2e with real containers, and their tests; root on Debian gets a Docker engine (ARGS="…")
	@$(BIN)/python -m tools.docker_engine bash -c 'set -e; \
	  $(BIN)/python automation/e2e.py --container-runtime docker --config "baseImage=$$KIT_BASE_IMAGE" $(ARGS); \
	  $(BIN)/python -m pytest --quiet $(LONGER) -m docker tests/integration local_aws/tests/integration tests/e2e/test_examples.py tests/e2e/test_any_container.py'

.PHONY: wheels
wheels: $(SETUP) ## download the image's packages into its build context, for builds without a package index
	@$(BIN)/python -c 'from tools import docker_engine; docker_engine.fetch_wheels()'

PYTEST := $(BIN)/python -m pytest --quiet --numprocesses 2 --dist loadfile
LONGER := --timeout 900 -o faulthandler_timeout=1800
COVERAGE := --cov-report=term:skip-covered --cov-fail-under

.PHONY: test
test: $(SETUP) ## the tests that take less than three minutes in all, with coverage (ARGS="-k name …")
	@$(PYTEST) -m "not acceptance and not docker and not browser" --cov $(COVERAGE)=92 tests local_aws/tests/test_readme.py $(ARGS)

.PHONY: test-browser
test-browser: $(SETUP) ## the report's page in Chromium; root on Debian gets a Chromium (ARGS="-k name …")
	@$(BIN)/python -m tools.browser $(BIN)/python -m pytest --quiet -m browser tests/browser $(ARGS)

.PHONY: pictures
pictures: $(SETUP) ## write the pictures of the documentation from a real run
	@$(MAKE) --no-print-directory test-browser ARGS="-k the_main_job_writes"
	@mkdir -p docs/images && cp reports/browser/real-run.png docs/images/report.png && cp reports/browser/progress.svg docs/images/

.PHONY: test-local-aws
test-local-aws: $(SETUP) ## the local AWS's own tests, with coverage (ARGS="-k name …")
	@$(PYTEST) $(LONGER) -m "not docker" --cov=local_aws $(COVERAGE)=92 local_aws/tests $(ARGS)

.PHONY: acceptance
acceptance: $(SETUP) ## the tests that take minutes: every injected fault, whole journeys of the driver (ARGS="-k name …")
	@$(PYTEST) $(LONGER) -m "acceptance and not docker" tests/integration tests/e2e $(ARGS)

.PHONY: soak
soak: $(SETUP) ## fifty runs with injected faults on one deployed stack: all reach a terminal state (ARGS="--runs 6 --seed 2 …")
	@$(BIN)/python -m tools.soak $(ARGS)

.PHONY: deployments
deployments: $(SETUP) ## deploy and destroy a hundred times on a busy machine: every deployment is complete (ARGS="--count 10 …")
	@$(BIN)/python -m tools.deployments $(ARGS)

.PHONY: lint
lint: $(SETUP) ## ruff, mypy strict, import contracts
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "run: make format"; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > .lint-imports.log 2>&1 || { cat .lint-imports.log; rm -f .lint-imports.log; exit 1; }; rm -f .lint-imports.log

.PHONY: pages
pages: $(SETUP) ## write what Pulumi.yaml and docs/ repeat of the code: keys, prices, conditions, drawings
	@$(BIN)/python -m tools.pages

.PHONY: docs
docs: $(DOCS)/.complete ## build the documentation as a site with search: site/index.html
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --quiet --strict
	@echo site/index.html

.PHONY: format
format: $(SETUP) ## format and sort with ruff
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(SETUP) ## time the phases of e2e and print their ratios
	@$(BIN)/python -m benchmarks.phases

.PHONY: local
local: $(SETUP) ## start the local AWS and print its environment: eval "$$(make -s local)"
	@$(BIN)/python -m local_aws start --base-image "$$(sed -n '/^  baseImage:/,/default:/s/.*default: "\(.*\)"/\1/p' Pulumi.yaml)"

.PHONY: local-stop
local-stop: $(SETUP) ## stop the local AWS and delete its state
	@$(BIN)/python -m local_aws stop

.PHONY: corrections
corrections: $(SETUP) ## is each correction of MiniStack still needed, and does it still fit? (ARGS="name … | --accept")
	@$(BIN)/python -m local_aws.corrections $(ARGS)

COMPILE := $(BIN)/pip-compile --quiet --allow-unsafe --generate-hashes --strip-extras --no-header \
  --no-emit-index-url --no-emit-trusted-host --no-emit-find-links

.PHONY: lock
lock: $(SETUP) ## regenerate requirements.lock from both projects' pyproject.toml, and that of the documentation
	@$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml local_aws/pyproject.toml
	@$(COMPILE) --output-file requirements-docs.lock requirements-docs.in

.PHONY: clean
clean: ## remove everything that was installed or built here
	@rm -rf $(VENV) $(DOCS) site .kit .local-aws .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Complete only once every package of the lock is installed: an interrupted set-up starts again.
# --no-deps, because the lock names every package, and pip before 23.3 resolves requirements with extras outside the
# lock, where the newest release has no hash.
$(SETUP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "installing the locked packages into $(VENV) (once) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements.lock
	@touch $(SETUP)

$(DOCS)/.complete: requirements-docs.lock
	@$(PYTHON) -m venv $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement requirements-docs.lock
	@touch $@
