# One target per command. Each target does the set-up it needs.
SHELL := /bin/bash
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SETUP := $(VENV)/.complete
DOCS := .venv-docs
SBOM := .venv-sbom

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
test: $(SETUP) ## the tests that need no longer than seconds each, with coverage (ARGS="-k name …")
	@$(PYTEST) -m "not acceptance and not docker and not browser" --cov $(COVERAGE)=92 tests local_aws/tests/test_readme.py $(ARGS)

.PHONY: fuzz
fuzz: $(SETUP) ## 5,000 generated inputs for each step that reads one: specs, lists, command lines (KIT_EXAMPLES=…)
	@KIT_EXAMPLES=$${KIT_EXAMPLES:-5000} $(BIN)/python -m pytest --quiet $(LONGER) --timeout 7200 tests/fuzz $(ARGS)

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

.PHONY: audit
audit: $(SETUP) ## what each role is granted against what it asks for, in runs of every kind; writes docs/security-audit.md
	@$(BIN)/python -m tools.audit $(ARGS)

.PHONY: mutation
mutation: $(SETUP) ## the audit, then: is each grant that is taken away noticed? (ARGS="--role launcher --case list …")
	@$(BIN)/python -m tools.audit --mutation $(ARGS)

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

.PHONY: sbom
sbom: $(SETUP) $(SBOM)/.complete ## software bills of materials of image and functions, in CycloneDX: sbom/
	@$(BIN)/python -m tools.sbom --cyclonedx-py $(SBOM)/bin/cyclonedx-py --output-dir sbom

.PHONY: format
format: $(SETUP) ## format and sort with ruff
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

.PHONY: bench
bench: $(SETUP) ## both patterns beside AWS's starter kit: launch rate, calls, capacity, cost per task (ARGS="--tasks 1000 …")
	@$(BIN)/python -m benchmarks.scale $(ARGS)

.PHONY: bench-model
bench-model: $(SETUP) ## launcher, monitor and counting for 100,000 tasks, without processes (ARGS="--tasks 10000 …")
	@$(BIN)/python -m benchmarks.scale.model $(ARGS)

.PHONY: bench-phases
bench-phases: $(SETUP) ## time the phases of e2e and print their ratios
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

COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --no-header --python-version 3.11

.PHONY: lock
lock: $(SETUP) ## regenerate requirements.lock from both projects' pyproject.toml, and those of documentation and sbom
	@$(COMPILE) --extra dev --output-file requirements.lock pyproject.toml local_aws/pyproject.toml
	@$(COMPILE) --output-file requirements-docs.lock requirements-docs.in
	@$(COMPILE) --output-file requirements-sbom.lock requirements-sbom.in

.PHONY: clean
clean: ## remove everything that was installed or built here
	@rm -rf $(VENV) $(DOCS) $(SBOM) site sbom .kit .local-aws .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage* reports
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Complete only once every package of the lock is installed: an interrupted set-up starts again. uv installs them in a
# fifth of pip's time; pip, where only its own configuration names the package index.
# --no-deps, because the lock names every package.
$(SETUP): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 …" >&2; exit 2; }
	@echo "installing the locked packages into $(VENV) (once) …" >&2
	@$(PYTHON) -m venv $(VENV)
	@sed -n '/^uv==/,/[^\]$$/p' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement $(VENV)/uv.lock
	@options="--quiet --no-deps --require-hashes --requirement requirements.lock"; \
	  $(BIN)/uv pip install --python $(BIN)/python $$options || $(BIN)/python -m pip install --disable-pip-version-check $$options
	@touch $(SETUP)

# Environments of their own, of documentation and bills of materials.
.venv-%/.complete: requirements-%.lock
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement $<
	@touch $@
