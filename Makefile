# One command each: `make demo` shows the main job, `make test` proves that it works.
# `make test DEV=dev,torch` also runs the tests that need torch.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
DEV ?= dev
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-long lint bench docs clean

demo: $(VENV)/.base
	$(BIN)/thalweg demo --out demo

test: $(VENV)/.dev
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto

test-long: $(VENV)/.dev
	OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long -n auto

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(BIN)/pyright --pythonpath $(BIN)/python

bench: $(VENV)/.dev
	$(PIP) --editable '.[dev,bench]'
	$(BIN)/python benchmarks/cold_start.py
	$(BIN)/python benchmarks/saddle_path.py
	$(BIN)/python benchmarks/cross_validation.py
	$(BIN)/python benchmarks/bootstrap.py
	$(BIN)/python benchmarks/certificates.py
	$(BIN)/python benchmarks/smooth_path.py
	$(BIN)/python benchmarks/flow.py
	$(BIN)/python benchmarks/tall_data.py
	$(BIN)/python benchmarks/wide_data.py
	$(BIN)/python benchmarks/adapted_exact.py
	$(BIN)/python benchmarks/adapted_certified.py
	$(BIN)/python benchmarks/adapted_digits.py
	$(BIN)/python benchmarks/adapted_peers.py
	$(BIN)/python benchmarks/shallow_hessian.py
	$(BIN)/python benchmarks/shallow_certificates.py
	$(BIN)/python benchmarks/shallow_minima.py
	$(BIN)/python benchmarks/shallow_escapes.py
	$(BIN)/python benchmarks/shallow_traps.py

docs: $(VENV)/.docs
	$(BIN)/mkdocs build --strict

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[$(DEV)]'
	touch $@ $(VENV)/.base

$(VENV)/.docs: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) demo site
