# `make` alone lists what there is. Everything runs in an environment of its own in .venv, set up on first use.

VENV := .venv
READY := $(VENV)/.ready
# The first Python on this machine that is new enough; `make PYTHON=/path/to/python …` chooses another.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# Options of `make bench` and its siblings, such as BENCH="--rounds 1 --seconds 1".
BENCH ?=
# Options of `make faults`, such as FAULTS="--only L1,L2".
FAULTS ?=
# Options of `make truth`, such as TRUTH="--only healthy,duty".
TRUTH ?=
# Options of `make parity`, such as PARITY="--only shape,quit".
PARITY ?=

# How many tests run at once. Most wait for processes rather than for a core; the long ones begin, so that short ones fill up the end.
# Those of truth measure, and are alone.
SIDE_BY_SIDE ?= 4
# What `make test-fleet` runs, such as FLEET=tests/fleet/test_real_run.py.
FLEET ?= tests/fleet

.DEFAULT_GOAL := help
.PHONY: help swarm-test check test test-fleet bench bench-master bench-memory bench-store bench-report bench-live bench-agent bench-target bench-monitoring bench-environments bench-services bench-open bench-statistics bench-deploy faults truth rows result-schema style parity lint format lock clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'

swarm-test: $(READY) ## Run the main job: 500 simulated nodes, 1000 users, a verdict and a report
	$(VENV)/bin/piswarm run configs/scenarios/swarm.yml

.PHONY: soak-test soak-leak
soak-test: $(READY) ## Run a soak of five minutes: its verdict says whether anything drifted
	$(VENV)/bin/piswarm run configs/scenarios/soak-test.yml

soak-leak: $(READY) ## Show that the same soak finds a target that leaks 1 MB a minute
	$(VENV)/bin/python tests/soak

check: style ## Check style, types and units: about a minute, before each commit
	$(VENV)/bin/pytest -q -n auto --hypothesis-profile quick tests/unit

test: $(READY) ## Run all tests that need no root
	$(VENV)/bin/pytest -n $(SIDE_BY_SIDE) --dist loadfile --no-loadscope-reorder tests/integration tests/browser tests/parity tests/unit
	$(VENV)/bin/pytest tests/truth
	$(VENV)/bin/pytest -n 3 --dist loadfile tests/faults

test-fleet: $(READY) ## Deploy to real hosts of a lab on this machine; needs root, Debian, systemd-container, debootstrap
	$(VENV)/bin/pytest $(FLEET)

bench: $(READY) ## Measure HTTP clients side by side on one core: ours, Locust's, wrk, k6; needs nginx
	$(VENV)/bin/python tests/bench/http $(BENCH)

bench-master: $(READY) ## Measure what a master costs with 500, 1000 and 2000 workers: ours, Locust's
	$(VENV)/bin/python tests/bench/master $(BENCH)

bench-memory: $(READY) ## Measure what a controller holds over a played day of 500 nodes and 50 endpoints
	$(VENV)/bin/python tests/bench/memory $(BENCH)

bench-report: $(READY) ## Measure how long the report of a day of 500 nodes takes to make and to open, and its size; needs Chromium
	$(VENV)/bin/python tests/bench/report $(BENCH)

bench-live: $(READY) ## Measure what ten open pages cost a run of 500 nodes, and the first paint; needs Chromium
	$(VENV)/bin/python tests/bench/live $(BENCH)

bench-store: $(READY) ## Measure how large run.db of a day becomes, and what writing it costs, with thinning and without
	$(VENV)/bin/python tests/bench/store $(BENCH)

bench-agent: $(READY) ## Measure what an agent takes of a node's core, and how late its samples are
	$(VENV)/bin/python tests/bench/agent $(BENCH)

bench-target: $(READY) ## Measure every gate of the embedded target beside the generator
	$(VENV)/bin/python tests/bench/target $(BENCH)

bench-monitoring: $(READY) ## Measure what recording, cache, rate limits, export, spans and rules cost, against their floors
	$(VENV)/bin/python tests/bench/monitoring $(BENCH)

bench-environments: $(READY) ## Measure what generating and checking an environment takes, against its limits
	$(VENV)/bin/python tests/bench/environments $(BENCH)

bench-services: $(READY) ## Measure what reading, ordering and asking services takes, against its limits; needs PostgreSQL and Redis
	$(VENV)/bin/python tests/bench/services $(BENCH)

bench-open: $(READY) ## Measure the open model beside wrk2 and the closed model on targets that stall
	$(VENV)/bin/python tests/bench/open $(BENCH)

bench-statistics: $(READY) ## Measure how often comparisons and soaks raise a false alarm, and find what got slower or leaks
	$(VENV)/bin/python tests/bench/statistics $(BENCH)

bench-deploy: $(READY) ## Measure what a deployment to 8 and 32 hosts of a lab costs: fab, an Ansible playbook; needs what test-fleet does
	$(VENV)/bin/python tests/bench/deploy $(BENCH)

faults: $(READY) ## Show faults of stock Locust, and that ours are free of them
	$(VENV)/bin/python tests/faults $(FAULTS)

parity: $(READY) ## Show what a Locust project sees under stock Locust and under piswarm, feature by feature
	$(VENV)/bin/python tests/parity $(PARITY)

truth: $(READY) ## Show that a run's figures are true, or that it says that they are not
	$(VENV)/bin/python tests/truth $(TRUTH)

rows: $(READY) ## Show that no data row is used twice: 500 nodes, half of them killed, and the controller; about three minutes
	ROWS_NODES=500 $(VENV)/bin/pytest -s -q tests/integration/run/test_data_rows.py -k seen_twice

result-schema: $(READY) ## Make the schema and the reference of result.json in docs/performance again, from the structs
	$(VENV)/bin/python tests/result_reference.py

style: $(READY) ## Check style and types
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

lint: style ## Check style, types and the direction of imports
	$(VENV)/bin/pytest -q tests/unit/project/test_imports.py

format: $(READY) ## Format the code
	$(VENV)/bin/ruff check --fix-only .
	$(VENV)/bin/ruff format .

lock: ## Pin the newest versions that pyproject.toml allows (needs uv)
	uv pip compile --upgrade --universal --python-version 3.11 --generate-hashes --all-extras \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	# What goes to the nodes: the plain dependencies, in the versions that are tested here.
	uv pip compile --universal --python-version 3.11 --generate-hashes --only-binary :all: --constraints requirements.lock \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" pyproject.toml -o requirements-node.lock
	# The same with drivers of databases, for scenarios whose users need them. redis-py wants async-timeout up to Python 3.11.2, and
	# a node's patch version is not known when its release is built.
	echo async-timeout | uv pip compile --universal --python-version 3.11 --generate-hashes --only-binary :all: \
		--extra database --constraints requirements.lock --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml - -o requirements-node-database.lock
	# The same with what exports spans, for scenarios with tracing.
	echo async-timeout | uv pip compile --universal --python-version 3.11 --generate-hashes --only-binary :all: \
		--extra database --extra tracing --constraints requirements.lock --no-emit-index-url --no-emit-find-links \
		--custom-compile-command "make lock" pyproject.toml - -o requirements-node-tracing.lock

clean: ## Remove the environment and everything made by it
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis bench

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "No Python 3.11 or newer was found. Install one, or say: make PYTHON=/path/to/python"; exit 1; }
	@echo "Setting up $(VENV) (once, about a minute)"
	@$(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); \
		echo "This Python can't make virtual environments. On Debian: apt install python3-venv"; exit 1; }
	@$(VENV)/bin/pip install -qq --disable-pip-version-check --no-deps --only-binary :all: --require-hashes -r requirements.lock
	@$(VENV)/bin/pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@
