# Everything a person needs: `make demo` and `make test` do their own set-up in .venv.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-all lint mutants docs clean

demo: .venv/installed
	$(BIN)/hasten run digits

test: .venv/developed
	PYTHONDONTWRITEBYTECODE= OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist worksteal

test-all: .venv/developed
	OMP_NUM_THREADS=1 $(BIN)/pytest -m "" --timeout 1800

lint: .venv/developed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright
	$(BIN)/lint-imports

mutants: .venv/developed
	$(BIN)/python -m benchmarks.mutants

docs: .venv/developed
	$(BIN)/python -m hasten.techniques.documentation docs/techniques

.venv/created:
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "hasten needs Python 3.11 or later, found " + sys.version'
	$(PYTHON) -m venv .venv
	touch $@

.venv/installed: .venv/created pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

.venv/developed: .venv/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist
