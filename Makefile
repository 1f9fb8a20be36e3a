# `make demo` trains and shows the figure; `make test` passes the tests. Each sets up what it needs.
PYTHON ?= python3
NEWER ?= python3.13
VENV ?= .venv
BIN := $(VENV)/bin
PEER ?= .venv-peer
LENS ?= .venv-lens
LENS_VARIABLES := LENS_PYTHON=$(LENS)/bin/python LENS_4=$(LENS)/transformer-lens-4
MARKERS := not slow and not peer and not gpu and not services and not site and not browser and not dist

.PHONY: demo test coverage test-slow test-peer test-lens test-gpu test-services test-browser test-newer test-docs test-dist lint docs dist mutants benchmark clean help

help: ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/:/' | sort

demo: $(VENV)/.run ## train on short sequences, measure at every length, write the HTML report
	$(BIN)/lengthwise demo

test: $(VENV)/.dev ## the default tests, under 8 minutes on 2 cores
	$(BIN)/python -m pytest -q -n 2 -m "$(MARKERS)"

coverage: $(VENV)/.dev ## the default tests, and what of src they do not reach: 90 % of lines and branches must be
	$(BIN)/python -m pytest -q -n 2 -m "$(MARKERS)" --cov

test-slow: $(VENV)/.dev ## the tests that take minutes
	$(BIN)/python -m pytest -q -m slow

test-gpu: $(VENV)/.dev ## the tests that need an accelerator
	$(BIN)/python -m pytest -q -m gpu

test-services: $(VENV)/.dev ## sweeps on a PostgreSQL server that the tests start (apt-get install postgresql)
	$(BIN)/python -m pytest -q -m services

test-browser: $(VENV)/.dev ## the page of `othello play` in headless Chromium (apt-get install chromium)
	$(BIN)/python -m pytest -q -m browser

test-peer: $(VENV)/.dev $(PEER)/.peer $(LENS)/.lens ## compare with PyTorch, OpenSpiel and TransformerLens, in two environments of their own
	PEER_PYTHON=$(PEER)/bin/python $(LENS_VARIABLES) $(BIN)/python -m pytest -q -m peer

test-lens: $(VENV)/.dev $(LENS)/.lens ## of these, what compares with TransformerLens 3 and 4
	$(LENS_VARIABLES) $(BIN)/python -m pytest -q -m peer tests/peer/test_transformer_lens.py

test-newer: ## the default tests on a newer Python with its newer JAX (NEWER=python3.13)
	$(MAKE) test PYTHON=$(NEWER) VENV=.venv-newer

test-docs: $(VENV)/.dev docs ## the site: nothing in it is loaded from elsewhere, also in Chromium (apt-get install chromium)
	$(BIN)/python -m pytest -q -m site tests/docs

test-dist: dist ## the wheel and the sdist, each in an empty environment, with the demo there
	$(BIN)/python -m pytest -q -m dist tests/packaging

lint: $(VENV)/.dev ## format, lint, types, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: $(VENV)/.docs ## build the site of docs/ into site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build

dist: $(VENV)/.dev ## build the wheel and the sdist into dist/
	rm -rf dist
	$(BIN)/python -m build --no-isolation --sdist --wheel

mutants: $(VENV)/.dev ## show that every suite fails on its mutants
	$(BIN)/python tests/mutants/run.py

benchmark: $(VENV)/.dev $(PEER)/.peer ## training step, sweep and Othello against peers, on the same cores
	$(BIN)/python benchmarks/train_step.py --peer-python $(PEER)/bin/python
	$(BIN)/python benchmarks/sweep.py --peer-python $(PEER)/bin/python
	$(BIN)/python benchmarks/othello.py --peer-python $(PEER)/bin/python

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python >= 3.11 must be used, but $(PYTHON) is older: set PYTHON=python3.11 or newer." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --upgrade pip
	@touch $@

$(VENV)/.run: $(VENV)/.made pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt \
		--build-constraint constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --group dev
	@touch $@

$(VENV)/.docs: $(VENV)/.run
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt --group docs
	@touch $@

$(PEER)/.peer: constraints-peer.txt
	$(PYTHON) -m venv $(PEER)
	$(PEER)/bin/python -m pip install --quiet --disable-pip-version-check -r constraints-peer.txt
	@touch $@

$(LENS)/.lens: constraints-lens.txt constraints-lens-4.txt
	$(PYTHON) -m venv $(LENS)
	$(LENS)/bin/python -m pip install --quiet --disable-pip-version-check -r constraints-lens.txt
	rm -rf $(LENS)/transformer-lens-4
	$(LENS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps \
		--target $(LENS)/transformer-lens-4 -r constraints-lens-4.txt
	@touch $@

clean: ## remove environments and caches
	rm -rf $(VENV) $(PEER) $(LENS) .venv-newer site dist .pytest_cache .ruff_cache .import_linter_cache .coverage*
