# Each target works on a fresh machine: it makes .venv with everything pinned first, and only when that is needed.
# The first of these that runs: a name on the path may be a shim without a Python behind it.
PYTHONS := python3.11 python3.12 python3.13 python3.14 python3
RUNS := -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for name in $(PYTHONS); do $$name $(RUNS) 2>/dev/null && echo $$name && break; done)
VENV := .venv
BIN := $(VENV)/bin
# What detection needs, for the demo; and all of it.
LIGHT := $(VENV)/.light
READY := $(VENV)/.ready
# A process per core; one that dies fails its test, and the others go on.
PARALLEL := -n logical --maxprocesses 8 --dist loadfile
DEMO_CLIP := data/synthau-mini/studio/clips/S0-0003_T1.mp4

.PHONY: demo test test-all check bench docs package clean

$(LIGHT): pyproject.toml constraints.txt
	@$(or $(PYTHON),false) $(RUNS) || { echo "make: Python 3.11 or newer is needed; name one with make PYTHON=..."; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[plots]"
	touch $@

$(READY): $(LIGHT)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(LIGHT)  ## action units of a photograph and of a clip, in out/demo/
	mkdir -p out/demo
	$(BIN)/python -c "from PIL import Image; from skimage.data import astronaut; \
		Image.fromarray(astronaut()).save('out/demo/astronaut.png')"
	$(BIN)/actionunits detect out/demo/astronaut.png --out out/demo --annotate
	$(BIN)/actionunits detect $(DEMO_CLIP) --out out/demo --annotate --timeline

test: $(READY)  ## the fast tests, without network
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-all: $(READY)  ## every test
	$(BIN)/python -m pytest $(PARALLEL)

check: $(READY)  ## style and types
	$(BIN)/ruff check src tests benchmarks experiments
	$(BIN)/ruff format --check src tests benchmarks experiments
	$(BIN)/mypy
	$(BIN)/python experiments/tables.py --check

bench: $(READY)  ## speed and memory, written to results/
	$(BIN)/python benchmarks/detect.py --long
	$(BIN)/python benchmarks/training.py
	$(BIN)/python experiments/tables.py

docs: $(READY)  ## the site, in out/site; warnings are errors, and no network is needed
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

package: $(READY)  ## wheel and source archive in out/package, checked
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt ".[release]"
	rm -rf out/package
	$(BIN)/python -m build --outdir out/package
	$(BIN)/python -m twine check --strict out/package/*
	$(BIN)/check-wheel-contents out/package

clean:
	rm -rf $(VENV) out build
