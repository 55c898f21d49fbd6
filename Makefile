# What a developer types. Everything runs in .venv/, which `setup` makes and which is made again only when the
# requirements change. Variables stand behind the target: make demo PORT=9000
PYTHON ?= python3
PORT ?= 8000
BUNDLE ?= .aisle/demo-3000
AISLE := .venv/bin/aisle

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## create .venv/ with aisle and everything that trains, serves and tests it

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --disable-pip-version-check -c constraints.txt -e '.[export,aws,dev]'
	touch $@

demo: setup ## train, seal and serve the demo store on PORT (8000); CHECK=1 answers one query and ends
	$(AISLE) demo --port $(PORT) $(if $(CHECK),--check)

test: setup ## run the tests; AISLE_DATA=DIR adds those on real data sets, SLOW=1 those that install packages
	.venv/bin/pytest $(if $(SLOW),-m "slow or not slow")

check: setup ## lint, formatting and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: setup ## time searches on one thread in BUNDLE (the demo's), with the queries of the table QUERIES or its own
	.venv/bin/python benchmarks/search_latency.py $(BUNDLE) $(if $(QUERIES),--queries $(QUERIES))

clean: ## remove .venv/, caches and what the demo built
	rm -rf .venv .aisle build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
