# Each target works on a fresh machine: it makes .venv with everything pinned first, and only when that is needed.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# A process per core; one that dies fails its test, and the others go on.
PARALLEL := -n logical --maxprocesses 8 --dist loadfile
DEMO_CLIP := data/synthau-mini/studio/clips/S0-0003_T1.mp4

.PHONY: demo test test-all check bench clean

$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "make: $(PYTHON) is not installed; Python 3.11 or a newer one is needed (make PYTHON=python3.12 ...)"; exit 2; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: $(READY)  ## action units of a photograph and of a clip, in out/demo/
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

bench: $(READY)  ## speed and memory, written to results/
	$(BIN)/python benchmarks/detect.py --long
	$(BIN)/python benchmarks/training.py
	$(BIN)/python experiments/tables.py

clean:
	rm -rf $(VENV) out build
