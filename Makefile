# olivepress: every target installs what it needs. MODEL= a recipe, family, Hub id or directory; DATA= your data;
# OPTIONS= for run, such as --keep-going.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DATA_OPTION := $(if $(DATA),--data "$(DATA)")
MODEL ?= tiny-phi
.DEFAULT_GOAL := help
# uv installs; where pip is told to find packages, uv finds them too.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
export UV_DEFAULT_INDEX ?= $(PIP_INDEX_URL)
.PHONY: help install families canary doctor demo real wheel test test-long test-next test-real test-cluster test-buckets check docs golden fuzz adapters adapter-accuracy gain-retained peers training-benchmark pipeline-cost chain-cost cluster-cost estimates recipe matrix rehearse run bench report ui clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-18s %s\n", $$1, $$2}'

install: $(STAMP) ## create .venv and install the pinned set

$(STAMP): pyproject.toml requirements.lock
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) not found; install Python 3.11 or later, or make PYTHON=python3"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock uv
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --requirement requirements.lock --editable '.[dev]'
	touch $@

doctor: $(STAMP) ## test packages, providers and devices on this machine; print what is broken, and the fix
	@$(BIN)/olivepress doctor

demo: $(STAMP) ## run the full pipeline on the embedded model: fine-tune, merge, int4, measure, compare
	@$(BIN)/olivepress demo

# A target that loses too much fails the run; the targets that pass are still measured and shown.
real: $(STAMP) ## run the full pipeline on a real model and real data: half an hour on two cores
	@$(BIN)/olivepress run smollm2-banking77 $(DATA_OPTION) $(OPTIONS); run=$$?; \
	$(BIN)/olivepress bench smollm2-banking77 $(DATA_OPTION) > /dev/null && \
	$(BIN)/olivepress report smollm2-banking77 $(DATA_OPTION) && exit $$run

wheel: $(STAMP) ## build the wheel and source archive in dist/, and try the wheel in an empty folder as a new user
	rm -rf dist
	$(BIN)/uv build --quiet --python $(BIN)/python
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/end_to_end/test_wheel.py -v

# One thread each: the threads of two processes on two cores wait for each other.
test: $(STAMP) ## run the tests (those that need real data are skipped, with the reason, where it is absent)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not cluster and not buckets" --durations 15

test-long: $(STAMP) ## run the long tests: minutes of training and exporting
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -vv -m "slow and not real and not next and not cluster and not buckets" --durations 15

test-next: $(STAMP) ## run the tests of the environment build-next, which is installed first: some GB, minutes of building
	$(BIN)/olivepress env create build-next
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -vv -m next --durations 15

test-cluster: $(STAMP) ## run the tests of a cluster: a scheduler, four workers, each killed at random times, 50 runs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/run/executors -vv -n 0 -m "not buckets" --durations 15

test-buckets: $(STAMP) ## test the store of a cluster with the clients of S3 and Azure, in an environment of its own
	test -x $(VENV)-buckets/bin/python || $(BIN)/uv venv --quiet --python $(BIN)/python $(VENV)-buckets
	$(BIN)/uv pip install --quiet --compile-bytecode --python $(VENV)-buckets/bin/python -r tests/run/executors/buckets.txt --editable .
	$(VENV)-buckets/bin/python -m pytest tests/run/executors/test_store.py -vv -m buckets

test-real: $(STAMP) ## run the tests on ../shared/data and in Chromium; fails when either is absent
	OLIVEPRESS_REQUIRE_DATA=1 $(BIN)/python -m pytest -m "real or browser" -s

check: $(STAMP) ## run ruff, mypy, import-linter; check the layout, golden workflows and generated docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/check_layout.py
	$(BIN)/python scripts/golden.py --check
	$(BIN)/python scripts/reference_docs.py --check

docs: $(STAMP) ## build the documentation site in site/; a broken link is an error, the network is not used
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

golden: $(STAMP) ## render the golden workflows and the generated docs again
	$(BIN)/python scripts/golden.py
	$(BIN)/python scripts/reference_docs.py

fuzz: $(STAMP) ## fuzz every reader of untrusted files for an hour
	$(BIN)/python scripts/fuzz.py --minutes 60 --jobs 2

adapters: $(STAMP) ## compare packages of adapters with merged models: size, load, memory, switching, decode rate
	$(BIN)/python benchmarks/adapters.py

adapter-accuracy: $(STAMP) ## compare the accuracy of packages and merged models: three tasks, three seeds
	$(BIN)/python benchmarks/adapter_accuracy.py

gain-retained: $(STAMP) ## measure what each target, llama.cpp, OpenVINO and stock Olive keep of a real fine-tune's gain
	$(BIN)/python benchmarks/gain_retained.py

peers: $(STAMP) ## compare int4 with llama.cpp, OpenVINO GenAI, transformers and stock Olive: speed, size, fidelity
	$(BIN)/python benchmarks/peers.py

chain-cost: $(STAMP) ## compare a recipe of six targets with six stand-alone Olive chains
	$(BIN)/python benchmarks/chains.py

cluster-cost: $(STAMP) ## measure what a cluster costs for each job, and a plan of 10,000 jobs
	$(BIN)/python benchmarks/cluster.py

families: $(STAMP) ## build a small model of every model type in both build environments and compare it with PyTorch
	$(BIN)/olivepress env create build-next
	$(BIN)/python benchmarks/families.py

# make's own exit code is 2 where the command's is 10 (something is newer) or 11 (the table differs).
canary: $(STAMP) ## list newer versions of build-next's packages; OPTIONS=--table builds the small models with them
	@$(BIN)/python benchmarks/canary.py $(OPTIONS)

estimates: $(STAMP) ## compare the memory that jobs take with what plan estimates; SMOLLM2=folder adds that model
	$(BIN)/python benchmarks/estimates.py $(if $(SMOLLM2),--smollm2 "$(SMOLLM2)")

pipeline-cost: $(STAMP) ## measure the time of plan, render, lint and report
	$(BIN)/python benchmarks/pipeline_cost.py

training-benchmark: $(STAMP) ## compare the fine-tune workflow with stock Olive's and a plain Trainer
	$(BIN)/python benchmarks/training.py

recipe: $(STAMP) ## render and lint every workflow of MODEL, offline
	@$(BIN)/olivepress render "$(MODEL)" $(DATA_OPTION)

matrix: $(STAMP) ## build every target for MODEL: what builds, how it was verified, what was lost
	@$(BIN)/olivepress matrix "$(MODEL)"

rehearse: $(STAMP) ## run MODEL's pipeline at real size on random weights, and llama.cpp on the same shape
	@$(BIN)/olivepress rehearse "$(MODEL)" --keep
	@$(BIN)/python benchmarks/rehearsed.py "$(MODEL)"

run: $(STAMP) ## run every job of MODEL that is not finished
	@$(BIN)/olivepress run "$(MODEL)" $(DATA_OPTION) $(OPTIONS)

bench: $(STAMP) ## measure the artifacts of MODEL on this machine
	@$(BIN)/olivepress bench "$(MODEL)" $(DATA_OPTION)

report: $(STAMP) ## compare the device reports of MODEL
	@$(BIN)/olivepress report "$(MODEL)" $(DATA_OPTION)

ui: $(STAMP) ## show the recorded runs in MLflow's web interface, on this machine only
	@$(BIN)/olivepress env create tracking-ui
	@$(BIN)/olivepress runs ui

clean: ## remove runs, datasets and models (not the environment)
	rm -rf runs datasets models
