# All tasks of developers and CI. `make` alone lists the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash

VENV := .venv
RUN := $(VENV)/bin

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.PHONY: install
install: $(VENV)/.installed ## Install the command into .venv/bin/hortus
	@echo "Installed. Run $(RUN)/hortus, or put $(abspath $(RUN)) on your PATH."

.PHONY: demo
demo: $(VENV)/.installed ## Run everything on this machine, with virtual kits (http://127.0.0.1:8080)
	# Listens to this machine only. Below /root, where root's clones are, no other account could run it.
	HORTUS_ALLOW_ROOT=1 $(RUN)/hortus up --demo

.PHONY: test
test: $(VENV)/.installed test-tools ## Run all tests, after fetching what they need
	$(RUN)/pytest --numprocesses 2 $(PYTEST_ARGUMENTS)

.PHONY: check
check: $(VENV)/.installed ## Check format, style, types and the direction of imports
	$(RUN)/ruff format --check .
	$(RUN)/ruff check .
	$(RUN)/mypy
	$(RUN)/lint-imports --no-logo

.PHONY: docs
docs: $(VENV)/.installed ## Build docs/ as a site with search; fails on a dead link or a page missing from the navigation
	rm -rf build/docs
	$(RUN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going -d build/doctrees docs build/docs
	@echo "Built. Open $(abspath build/docs/index.html)."

.PHONY: release
release: $(VENV)/.installed ## Build wheel and sdist into dist/, and check that they install and start
	$(RUN)/python scripts/release.py

.PHONY: bench
bench: $(VENV)/.installed test-tools ## Measure speed and memory, with references (takes about half an hour)
	HORTUS_ALLOW_ROOT=1 $(RUN)/python bench/run.py
	HORTUS_ALLOW_ROOT=1 $(RUN)/python bench/kafka.py

.PHONY: faults
faults: $(VENV)/.installed test-tools ## Kill, pause and interrupt everything under load, for some minutes
	$(RUN)/pytest tests/faults --fault-minutes 5 -s

.PHONY: test-tools
test-tools: ## Fetch what tests and benchmarks need besides Python packages
	scripts/fetch-test-tools

.PHONY: translations
translations: $(VENV)/.installed ## Collect the texts of the pages for translation
	$(RUN)/python scripts/translations.py

.PHONY: screenshots
screenshots: $(VENV)/.installed test-tools ## Draw every page in both widths and themes into build/screenshots
	$(RUN)/pytest --quiet tests/web/screenshots.py
	@echo "Drawn into build/screenshots."

.PHONY: format
format: $(VENV)/.installed ## Format the code
	$(RUN)/ruff format .
	$(RUN)/ruff check --fix .

.PHONY: clean
clean: ## Remove everything installed, fetched or built in this folder
	rm -rf $(VENV) .tools build dist

$(VENV)/.installed: uv.lock pyproject.toml scripts/install
	scripts/install
	@touch $@
