# Everything a newcomer needs: `make demo` and `make test` do their own set-up. GNU make 3.81 and later.

VENV := .venv
BIN := $(VENV)/bin
PINNED := pyproject.toml constraints.txt
# Looked for only where .venv has to be made. Any Python from 3.11 to 3.14 that can make a virtual environment.
SUITS := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
PYTHON ?= $(shell for found in python3.11 python3.12 python3.13 python3.14 python3; do \
	$$found -c '$(SUITS)' 2>/dev/null && echo $$found && break; done)

# A stack is ten processes: without compiled files each of them compiles all that it imports, at every start.
unexport PYTHONDONTWRITEBYTECODE

CORES := $(shell getconf _NPROCESSORS_ONLN)

.DEFAULT_GOAL := help
.PHONY: help demo install check test long chaos lint style resolve clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

demo: $(VENV)/.installed ## Install, ingest samples/documents, search them
	@.ci/packages tesseract redis
	@$(BIN)/python samples/demo.py

install: $(VENV)/.installed ## Make .venv with the pinned packages and the command docrelay

# mypy takes one core, most of the time alone, so the unit tests run beside it. Files in their order: by default those of
# fewest tests come last, and some of them are the longest ones.
check: $(VENV)/.installed-for-tests style ## Style, types, contracts and unit tests; needs no service
	@echo "== unit tests, and mypy beside them"
	@$(BIN)/mypy > $(VENV)/mypy.log 2>&1 & types=$$!; \
	$(BIN)/pytest -q -n $(CORES) --dist loadfile --no-loadscope-reorder tests/unit; tests=$$?; \
	wait $$types; types=$$?; cat $(VENV)/mypy.log; exit $$((tests || types))

test: check ## Everything: what check does, then tests on real services, then the ones that kill processes
	@.ci/packages $(if $(CI),--required) tesseract redis postgres prometheus faketime openssl
	@echo "== integration tests"
# Tests wait as much as they compute: two processes more than there are cores.
	@$(BIN)/pytest -q -n $$(( $(CORES) < 4 ? $(CORES) + 2 : 6 )) --dist loadfile --no-loadscope-reorder tests/integration
	@echo "== faults, one after the other"
	@$(BIN)/pytest -q tests/faults
	@echo "All checks and all tests passed."

long: $(VENV)/.installed-for-tests ## The full-size runs: 20 walks of 500 operations, a change of model over 1,000 documents, crashes on RabbitMQ; about an hour
	@.ci/packages $(if $(CI),--required) tesseract redis rabbitmq
	@DOCRELAY_TEST_SEEDS=20 DOCRELAY_TEST_REINDEX_DOCUMENTS=1000 $(BIN)/pytest -q \
		tests/integration/test_mirror_walk.py \
		tests/integration/test_reindex.py::test_another_model_and_back \
		tests/long

SEEDS ?= 5
RESULTS ?= chaos.jsonl

chaos: $(VENV)/.installed-for-tests ## Kill, freeze and starve a stack at random: make chaos SEEDS=n; half a minute to two a seed
	@.ci/packages tesseract redis postgres
	@$(BIN)/python bench/chaos --seeds 1-$(SEEDS) --results $(RESULTS)

lint: style ## Style, types, and who may import whom
	@echo "== mypy"
	@$(BIN)/mypy

style: $(VENV)/.installed-for-tests
	@echo "== ruff"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@echo "== import-linter"
	@$(BIN)/lint-imports

resolve: $(VENV)/.installed-for-tests ## Look whether the pinned set has wheels for every Python; nothing is installed
	@.ci/resolve

clean: ## Remove .venv, the demo's data and all caches
	rm -rf $(VENV) .docrelay build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: $(BIN)/python $(PINNED)
	@echo "Installing the pinned packages into $(VENV): half a minute to ten, as fast as the network is."
	@echo "PyTorch is the largest; docs/install.md, section \"PyTorch without a GPU\", says how to fetch the small build."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt -e .
	@touch $@

$(VENV)/.installed-for-tests: $(BIN)/python $(PINNED)
	@echo "Installing the pinned packages and the tools of the tests into $(VENV): half a minute to ten."
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt -e '.[dev,postgres,pypdf2,traces]'
	@$(BIN)/python -m pip install -qq --disable-pip-version-check --no-compile -c constraints.txt --upgrade \
		--target $(VENV)/llamaindex llama-index-vector-stores-qdrant
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "No Python 3.11, 3.12, 3.13 or 3.14 was found that can make a virtual environment."; \
		echo "  Debian, Ubuntu:  sudo apt-get install python3 python3-venv"; \
		echo "  macOS:           brew install python@3.12"; \
		echo "Or name one:       make PYTHON=/path/to/python3.12 ..."; \
		exit 1; \
	fi
	@echo "Making $(VENV) with $(PYTHON) ($$($(PYTHON) -c 'import platform; print(platform.python_version())'))."
	@$(PYTHON) -m venv $(VENV)
