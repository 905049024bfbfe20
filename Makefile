# make demo     audit the sample pictures; prints where the page is
# make test     run the tests; those in a browser need chromium: installed on Debian as root, else left out and said
# make nightly  what takes too long for every change: hundreds of repetitions of the statistical tests, and of
#               faults injected on purpose; ends with a table of these
# make lint     ruff and mypy
# make clean    remove what the others made
#
# torch is several GB with CUDA. For a machine without a GPU give the CPU wheel index named on pytorch.org:
#   make demo TORCH_INDEX=<url>

PYTHON ?= python3
VENV ?= .venv
TORCH_INDEX ?=
BIN = $(VENV)/bin
# One process for each core, four at most, since each loads the network. The tests of a Ray cluster start many of
# their own and come after.
SEVERAL = -n auto --maxprocesses 4 --dist loadfile
CLUSTER = tests/distributed
HAVE_CHROMIUM = command -v chromium >/dev/null || command -v google-chrome >/dev/null

.PHONY: demo test nightly chromium lint clean

demo: $(VENV)/.installed
	$(BIN)/auditor demo --out demo-audit --overwrite

test: $(VENV)/.installed-dev chromium
	@marks="not nightly"; \
	if [ -z "$$CI" ] && ! { $(HAVE_CHROMIUM); }; then \
	    echo "No chromium here: the browser tests are left out."; \
	    marks="not nightly and not browser"; \
	fi; \
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "$$marks" $(SEVERAL) --ignore $(CLUSTER); together=$$?; \
	$(BIN)/python -m pytest -m "$$marks" $(CLUSTER) && exit $$together

nightly: $(VENV)/.installed-dev
	@counts=$$(mktemp -d); \
	each="$(BIN)/python -m pytest -m nightly -rP --durations=20 --tallies $$counts/counts.json"; \
	OMP_NUM_THREADS=1 $$each $(SEVERAL) --dist worksteal --ignore $(CLUSTER); together=$$?; \
	$$each $(CLUSTER); cluster=$$?; \
	rm -rf $$counts; exit $$((together | cluster))

# The browser tests want Debian's chromium; it is installed where that is possible.
chromium:
	@{ $(HAVE_CHROMIUM); } || [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null || \
	    { apt-get update -qq; DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium; }

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
