# make demo     audit the sample pictures; prints where the page is
# make test     run the tests (the browser tests need chromium)
# make lint     ruff and mypy
# make clean    remove what the others made
#
# torch is several GB with CUDA. For a machine without a GPU give the CPU wheel index named on pytorch.org:
#   make demo TORCH_INDEX=<url>

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN = $(VENV)/bin

.PHONY: demo test lint clean

demo: $(VENV)/.installed
	$(BIN)/auditor demo --out demo-audit --overwrite

test: $(VENV)/.installed-dev
	$(BIN)/python -m pytest

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) demo-audit build dist .pytest_cache .mypy_cache .ruff_cache

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	$(if $(TORCH_INDEX),$(BIN)/python -m pip install --index-url $(TORCH_INDEX) torch torchvision)
	touch $@

$(VENV)/.installed: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install -e .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.made pyproject.toml
	$(BIN)/python -m pip install -e '.[dev]'
	touch $@ $(VENV)/.installed
