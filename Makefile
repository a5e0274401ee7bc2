# `make` sets up everything and materialises the data; `make help` lists the rest.
# Needs python3 >= 3.11 (with venv), git and GNU make. Nothing is installed outside this folder,
# except by `make tools`. Without a C compiler, one is downloaded into .venv.

SHELL = /bin/sh
.SUFFIXES:
.NOTPARALLEL:
.DEFAULT_GOAL := all
MAKEFLAGS += --no-print-directory
# What the caller's shell sets up for other Pythons must not leak into this environment.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV PIP_USER PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_PREFIX
# Nor what makes each process of tests and stages compile the sources once more.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1
export PIP_NO_INPUT = 1

BIN := .venv/bin
READY := .venv/.ready
# A pull that changes the compiled part compiles it again.
KERNEL := $(wildcard src/ensembl_annotations/_kernel/*.[ch]) src/ensembl_annotations/_kernel/build.py setup.py
DEV := .venv/.ready-dev
LOCKS := requirements-build.lock requirements.lock

# True for a Python that can make the environment. Run, not only looked up: a shim may refuse.
PYTHON_FITS := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))

# The first Python that fits, looked for without .venv (which may be activated, and may be replaced);
# expanded only where it is used. `make PYTHON=/path/to/python3.12` names another.
PYTHON ?= $(shell PATH='$(subst $(CURDIR)/.venv/bin:,,$(PATH))'; \
	for p in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$p -c '$(PYTHON_FITS)' >/dev/null 2>&1 && { command -v $$p; break; }; done)

# The stamp names the folder it was made in: an environment does not survive being copied or moved,
# nor the removal of the Python it was made with. Then it is made anew, like a half-made one.
USABLE := $(shell test -f $(READY) && grep -qxF "$(CURDIR)" $(READY) && \
	$(BIN)/python -c 'import pip' >/dev/null 2>&1 && echo yes)
REMAKE := $(if $(USABLE),,remake)

.PHONY: all help env check test lint bench fuzz force ui review hooks tools lock clean remake

all: $(READY) ## Set up, run what is out of date, print where the results are (the default)
	@sh scripts/merge-driver || true
	@$(BIN)/ensembl-annotations materialize

help: ## List the targets
	@echo 'Usage: make [TARGET]'
	@echo
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/\1|\2/p' Makefile | \
		while IFS='|' read -r target text; do printf '  %-8s %s\n' "$$target" "$$text"; done
	@echo
	@echo 'make PYTHON=python3.12     make the environment with that Python (after `make clean`)'
	@echo 'make bench ARGS=--quick    a short one of annotate (in full it takes half an hour)'
	@echo 'make test ARGS="-k name"   more arguments for pytest; SEED=1 repeats a run of hypothesis'
	@echo 'make lock UPGRADE=1        take the newest versions pyproject.toml allows'

env: $(READY) ## Make the environment in .venv from the lock files, and nothing else

$(READY): pyproject.toml $(LOCKS) $(KERNEL) $(REMAKE)
	@command -v git >/dev/null 2>&1 || { \
		echo 'git is missing: DVC needs it. Install git (Debian: apt-get install git), then run make again.' >&2; \
		exit 1; }
	@py='$(PYTHON)'; set -e; \
	if [ -z "$$py" ]; then \
		if command -v python3 >/dev/null 2>&1; then \
			echo "No usable Python: python3 is $$(python3 --version 2>&1); 3.11 or later with the venv module is needed." >&2; \
			python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && \
				echo 'Its venv module is missing (Debian: apt-get install python3-venv).' >&2; \
		else \
			echo 'python3 is missing: 3.11 or later is needed.' >&2; \
		fi; \
		echo 'Install one, or name one: make PYTHON=/path/to/python3.12' >&2; exit 1; \
	fi; \
	"$$py" -c '$(PYTHON_FITS)' >/dev/null 2>&1 || { \
		echo "PYTHON=$$py does not fit: $$("$$py" --version 2>&1 || true). 3.11 or later with the venv module is needed." >&2; \
		exit 1; }; \
	"$$py" -c 'import sys; sys.exit(sys.version_info >= (3, 15))' || \
		echo "Note: the locks were made for Python 3.11 to 3.14, $$py is newer: packages may need a compiler." >&2; \
	if [ -z '$(USABLE)' ]; then \
		echo "Making .venv with $$("$$py" --version) (about a minute the first time)"; \
		rm -rf .venv; \
		"$$py" -m venv .venv; \
	else \
		echo 'Updating .venv'; \
	fi; \
	rm -f $(READY) $(DEV)
	@$(BIN)/python -m pip install -q --require-hashes -r requirements-build.lock
	@$(BIN)/python -m pip install -q --require-hashes --no-build-isolation -r requirements.lock
	@for c in "$${CC:-cc}" gcc clang; do command -v "$${c%% *}" >/dev/null 2>&1 && exit 0; done; \
		$(BIN)/python -c 'import ziglang' >/dev/null 2>&1 && exit 0; \
		echo 'No C compiler here: downloading ziglang from PyPI (about 100 MB, once) into .venv.'; \
		$(BIN)/python -m pip install -q --require-hashes -r requirements-zig.lock
	@$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@printf '%s\n' "$(CURDIR)" > $(READY)

# Tests, linters, the benchmarks' tools and the asset UI, in versions that fit the others.
$(DEV): requirements-dev.lock $(READY)
	@echo 'Adding what tests and the asset UI need to .venv (once)'
	@$(BIN)/python -m pip install -q --require-hashes --no-build-isolation -r requirements-dev.lock
	@touch $(DEV)

BASE ?= main
BRANCH ?= HEAD
# By the environment: a branch may have any name.
export BASE BRANCH

# A different seed at every run finds more; printed, so that a failure can be repeated.
SEED ?= $(shell date +%s)
# Three processes for two processors: one works while others wait. One that has nothing left takes tests of the others.
PYTEST = seed=$(SEED); echo "pytest (hypothesis seed $$seed: 'make $@ SEED=$$seed' repeats it)"; \
	$(BIN)/python -m pytest -n 3 --dist worksteal --hypothesis-seed=$$seed

check: $(DEV) lint ## Run the linters, the unit tests and the rules of matching: after every edit
	@$(PYTEST) tests/unit tests/conformance $(ARGS)

test: $(DEV) tools lint ## Run the linters and all tests
	@$(PYTEST) $(ARGS)

lint: $(DEV) ## Check style, types and the import rules between the sub-packages
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(DEV) tools ## Measure speed and memory of fetching, annotating (against other tools) and comparing
	@$(BIN)/python benchmarks/fetch.py
	@$(BIN)/python benchmarks/annotate.py $(ARGS)
	@$(BIN)/python benchmarks/compare.py

# Seconds; a night is 30000.
TIME ?= 300

fuzz: $(DEV) ## Feed the compiled part mutated pieces, pages and sequences, under sanitizers (needs gcc); TIME=300
	@$(BIN)/python -m tests.fuzz.run $(TIME)

force: $(READY) ## Fetch the Ensembl annotations again, even if nothing changed
	@ENSEMBL_ANNOTATIONS_FORCE=1 $(BIN)/ensembl-annotations materialize ensembl_annotations --force

PORT ?= 3000

ui: $(DEV) ## Start the asset UI (Dagster) on http://127.0.0.1:3000; PORT=3000
	@$(BIN)/dagster-ui --port $(PORT)

review: $(READY) ## Print what this branch, or BRANCH=theirs, changes, as Markdown; BASE=main WHOLE=FILE
	@$(BIN)/ensembl-annotations review --branch "$$BRANCH" $${WHOLE:+--whole "$$WHOLE"} -- "$$BASE"

hooks: $(READY) ## Install the git hooks that stop genomes and secrets from being committed
	@sh scripts/pre-commit scripts/install_hooks.py

tools: ## Install the Debian packages some tests use, where that is possible without asking
	@sh tests/install_tools.sh

# Existing pins are kept where they still fit, unless UPGRADE is set. uv writes one lock for all
# Pythons and platforms; it lives in a temporary environment and is not needed otherwise.
lock: ## Regenerate the lock files from pyproject.toml (needs network)
	@set -e; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; trap 'exit 130' HUP INT TERM; \
	'$(PYTHON)' -m venv "$$tmp/venv"; \
	"$$tmp/venv/bin/python" -m pip install -q uv; \
	compile() { \
		UV_PYTHON_DOWNLOADS=never "$$tmp/venv/bin/uv" pip compile -q --no-config \
			--python "$$tmp/venv/bin/python" --universal --python-version 3.11 --generate-hashes \
			--no-emit-index-url --no-emit-find-links --custom-compile-command 'make lock' \
			$(if $(UPGRADE),--upgrade) "$$@"; \
	}; \
	printf '%s\n' pip setuptools wheel | compile - -o requirements-build.lock; \
	echo ziglang | compile - -o requirements-zig.lock; \
	compile --all-extras -c requirements-build.lock pyproject.toml -o requirements-dev.lock; \
	compile --extra s3 --extra ssh --extra webdav --extra cluster --extra xlsx --extra hooks -c requirements-dev.lock pyproject.toml -o requirements.lock; \
	if grep -nE '://|^-|find-links' requirements*.lock; then \
		echo 'The locks must not name servers or folders; see the lines above.' >&2; exit 1; fi; \
	echo 'Wrote requirements.lock, requirements-dev.lock, requirements-build.lock and requirements-zig.lock'

clean: ## Remove the environment, build artefacts and caches of tools (never data, never DVC's cache)
	@rm -rf .venv build dist src/*.egg-info .coverage \
		.ruff_cache .mypy_cache .pytest_cache .hypothesis .import_linter_cache
	@for d in src scripts tests benchmarks; do \
		[ ! -d $$d ] || find $$d -name __pycache__ -type d -prune -exec rm -rf {} +; done
