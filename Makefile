# Everything that works on a fresh clone with Python 3.11+ and make.
# make train ARGS="objective=grpo seed=1" passes overrides on.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
STAMP := $(VENV)/.installed

.PHONY: train test check reference peers bench install

train: install
	$(VENV)/bin/sspo train objective=sspo $(ARGS)

test: install
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2 --dist worksteal $(ARGS)

check: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Needs TRL, in an environment of its own; prints the figures of docs/peers.md.
peers: $(PEERS)/.installed
	OMP_NUM_THREADS=1 $(PEERS)/bin/pytest tests/peers -s $(ARGS)

# Runs real commands and compares all that they write, but times, with tests/reference/outputs; a minute on 2 cores.
reference: install
	$(VENV)/bin/python -m tests.reference $(ARGS)

# Measures this engine, beside TRL on equal work; a quarter of an hour on 2 cores. Writes docs/bench.md.
bench: $(PEERS)/.installed
	$(PEERS)/bin/python -m tests.benchmarks $(ARGS)

install: $(STAMP)

$(STAMP): EXTRAS := dev
$(PEERS)/.installed: EXTRAS := dev,peers
$(STAMP) $(PEERS)/.installed: constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@
