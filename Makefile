# Two commands for everyone: `make demo` and `make test`. Both set up .venv first.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint types wheel check compiled-test week kills seeds budget fuzz bench bench-parts profile growth load compiled docs clean

demo: $(READY)  ## the quoter on the paper exchange, about 30 s
	@$(BIN)/dogwatch run examples/quoter.toml --seconds 30

test: $(READY)  ## the tests, and some of them also on the newest supported interpreter that is present
	@.ci/test $(BIN)/python

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy --strict dogwatch tests
	$(BIN)/pyright --pythonpath $(BIN)/python dogwatch tests

wheel: $(READY)  ## the built wheel works in an environment of its own
	@.ci/wheel $(BIN)/python

check: test lint types wheel

compiled: $(READY)  ## the compiled build in build/compiled, about a minute; it needs a C compiler
	@.ci/compiled $(BIN)/python

compiled-test: $(READY)  ## the tests against the compiled build, about ten minutes; TESTS=tests/runtime chooses
	@.ci/compiled-test $(BIN)/python $(TESTS)

week: $(READY)  ## seven virtual days with orders, and a rotation of each link every day, about two minutes; DAYS=7
	DAYS=$${DAYS:-7} $(BIN)/python -m pytest -q tests/stories/test_a_week_on_station.py

kills: $(READY)  ## kill -9 at random moments, some hundreds of times: KILLS=300, about ten minutes
	KILLS=$${KILLS:-300} $(BIN)/python -m pytest -q tests/stories/test_killed.py

seeds: $(READY)  ## a thousand simulations of everything that can go wrong, about ten minutes; SEED=N is the first
	SEEDS=$${SEEDS:-1000} $(BIN)/python -m pytest -q tests/seeds

budget: $(READY)  ## ten million requests against the exchange's own accounting, some minutes; REQUESTS=10000000
	REQUESTS=$${REQUESTS:-10000000} $(BIN)/python -m pytest -q tests/actors/test_budget_by_the_exchange.py

fuzz: $(READY)  ## a million mutated frames into every decoder, some minutes; FRAMES=1000000, SEED=N decides them
	FRAMES=$${FRAMES:-1000000} $(BIN)/python -m pytest -q -s tests/fuzz

bench: $(READY)  ## Dogwatch beside other clients, about seventeen minutes; ROUNDS=5, BENCH=quick for a look
	@$(BIN)/python benchmarks/run.py

bench-parts: $(READY)  ## the runtime, the journal and order books by themselves, about a minute
	$(BIN)/python benchmarks/runtime_hops.py
	$(BIN)/python benchmarks/journal.py
	$(BIN)/python benchmarks/order_book.py

profile: $(READY)  ## where the time of an order, a fill and a quote goes, by stage, about two minutes; STACKS=5 by function
	$(BIN)/python benchmarks/profile_path.py --stacks $${STACKS:-0}

growth: $(READY)  ## what an order, a fill and a quote cost against strategies, open orders and symbols, about five minutes
	$(BIN)/python benchmarks/growth.py

load: $(READY)  ## orders and pongs while 20,000 market events a second arrive; memory and import time; about two minutes
	@mkdir -p benchmarks/results
	$(BIN)/python benchmarks/under_load.py --json benchmarks/results/under_load.json
	$(BIN)/python benchmarks/footprint.py --json benchmarks/results/footprint.json

docs: $(READY)  ## the documentation as pages in docs/_build
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	$(BIN)/python -m sphinx -W -q -b html docs docs/_build

clean:
	rm -rf $(VENV) .venv-* benchmarks/.venv-peers benchmarks/results build dist *.egg-info

$(READY): pyproject.toml constraints.txt
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo 'Dogwatch needs Python 3.11 or newer: run make with PYTHON=/path/to/python3.11'; exit 2; }
	@echo 'Setting up $(VENV) (once, about a minute)'
	@"$(PYTHON)" -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --retries 2 --disable-pip-version-check -c constraints.txt -e '.[dev]' || \
	  { echo 'The set-up failed: it needs the package index once. With the network there, run make again.'; exit 1; }
	@touch $@
