# The commands of this repository; `make` alone lists them.
#
#   PYTHON=…  the Python (3.11 or newer) that .venv is made with
#   ARGS=…    more arguments for the command, e.g. make test ARGS="tests/flows -k zeek"
#   FUZZ_SECONDS=…  how long `make fuzz` runs each target

PYTHON ?= python3
WORKERS ?= 2
ARGS ?=
FUZZ_SECONDS ?= 18

BIN := .venv/bin
INSTALLED := .venv/.installed
CODE := tidegate.py flows model_registry detection training orchestration serving demo benchmarks deploy tests

.DEFAULT_GOAL := help
.PHONY: help demo test test-long fuzz check format real-parts lock clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

demo: $(INSTALLED) ## set up, train, serve, attack and show what was found
	@$(BIN)/tidegate demo $(ARGS)

# Whole files go to one worker, so that what a file builds for its tests is built once.
test: $(INSTALLED) ## run the tests, but for the long ones
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m "not long" $(ARGS)

test-long: $(INSTALLED) ## run the long tests: whole runs with real exporters, brokers and traffic
	@$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile -m long $(ARGS)

fuzz: $(INSTALLED) ## throw bytes at all that reads them, guided by coverage (FUZZ_SECONDS=600 for longer)
	@$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

check: $(INSTALLED) ## lint, formatting, types and the floors' import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy $(wildcard $(CODE))
	$(BIN)/lint-imports

format: $(INSTALLED) ## rewrite the code in the house's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

real-parts: ## get what the tests need beside Python: Java, Apache Kafka, promtool, flow exporters, a browser, an object store
	@deploy/real-parts.sh

lock: $(INSTALLED) ## make requirements/*.txt anew from pyproject.toml (ARGS=--upgrade for newer versions)
	@deploy/lock.sh $(ARGS)

clean: ## remove .venv, var and every cache
	rm -rf .venv var build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): requirements/dev.txt pyproject.toml deploy/make-venv.sh deploy/check-machine.sh
	@deploy/check-machine.sh $(PYTHON)
	@deploy/make-venv.sh $(PYTHON)
	@touch $@
