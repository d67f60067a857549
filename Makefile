# `make demo` and `make test` need Python 3.11 or newer with pip, and make; everything else goes into .venv.
#
#   make demo PYTHON=python3.12
#   make test TORCH_INDEX=https://download.pytorch.org/whl/cpu    # 5 GB less on x86-64 Linux

PYTHON ?= python3
# Index to install torch from; pip's default index if empty.
TORCH_INDEX ?=
PYTEST_ARGS ?=
# Tests run in as many processes as there are cores, but not in so many that memory gets short; 0 is none but pytest's own.
WORKERS ?= logical

VENV := .venv
BIN := $(VENV)/bin
# A worker runs a part of the list in its order and steals from the others at its end, so few fixtures are made twice.
PYTEST := $(BIN)/python -m pytest --numprocesses $(WORKERS) --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-slow test-avx2 test-arm64 test-android test-web fuzz lint format clean

help:
	@echo 'make demo       train, export and measure a classifier on movie reviews, into quickstart/'
	@echo 'make test       ruff, mypy and the tests'
	@echo 'make test-slow  the heavy checks'
	@echo 'make test-avx2  the trainings as on a processor without AVX-512'
	@echo 'make test-arm64 the engines on emulated ARM64 processors, and instruction counts'
	@echo 'make test-android the Android app: built, linted, its screens run (needs a JDK)'
	@echo 'make test-web   the page to try a classifier, in Chromium (needs it, node and npm)'
	@echo 'make fuzz       the native engine under libFuzzer and sanitizers, SECONDS=3600 for each of three fuzzers'
	@echo 'make lint       ruff and mypy'
	@echo 'make format     let ruff rewrite the code'
	@echo 'make clean      remove .venv, caches and build outputs'

demo: $(VENV)/quickstart.stamp
	$(BIN)/kdbuild quickstart --out quickstart

test: lint
	$(PYTEST) $(PYTEST_ARGS)

# Sums are rounded in another order there, and tiny trainings are chaotic. On other than x86-64 processors the same as before.
test-avx2: $(VENV)/dev.stamp
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(PYTEST) -m 'trains and not slow and not arm64 and not android and not web' $(PYTEST_ARGS)

test-arm64: $(VENV)/dev.stamp
	$(BIN)/python -m benchmarks.arm64 setup
	$(BIN)/python -m pytest -m arm64 $(PYTEST_ARGS)

test-android: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m android $(PYTEST_ARGS)

test-web: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m web $(PYTEST_ARGS)

test-slow: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m slow $(PYTEST_ARGS)

SECONDS ?= 3600
fuzz: $(VENV)/dev.stamp
	$(BIN)/python tests/helpers/fuzzing.py $(SECONDS)

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev.stamp
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .benchmarks
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# A stamp says that the extra of its name is installed as pyproject.toml asks.
$(VENV)/%.stamp: pyproject.toml | $(VENV)/python.stamp
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url $(TORCH_INDEX) torch)
	$(BIN)/python -m pip install --editable '.[$*]'
	@touch $@

# Debian's Python comes without ensurepip unless python3-venv is installed: then its pip fills the environment.
$(VENV)/python.stamp:
	@command -v $(PYTHON) >/dev/null || { echo 'Error: $(PYTHON) is not there. Name another, as in: make PYTHON=python3.12' >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Error: $(PYTHON) is Python %d.%d: kdbuild needs 3.11 or newer. Name another, as in: make PYTHON=python3.12" % sys.version_info[:2])'
	$(PYTHON) -m venv $(VENV) || { $(PYTHON) -m venv --clear --without-pip $(VENV) && $(PYTHON) -m pip --python $(BIN)/python install pip; }
	@touch $@
