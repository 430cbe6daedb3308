# Shoal's targets; `make help` lists them. All of them work inside .venv/, which `make setup` fills from requirements.lock.

VENV := .venv
PY := $(VENV)/bin/python
BROKER ?= embedded
FAULTS ?= all
RUNS ?= 20
SEED ?= 1
N ?= 10000
MINUTES ?= 30
INPUTS ?= 1000000
# Passed to pytest as it is, e.g. make test ARGS="-k sweep"
ARGS ?=
# The first of these that is Python 3.11 or later builds the environment; override with make PYTHON=...
PYTHON ?=
PYTHONS := $(PYTHON) python3.11 python3.12 python3.13 python3 python

SOURCES := $(wildcard models/*.py models/*/*.py streams/*.py streams/*/*.py)

.DEFAULT_GOAL := help
.PHONY: help setup lock demo test lint bench bench-peers quality chaos chaos-controls soak limits simulate fuzz contracts broker-jars clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(VENV)/.warm ## Put everything into .venv/ from the lock file (nothing to do: no time)

demo: setup ## Run the main job live on real customers (BROKER=kafka for real Apache Kafka)
	@if [ "$(BROKER)" = kafka ]; then $(PY) -m streams.embedded; fi
	@$(VENV)/bin/shoal demo --broker $(BROKER) $(ARGS)

# Status 3 of the fetch says that Java or Maven is missing, which is no failure here.
test: setup lint ## Lint, type-check and run the tests; on Apache Kafka too where Java 17 and Maven are
	@status=0; said=$$($(PY) -m streams.embedded 2>&1) || status=$$?; \
	case $$status in \
	0) $(PY) -m pytest $(ARGS) ;; \
	3) echo "skipped: the tests on real Apache Kafka ($$said)"; $(PY) -m pytest -m "not kafka" $(ARGS) ;; \
	*) echo "$$said" >&2; exit $$status ;; \
	esac

lint: setup ## ruff and mypy --strict
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/mypy

bench: broker-jars ## CPU, latency and memory of the worker against the bare loop, on real Kafka (ARGS="--skip growth")
	@$(PY) -m tests.benchmarks.bench_worker $(ARGS)

bench-peers: broker-jars ## CPU of the worker beside Kafka Streams, Flink, Quix, Faust and the bare loop (ARGS="--rounds 1")
	@$(PY) -m tests.benchmarks.bench_peers $(ARGS)

quality: setup ## Simulated personas, whose truth is known, against the kinds of customers that are found (minutes)
	@$(PY) -m tests.quality.personas $(ARGS)

chaos: broker-jars ## Kill, cut off, fill up, restart and compare (FAULTS=all|kill|scale|...|wall|malformed|splits RUNS=20 SEED=1)
	@case $(FAULTS) in \
	wall|malformed|splits) $(PY) -m tests.chaos.$(FAULTS) $(ARGS) ;; \
	*) $(PY) -m tests.chaos.run --faults $(FAULTS) --runs $(RUNS) --seed $(SEED) $(ARGS) ;; \
	esac

soak: broker-jars ## Half of what can be sent and taken at once, a fault a minute, then the oracle (MINUTES=30 SEED=1 ARGS="--rate 5000")
	@$(PY) -m tests.soak.run --minutes $(MINUTES) --seed $(SEED) $(ARGS)

limits: broker-jars ## A million promoted at once, a slow broker, hot keys, five million customers, ... (ARGS="--only backlog")
	@$(PY) -m tests.limits.run $(ARGS)

simulate: setup ## Whole workers in memory, every fault drawn from a seed (N=10000 SEED=1)
	@$(PY) -m tests.simulation.run --n $(N) --seed $(SEED) $(ARGS)

chaos-controls: broker-jars ## Break each guarantee on purpose, in simulation and on Kafka: it must be noticed
	@$(PY) -m tests.simulation.controls
	@$(PY) -m tests.chaos.controls

fuzz: setup ## Broken events, definitions, snapshots and changelogs: no crash, no hang, no nonsense (INPUTS=1000000)
	@$(PY) -m tests.fuzz.run --n $(INPUTS) --seed $(SEED) $(ARGS)

contracts: setup ## Write the JSON Schemas and the AsyncAPI document
	@$(VENV)/bin/shoal contracts $(ARGS)

broker-jars: setup ## Fetch Apache Kafka's jars with Maven (43 MB, once)
	@$(PY) -m streams.embedded

lock: setup ## Renew requirements.lock after a change of pyproject.toml (ARGS=--upgrade for newer versions)
	@$(VENV)/bin/uv pip compile --quiet --universal --python-version 3.11 --all-extras --generate-hashes \
		--no-header --no-emit-index-url $(ARGS) pyproject.toml --output-file requirements.lock

clean: ## Remove the environment and everything built
	rm -rf $(VENV) build dist deploy/kafka/target .mypy_cache .ruff_cache .pytest_cache .hypothesis *.egg-info
	find models streams tests -name __pycache__ -type d -prune -exec rm -rf {} +

# --- how .venv/ is made -------------------------------------------------------------------------------------------

# uv comes first, from the lock file like everything else: it installs the rest in seconds where pip takes a minute.
$(VENV)/.uv:
	@for python in $(PYTHONS); do \
		if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$$found" ]; then echo "make: no Python 3.11 or later found; install one, or say make PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "setup: $(VENV) with $$("$$found" --version)"; \
	"$$found" -m venv --clear $(VENV) || { \
		echo "make: $$found cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > $(VENV)/uv.txt
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.txt
	@touch $@

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.uv
	@echo "setup: installing what requirements.lock pins"
	@$(VENV)/bin/uv pip sync --quiet --compile-bytecode --python $(PY) --require-hashes requirements.lock
	@$(VENV)/bin/uv pip install --quiet --python $(PY) --no-deps --no-build-isolation --editable .
	@touch $@

# The kernel is compiled once here, so that no first command waits for it.
# Bytecode is written here, for processes start in a third of the time with it and not every environment lets them write it.
$(VENV)/.warm: $(VENV)/.installed $(SOURCES)
	@echo "setup: compiling the kernel"
	@$(PY) -m compileall -q models streams
	@$(PY) -m streams.scoring.warm
	@touch $@
