# Needs Linux, Python 3.11 or newer, and make. No root and no installed server.
.DEFAULT_GOAL := help
.PHONY: audit sbom help run test wide isolation fuzz bench lint types imports collected check lock clean
SHELL := /bin/bash
# The system users that processes drop to when root starts them must be able to read what is installed.
READABLE := umask 022;
# What one process has compiled, the others need not
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
# The first Python that is new enough, or the one that is named.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
PIP := $(BIN)/python -m pip --disable-pip-version-check --no-input -qq
INSTALL := $(PIP) install --no-compile --require-hashes --only-binary :all:
# On all cores; pip does it on one. A few files of packages are meant for other Pythons, and stay
COMPILE := $(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true

help:  ## What can be done
	@sed -n 's/^\([a-z.]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

run: $(VENV)/run.stamp  ## Start the whole system on this machine, with synthetic data
	@$(READABLE) $(BIN)/python -m compileall -q itm_admin audit app.py >/dev/null 2>&1 || true  # its users may not write
	@exec $(BIN)/itm run --demo

# What the tests need beside Python's packages is seen to before anything else: a test that cannot run has shown nothing.
test: $(VENV)/bin/python  ## Lint, types, import contracts and every test
	@$(BIN)/python tests/machine.py
	@$(MAKE) --no-print-directory -j 2 types lint imports collected build/materials/stamp
	@$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

# Marked with `wide`: what they would find, a test of `make test` finds too, unless it is in the places left out there
wide: $(VENV)/bin/python  ## Tests that try every language, size and place where `make test` tries some
	@$(BIN)/python tests/machine.py wide
	@$(BIN)/pytest -q -n 3 --dist loadfile --no-loadscope-reorder -m wide $(ARGS)

isolation: $(VENV)/bin/python  ## Every route as every role with identifiers of every table of another institution
	@$(BIN)/python tests/machine.py
	@$(BIN)/pytest -q -s -n 3 --dist loadfile -m isolation tests/isolation tests/panel/test_api_generated.py $(ARGS)

check: lint types imports

SECONDS ?= 60
fuzz: build/fuzz/stamp  ## Fuzz every parser of evidence for SECONDS each (Linux on x86-64, Python 3.11 to 3.13)
	@build/fuzz/bin/python -m tests.fuzz $(SECONDS) $(ARGS)

build/fuzz/stamp: tests/fuzz/requirements.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv build/fuzz
	@build/fuzz/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --only-binary :all: -r $<
	@touch $@

bench: $(VENV)/dev.stamp build/peers/stamp  ## Take the figures of the README, 5 to 15 minutes (ONLY="updates pages")
	@$(BIN)/python -m tests.benchmarks.run $(ONLY)

build/peers/stamp: tests/benchmarks/requirements.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv build/peers
	@build/peers/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --only-binary :all: -r $<
	@touch $@

audit: build/audit/stamp  ## Ask for known vulnerabilities of what ships (needs the network)
	@build/audit/bin/python tests/security/audit.py build/audit/bin/pip-audit

build/audit/stamp: tests/security/requirements.txt | $(VENV)/bin/python
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/python -m pip --disable-pip-version-check --no-input -qq install --require-hashes --only-binary :all: -r $<
	@touch $@

sbom: build/materials/stamp  ## Write the bill of materials of what ships, in CycloneDX, to build/sbom.cdx.json
	@PYTHONPATH=build/materials $(BIN)/python -m cyclonedx_py requirements requirements.txt \
	  --output-reproducible --of JSON -o build/sbom.cdx.json
	@echo build/sbom.cdx.json

# Not in .venv: where a parser of its formats is installed, each start of the panel takes 1.2 s to make it ready
build/materials/stamp: tests/security/materials.txt | $(VENV)/bin/python
	@rm -rf build/materials
	@$(INSTALL) --target build/materials -r $<
	@touch $@

lint: $(VENV)/dev.stamp
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --check --quiet . && echo "lint: well"

types: $(VENV)/dev.stamp
	@$(BIN)/mypy

# Beside mypy, which keeps one core: each test process would compile all tests by itself
collected: $(VENV)/dev.stamp
	@$(BIN)/pytest -q --collect-only >$(VENV)/collected.txt 2>&1 || { tail -n 50 $(VENV)/collected.txt; exit 1; }

imports: $(VENV)/dev.stamp
	@$(BIN)/lint-imports --no-logo >$(VENV)/imports.txt 2>&1 && echo "imports: one direction" || { cat $(VENV)/imports.txt; exit 1; }

$(VENV): $(VENV)/dev.stamp  ## Install everything, for tests too

$(VENV)/bin/python:
	@[ -n "$(PYTHON)" ] || { echo "Python 3.11 or newer was not found (name one: make PYTHON=/path/to/python)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  echo "Installing python3-venv …" && apt-get update -qq && \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; } || \
	  { echo "Python's venv module is missing (Debian: apt-get install python3-venv)" >&2; exit 1; }
	@$(READABLE) $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

OURSELVES := $(PIP) install --no-deps --no-build-isolation --no-index --editable .

$(VENV)/run.stamp: requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the packages of requirements.txt …"
	@$(READABLE) $(INSTALL) -r requirements.txt
	@$(READABLE) $(OURSELVES)
	@$(READABLE) $(COMPILE)
	@touch $@

# Its lock holds all packages of the other one
$(VENV)/dev.stamp: requirements-dev.txt requirements.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing the packages of requirements-dev.txt …"
	@$(READABLE) $(INSTALL) -r requirements-dev.txt
	@$(READABLE) $(OURSELVES)
	@$(READABLE) $(COMPILE)
	@touch $(VENV)/run.stamp $@

# Both locks name exact versions and the hashes of all their files, and no registry.
lock:  ## Renew the locks (needs uv)
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --no-emit-index-url --no-emit-find-links pyproject.toml -o requirements.txt
	@uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --upgrade \
	  --no-emit-index-url --no-emit-find-links --constraint requirements.txt --extra dev pyproject.toml -o requirements-dev.txt

clean:  ## Remove what was installed and built; the data folder stays
	@rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
	@find itm_admin audit migrations tests -name __pycache__ -type d -prune -exec rm -rf {} +
