# Everything that works on a fresh clone with Python 3.11+ and make.
# make train ARGS="objective=grpo seed=1" passes overrides on.

PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.installed

.PHONY: train test check install

train: install
	$(VENV)/bin/sspo train objective=sspo $(ARGS)

test: install
	OMP_NUM_THREADS=1 $(VENV)/bin/pytest -n 2 $(ARGS)

check: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

install: $(STAMP)

$(STAMP): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $(STAMP)
