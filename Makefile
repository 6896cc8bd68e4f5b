# Every target sets up what it needs: a machine with python3 (3.11 or newer), pip and GNU make is enough.
# Two stamps stand for "set up": one for what the service needs, one for what its developers need besides.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
UV := $(BIN)/uv

# The lock names the public package hosts; a private index in the environment would make it look out of date.
unexport UV_DEFAULT_INDEX UV_INDEX UV_INDEX_URL UV_EXTRA_INDEX_URL UV_PROJECT_ENVIRONMENT VIRTUAL_ENV

RUNTIME := $(VENV)/.ready-to-run
DEVELOP := $(VENV)/.ready-to-develop
PACKAGES := actors supervisors web persistence config ops

PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check format bench simulate risk-proof kill-proof webhook-storm redis-outage tamper mutants crash soak contract edge-proof venue image image-check clean

help: ## say what the targets do
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

$(UV):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "tradewarden needs Python 3.11 or newer; $(PYTHON) is `$(PYTHON) -V 2>&1`. Try: make PYTHON=/path/to/python3" >&2; exit 1; }
	@echo "setting up $(VENV)" >&2
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then \
		$(PYTHON) -m venv $(VENV) && $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	else \
		$(PYTHON) -m venv --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check uv==$(UV_VERSION); \
	fi

$(RUNTIME): pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --locked --no-dev --inexact
	@touch $@

$(DEVELOP): pyproject.toml uv.lock | $(UV)
	@$(UV) sync --quiet --locked --inexact
	@touch $@

run: $(RUNTIME) ## start the service with its own PostgreSQL
	@exec $(BIN)/tradewarden run

test: $(DEVELOP) ## run the tests (PYTEST_ARGS="-k name" for some)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(DEVELOP) ## lint, types, import rules, determinism, lock, contract
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m ops.lint.determinism
	$(BIN)/python -m ops.lint.lock_hosts
	$(BIN)/python -m ops.lint.run_if_there ops.lint.contract

format: $(DEVELOP) ## put the code into its format
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEVELOP) ## measure; one JSON object a line
	@$(BIN)/python -m ops.lint.run_if_there ops.bench

simulate: $(RUNTIME) ## play seeds of the deterministic simulation: SEEDS=n or SEED=s, RESULTS=file to go on
	@$(BIN)/python -m ops.lint.run_if_there ops.proof.simulate $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),10) $(if $(RESULTS),--results $(RESULTS)))

risk-proof: $(RUNTIME) ## place a million orders against the risk check, judged from the journal alone: N=n SEED=s
	@$(BIN)/python -m ops.proof.risk_proof --attempts $(or $(N),1000000) --seed $(or $(SEED),1)

tamper: $(RUNTIME) ## tamper with a journal at random and see that verify finds it: N=n
	@$(BIN)/python -m ops.proof.tamper --times $(or $(N),1000)

kill-proof: $(RUNTIME) ## pull the kill switch under load, before kill -9, without a database, with a full disk: N=n
	@$(BIN)/python -m ops.proof.kill --crashes $(or $(N),200)

mutants: $(DEVELOP) ## plant bugs in copies of the code and see that the simulation finds them: RESULTS=file to go on
	@$(BIN)/python -m ops.lint.run_if_there ops.proof.mutants $(if $(RESULTS),--results $(RESULTS))

mutation: $(DEVELOP) ## change the pure cores in small ways and see that tests notice: SCOPE=name, FOLDER=f to go on
	@$(UV) sync --quiet --locked --inexact --group mutation
	@$(BIN)/python -m ops.proof.mutation $(if $(SCOPE),--scope $(SCOPE)) $(if $(FOLDER),--folder $(FOLDER))

crash: $(RUNTIME) ## crash the service in the middle of its load, N times, and check what it kept: FOLDER=f to go on
	@$(BIN)/python -m ops.lint.run_if_there ops.proof.crash --times $(or $(N),10) $(if $(FOLDER),--folder $(FOLDER))

soak: $(RUNTIME) ## load the service with faults for SECONDS (1800) and see whether it grows, leaks or slows down
	@$(BIN)/python -m ops.proof.soak --seconds $(or $(SECONDS),1800)

webhook-storm: $(DEVELOP) ## 10,000 webhooks to a failing receiver while the sender is killed: N=n KILLS=n
	@$(BIN)/python -m tests.end_to_end.storm --webhooks $(or $(N),10000) --kills $(or $(KILLS),20)

redis-outage: $(DEVELOP) ## stop Redis for a minute under load; no order may fail
	@$(BIN)/python -m tests.end_to_end.outage

exchange-proof: $(RUNTIME) ## faults, outage, crashes and the dead-man's switch against the local venue
	@$(BIN)/python -m ops.proof.venue_faults --exchange all --orders $(or $(ORDERS),2000)
	@$(BIN)/python -m ops.proof.outage
	@$(BIN)/python -m ops.proof.outage --silent
	@$(BIN)/python -m ops.proof.broker_crashes --exchange all
	@$(BIN)/python -m ops.proof.dead_man

contract: $(DEVELOP) ## attack a running service from its contract: N=cases of each operation SEED=s
	@$(BIN)/python -m ops.lint.run_if_there ops.lint.contract
	@$(BIN)/python -m ops.proof.contract --examples $(or $(N),100) $(if $(SEED),--seed $(SEED))

edge-proof: $(RUNTIME) ## slow clients, many subscribers, a client killed and resumed, one order asked for 2,000 times
	@$(BIN)/python -m ops.proof.slow_clients
	@$(BIN)/python -m ops.proof.subscribers
	@$(BIN)/python -m ops.proof.resumes
	@$(BIN)/python -m ops.proof.retries

venue: $(RUNTIME) ## start a local exchange to trade against
	@$(BIN)/python -m ops.lint.run_if_there ops.venue

image: ## build the container image, with docker or buildah
	@if docker info >/dev/null 2>&1; then docker build --file ops/deploy/Dockerfile --tag tradewarden .; \
	elif command -v buildah >/dev/null 2>&1; then buildah build --format docker --file ops/deploy/Dockerfile --tag tradewarden .; \
	else echo "make image: there is neither a running docker nor buildah on this machine" >&2; exit 1; fi

image-check: $(UV) ## build the image without a docker daemon and try it (root, buildah, podman; STAND_IN=1 where the base can't be pulled)
	@$(BIN)/python -m ops.deploy.image_check $(if $(STAND_IN),--stand-in)

clean: ## remove the environment and all caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
