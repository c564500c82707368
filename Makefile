# The front door. `make demo` and `make test` set everything up by themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint types bench chaos fuzz clean

help:            ## what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## ?/  make \1\t/' | expand -t 20

setup: $(STAMP)  ## make .venv with everything in it (about 5 GB the first time; nothing the second)

$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Tintype needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version). Use: make PYTHON=python3.12 ..."; exit 2; }
	@test -x $(BIN)/python || { echo "setting up $(VENV) ..."; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo,dev,scripts]'
	@touch $@

demo: $(STAMP)   ## the whole workflow on 1,797 scanned digits: tune, train, judge, report, serve, ask
	@$(BIN)/python examples/demo.py

test: $(STAMP)   ## style, types and all tests
	@$(BIN)/ruff check .
	@$(BIN)/basedpyright --level error
	@$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(STAMP)   ## style only
	@$(BIN)/ruff check .

types: $(STAMP)  ## types only
	@$(BIN)/basedpyright --level error

bench: $(STAMP)  ## the benchmarks: ours and the peer's side by side (long; see benchmarks/README.md)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[bench]'
	@$(BIN)/python -m benchmarks

chaos: $(STAMP)  ## kill random processes of the job engine 200 times and check that nothing is lost (minutes)
	@$(BIN)/python -m tests.jobs.chaos --rounds 200

fuzz: $(STAMP)   ## 100,000 mutated pictures against a real server (minutes); FUZZ=1000 for fewer
	@$(BIN)/python -m tests.serving.fuzz --count $(or $(FUZZ),100000)

clean:           ## remove what make made
	rm -rf $(VENV) demo-output .pytest_cache .ruff_cache
