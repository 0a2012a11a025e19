# K-Means by MapReduce over gRPC. `make help` lists the targets.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
KERNELS := $(VENV)/.kernels-ready
PEERS  := $(VENV)/.bench-ready
ENGINES := $(VENV)/.engines-ready
PIPELINES := $(VENV)/.pipelines-ready
CLASSES := $(VENV)/spark.jsa
ALL := $(VENV)/.all-ready
NOTEBOOK := $(VENV)/.notebook-ready
PICTURES := $(VENV)/.pictures-ready
STUBS  := protos/mapreduce_pb2.py
RUNS   := $(READY) $(STUBS) $(KERNELS)

# Variables of run-local, run-docker, spark-run and dask-run.
M     ?= 2
R     ?= 2
K     ?= 2
N     ?= 20
INPUT ?= data/input/points.txt
ARGS  ?=

# One word for the shell, whatever is in it.
quoted    = '$(subst ','\'',$(1))'
RUN_ARGS  = --mappers $(M) --reducers $(R) --k $(K) --iters $(N) --input $(call quoted,$(INPUT)) $(ARGS)

.DEFAULT_GOAL := help
.PHONY: help run-local run-docker unit test check lint types imports chaos bench bench-classification speedup \
	pipelines notebook pictures model protos certs sample clean spark-cluster spark-run dask-cluster dask-run down

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo "  variables of run-local and run-docker: M=$(M) R=$(R) K=$(K) N=$(N) INPUT=$(INPUT) ARGS=$(ARGS)"

# Python compiles what it imports; pip would compile all that it installs.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --editable

# The environment: made once, and again when the dependencies change. Installing generates the stubs.
$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[dev]'
	@touch $(READY)

# All that the tests need, in half the time that it takes bit by bit.
$(ALL): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) '.[dev,spark,dask,pipelines]'
	@touch $(READY) $(ENGINES) $(PIPELINES) $(ALL)

# Compiling the kernels now spares the first large run the wait.
$(KERNELS): $(READY)
	$(BIN)/python -m common.kernels
	@touch $(KERNELS)

# Generated again when the .proto file changes.
$(STUBS): protos/mapreduce.proto scripts/protos.py | $(READY)
	$(BIN)/python -m scripts.protos
	@touch $(STUBS)

run-local: $(RUNS) ## cluster INPUT with M mappers, R reducers, K clusters, N iterations
	$(BIN)/python -m master $(RUN_ARGS)

# Spark and Dask: installed where an engine on them is tested or tried. Spark needs Java 17 as well.
$(ENGINES): pyproject.toml | $(READY)
	$(INSTALL) '.[spark,dask]'
	@touch $(ENGINES)

# Tests start Spark often. They also work if this fails.
$(CLASSES): $(ENGINES)
	-$(BIN)/python -m scripts.clusters.quick_start >/dev/null 2>&1

# Compose reads these; each run has certificates of its own, so that none is too old.
COMPOSE = M=$(M) R=$(R) K=$(K) N=$(N) RUN_AS="$$(id -u):$$(id -g)" INPUT="$$input" docker compose

run-docker: ## run-local, but each process in a container (needs Docker)
	@mkdir -p out/data && rm -rf out/certs
	@test -f $(call quoted,$(INPUT)) || { echo "INPUT: there is no such file:" $(call quoted,$(INPUT)); exit 2; } >&2
	@input=$$(realpath $(call quoted,$(INPUT))) && trap : INT TERM && \
	$(COMPOSE) build certs && $(COMPOSE) run --rm certs >/dev/null && \
	{ $(COMPOSE) run --rm --use-aliases master $(ARGS); code=$$?; $(COMPOSE) down --volumes; exit $$code; }

UNIT_TESTS := tests/common tests/master tests/mapper tests/reducer tests/scripts tests/docs tests/test_sizes.py

unit: $(RUNS) ## run the fast tests, in about a minute: no whole runs, no Spark, no Dask
	$(BIN)/python -m pytest --numprocesses 4 --dist loadfile -m 'not slow' $(UNIT_TESTS)

# Most tests wait for other processes, so that two cores are busy with six at a time. A file's tests stay together.
test: $(RUNS) $(ENGINES) $(PIPELINES) $(CLASSES) ## run all tests
	$(BIN)/python -m pytest --numprocesses 6 --dist loadfile --no-loadscope-reorder

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY) $(STUBS)
	$(BIN)/mypy

imports: $(READY) $(STUBS)
	$(BIN)/lint-imports

check: $(ALL) ## everything that CI runs; what needs one core runs two at a time
	$(MAKE) --no-print-directory --jobs 2 lint types imports $(KERNELS) $(CLASSES)
	$(MAKE) --no-print-directory test

spark-cluster: $(RUNS) $(ENGINES) ## start a Spark cluster here: a master and two workers, with a secret
	@$(BIN)/python -m scripts.clusters.spark up

spark-run: $(RUNS) $(ENGINES) ## run-local, but on that cluster
	@$(BIN)/python -m scripts.clusters.spark run $(RUN_ARGS)

dask-cluster: $(RUNS) $(ENGINES) ## start a Dask cluster here: a scheduler and two workers, with TLS
	@$(BIN)/python -m scripts.clusters.dask up

dask-run: $(RUNS) $(ENGINES) ## run-local, but on that cluster
	@$(BIN)/python -m scripts.clusters.dask run $(RUN_ARGS)

down: $(READY) ## end the clusters that were started so
	@$(BIN)/python -m scripts.clusters.spark down
	@$(BIN)/python -m scripts.clusters.dask down

# The libraries that the benchmark compares with; Spark and dask-ml take part if they are installed there.
$(PEERS): pyproject.toml | $(READY)
	$(INSTALL) '.[bench]'
	@touch $(PEERS)

bench: $(RUNS) $(PEERS) ## measure, side by side, and print a table (ARGS='--help' lists options)
	$(BIN)/python -m scripts.bench $(ARGS)

bench-classification: $(RUNS) $(PEERS) $(ENGINES) ## the same for classification, beside MLlib and scikit-learn
	$(BIN)/python -m scripts.bench.classification $(ARGS)

speedup: $(RUNS) $(PEERS) ## measure 1 to M mappers on every engine, and draw it (ARGS='--help' lists options)
	$(BIN)/python -m scripts.bench.speedup $(ARGS)

# XGBoost and the others that the pipelines are made of; Spark needs Java 17 as well.
$(PIPELINES): pyproject.toml | $(READY) $(ENGINES)
	$(INSTALL) '.[pipelines]'
	@touch $(PIPELINES)

pipelines: $(RUNS) $(PIPELINES) ## compare with pipelines of MLlib, XGBoost and scikit-learn (ARGS='--help')
	$(BIN)/python -m scripts.pipelines $(ARGS)

$(NOTEBOOK): pyproject.toml | $(READY)
	$(INSTALL) '.[notebook]'
	@touch $(NOTEBOOK)

notebook: $(RUNS) $(NOTEBOOK) ## execute docs/notebooks/walkthrough.ipynb; out/walkthrough.ipynb has the outputs
	$(BIN)/python -m scripts.notebook out/walkthrough.ipynb

$(PICTURES): pyproject.toml | $(READY)
	$(INSTALL) '.[pictures]'
	@touch $(PICTURES)

pictures: $(RUNS) $(ENGINES) $(PICTURES) ## make docs/pictures again (needs Chromium and Java; ARGS=terminal: one)
	$(BIN)/python -m scripts.pictures $(ARGS)

model: $(READY) ## check the model of the protocol (needs spin and gcc)
	$(BIN)/python -m scripts.model

chaos: $(RUNS) ## disturb runs at random for ten minutes (ARGS='--seconds 60 --seed 7')
	$(BIN)/python -m scripts.chaos $(ARGS)

protos: $(READY) ## generate the code of the wire again
	@touch protos/mapreduce.proto
	@$(MAKE) --no-print-directory $(STUBS)

certs: $(READY) $(STUBS) ## make certificates for several machines in certs/ (ARGS='--out DIR --days N')
	$(BIN)/python -m master certs $(ARGS)

sample: $(READY) $(STUBS) ## generate the larger sample again
	$(BIN)/python -m scripts.blobs --rows 5000 --columns 2 --clusters 5 --seed 7 data/input/blobs.csv

clean: $(if $(and $(wildcard .clusters),$(wildcard $(READY))),down) ## remove the environment, generated code, caches and what runs wrote
	rm -rf $(VENV) .clusters build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	rm -f protos/*_pb2*.py protos/*_pb2*.pyi dump.txt data/centroids.txt data/counts.csv data/.lock
	rm -rf data/mappers data/reducers data/checkpoints
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
