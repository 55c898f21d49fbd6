# What a developer types. Everything runs in .venv/, which `setup` makes and which is made again only when the
# requirements change. Variables stand behind the target: make demo PORT=9000
PYTHON ?= python3
PORT ?= 8000
STAGE ?= dev
REGION := $(or $(REGION),$(AWS_REGION),$(AWS_DEFAULT_REGION),us-east-1)
SAMPLE := $(or $(BUNDLE),.aisle/bench-35000)
RESULTS ?= .aisle/bench
AISLE := .venv/bin/aisle
ARCHITECTURE = $(shell awk '/^architecture:/ {print $$2}' infra/stages/$(STAGE).yml 2>/dev/null)

.DEFAULT_GOAL := help
.PHONY: help setup demo test check bench bench-growth bench-batch figures layer package deploy rollback heavy-image infra-tools image clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: .venv/installed ## create .venv/ with aisle and everything that trains, serves and tests it

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --disable-pip-version-check -c constraints.txt -e '.[export,aws,dev]'
	touch $@

demo: setup ## train, seal and serve the demo store on PORT (8000); CHECK=1 answers one query and ends
	$(AISLE) demo --port $(PORT) $(if $(CHECK),--check)

test: setup ## run the tests; AISLE_DATA=DIR adds those on real data sets, SLOW=1 those that install or emulate
	.venv/bin/pytest $(if $(SLOW),-m "slow or not slow")

check: setup ## lint, formatting and types
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy

bench: .venv-bench/installed $(SAMPLE)/manifest.json ## time BUNDLE (35,000 products made up) beside its peers on one core, into RESULTS; QUERIES=FILE asks others
	for benchmark in rerank search cold_start; do \
	    PYTHONPATH=. .venv-bench/bin/python benchmarks/$$benchmark.py $(SAMPLE) $(if $(QUERIES),--queries $(QUERIES)) \
	        --out $(RESULTS)/$(notdir $(SAMPLE)).$$benchmark.json || exit 1; \
	done
	.venv-bench/bin/python benchmarks/cost.py $(RESULTS)/$(notdir $(SAMPLE)).search.json

bench-growth: setup .aisle/bench-models/manifest.json ## index and search 10,000, 100,000 and 1,000,000 products, into RESULTS
	.venv/bin/python benchmarks/growth.py .aisle/bench-models --out $(RESULTS)/growth.json

layer: build/layers/light/$(ARCHITECTURE) ## install what the zip functions share, for the processor of STAGE (dev)

package: setup node_modules/.installed layer ## compile serverless.yml to CloudFormation for STAGE (dev), without an account
	.venv/bin/python -m infra.package $(STAGE)

deploy: ## put STAGE (dev) into the AWS account of the credentials, REGION us-east-1: an image around BUNDLE, or around what is live; or AISLE_IMAGE; AISLE_HEAVY
	@$(PYTHON) -m infra.credentials $(STAGE)
	@$(MAKE) --no-print-directory layer node_modules/.installed
	.venv/bin/python -m infra.deploy $(STAGE) $(BUNDLE)

rollback: setup ## let the newest older version of search answer in STAGE (dev), or the one that TO names: a version, a bundle id
	.venv/bin/python -m infra.rollback --stage $(STAGE) $(if $(TO),--to $(TO))

heavy-image: setup ## build the heavy reranker's image, push it for STAGE (dev) and print the address for AISLE_HEAVY_IMAGE
	.venv/bin/python -m infra.images.reranker --stage $(STAGE)

deploy rollback heavy-image: export AWS_REGION = $(REGION)
deploy rollback heavy-image: export AWS_DEFAULT_REGION = $(REGION)

infra-tools: .venv-infra/installed ## make .venv-infra/ with checkov, which reads the templates for what is unsafe

.venv-infra/installed: infra/checkov/requirements.txt
	$(PYTHON) -m venv .venv-infra
	.venv-infra/bin/pip install --disable-pip-version-check --quiet --no-deps -r $<
	touch $@

build/layers/light/$(ARCHITECTURE): layers/light.txt | .venv/installed
	rm -rf $(@D)
	.venv/bin/pip install --disable-pip-version-check --quiet --no-compile --no-deps --only-binary :all: --python-version 3.11 \
	    --platform manylinux2014_$(ARCHITECTURE:arm64=aarch64) --target $(@D)/python -r $<
	touch $@

node_modules/.installed: package.json package-lock.json .npmrc
	npm ci --silent
	touch $@

bench-batch: setup .venv-bench/installed $(SAMPLE)/manifest.json ## score ROWS (1,000,000) pairs on this machine and in an emulated account that kills workers, into RESULTS
	PYTHONPATH=. .venv-bench/bin/python benchmarks/batch.py $(SAMPLE) --rows $(or $(ROWS),1000000) \
	    --out $(RESULTS)/$(notdir $(SAMPLE)).batch.json
	PYTHONPATH=. .venv/bin/python benchmarks/batch_wired.py $(SAMPLE) --rows $(or $(ROWS),1000000) \
	    --out $(RESULTS)/$(notdir $(SAMPLE)).batch_wired.json

figures: setup ## put the figures of benchmarks/results/ into the READMEs
	.venv/bin/python benchmarks/figures.py

.venv-bench/installed: pyproject.toml constraints.txt benchmarks/requirements.txt
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --disable-pip-version-check -e '.[offline]' -r benchmarks/requirements.txt
	touch $@

# A small demo store's models over a large one's catalogue: speed does not depend on how long they were trained.
.aisle/bench-models/manifest.json: | .venv/installed
	$(AISLE) build demo-small --out .aisle/bench-models

.aisle/bench-35000/manifest.json: | .aisle/bench-models/manifest.json
	.venv/bin/python benchmarks/catalogue.py 35000 .aisle/bench-35000.jsonl
	$(AISLE) index .aisle/bench-models .aisle/bench-35000.jsonl --out .aisle/bench-35000

image: setup ## build the search image around BUNDLE; ARCH=x86_64|arm64, BASE_IMAGE=… and RUNTIME=slim choose another, FUNCTION=batch the batch image
	.venv/bin/python -m infra.images.build $(SAMPLE) $(if $(ARCH),--arch $(ARCH)) $(if $(TAG),--tag $(TAG)) \
	    $(if $(BASE_IMAGE),--base-image $(BASE_IMAGE)) $(if $(RUNTIME),--runtime $(RUNTIME)) $(if $(FUNCTION),--function $(FUNCTION))

clean: ## remove .venv/, caches and what the demo built
	rm -rf .venv .venv-bench .venv-infra .serverless node_modules .aisle build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
