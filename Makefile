# make demo: replay the sample motion on robot hands, in out/demo.   make test: check everything.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SOURCES := handsim retarget benchmarks tests

.PHONY: demo test lint unit wheel clean

demo: $(VENV)/core
	$(BIN)/retarget demo --out out/demo

test: lint unit

lint: $(VENV)/dev
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy

unit: $(VENV)/dev
	$(BIN)/python -m pytest

# A built wheel, alone in an environment of its own, must run the demo from another folder.
wheel: $(VENV)/dev
	rm -rf out/wheel
	$(BIN)/python -m build --wheel --outdir out/wheel
	$(PYTHON) -m venv out/wheel/venv
	out/wheel/venv/bin/python -m pip install --quiet --upgrade pip
	out/wheel/venv/bin/python -m pip install --quiet out/wheel/*.whl
	mkdir out/wheel/elsewhere
	cd out/wheel/elsewhere && ../venv/bin/retarget demo --hands allegro --out demo
	test -s out/wheel/elsewhere/demo/scores.json

# The pip that comes with older Pythons takes forever to find versions that go together.
$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/core: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/core

clean:
	rm -rf $(VENV) out dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
