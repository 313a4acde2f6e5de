# Everything here sets itself up: Python 3.11 or newer with pip is all that a machine needs.
# PYTHON=/path/to/python3 chooses the interpreter; EMBEDDED=no leaves out the embedded PostgreSQL; EXTRAS=yes adds what
# traces (OpenTelemetry) and error reports (Sentry) need.

VENV := .venv
BIN := $(VENV)/bin
PORT ?= 8000
ifeq ($(EXTRAS),yes)
LOCK := requirements-extras.lock
INSTALLED := $(VENV)/.installed-extras
else
LOCK := requirements.lock
INSTALLED := $(VENV)/.installed
endif
# The slowest first, so that no process is left alone with them at the end.
TESTS ?= tests/acceptance tests/engine tests/functions tests

# A clone that was moved, or whose Python was removed, is set up again.
SOUND := $(shell [ ! -f $(VENV)/.root ] || { [ "$$(cat $(VENV)/.root)" = "$(CURDIR)" ] && \
	$(BIN)/python -c '' 2>/dev/null; } && echo yes)
ifneq ($(SOUND),yes)
$(shell rm -f $(VENV)/.installed*)
endif

.DEFAULT_GOAL := help
.PHONY: help run setup test test-setup lint types imports docs-check chaos soak screenshots bench audit licences lock clean

help: ## Say what there is
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

run: setup ## Set up, start PostgreSQL, engine and app on port 8000, ask for a first sync
	@exec $(BIN)/protenders serve --port $(PORT) --first-sync

setup: $(INSTALLED) ## Set up only

$(INSTALLED): $(LOCK) pyproject.toml
	@EMBEDDED="$(EMBEDDED)" PYTHON="$(PYTHON)" sh scripts/setup.sh $(LOCK) $@

test-setup: $(VENV)/.installed-dev

$(VENV)/.installed-dev: requirements-dev.lock pyproject.toml
	@EMBEDDED="$(EMBEDDED)" PYTHON="$(PYTHON)" sh scripts/setup.sh requirements-dev.lock $@
	@touch $(VENV)/.installed

test: test-setup ## Set up and run the tests
	@exec $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder -m "not chaos and not soak and not screenshots and not docs" $(TESTS)

lint: test-setup ## Ruff's rules and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: test-setup ## mypy --strict
	@$(BIN)/mypy

imports: test-setup ## Which room may import which
	@$(BIN)/lint-imports

docs-check: test-setup ## Every command, link and setting that the documentation names: tried
	@exec $(BIN)/python -m pytest -q tests/docs

chaos: test-setup ## The heavy fault schedules
	@exec $(BIN)/python -m pytest -m chaos $(TESTS)

soak: test-setup ## Long runs that look for leaks and drift
	@exec $(BIN)/python -m pytest -m soak $(TESTS)

screenshots: test-setup ## Pictures of the pages, into screenshots/
	@exec $(BIN)/python -m pytest -m screenshots $(TESTS)

bench: $(VENV)/.installed-bench ## The benchmarks, each against its yardsticks
	@exec $(BIN)/protenders bench all

$(VENV)/.installed-bench: requirements-bench.lock pyproject.toml
	@EMBEDDED="$(EMBEDDED)" PYTHON="$(PYTHON)" sh scripts/setup.sh requirements-bench.lock $@

audit: test-setup ## Known weaknesses of the locked packages, where the database of them can be reached
	@exec $(BIN)/python scripts/audit.py requirements-extras.lock requirements-dev.lock

licences: test-setup ## Renew docs/licences.md from the installed packages
	@exec $(BIN)/python scripts/licences.py

UV_COMPILE = uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-header --group build

lock: ## Renew the hash-pinned locks (needs uv); UPGRADE=--upgrade takes newer releases
	@$(UV_COMPILE) $(UPGRADE) -o requirements.lock
	@$(UV_COMPILE) $(UPGRADE) --extra otel --extra sentry -c requirements.lock -o requirements-extras.lock
	@$(UV_COMPILE) $(UPGRADE) --group dev -c requirements-extras.lock -o requirements-dev.lock
	@$(UV_COMPILE) $(UPGRADE) --group dev --group bench -c requirements-dev.lock -o requirements-bench.lock

clean: ## Remove what was set up; the data in .protenders/ stays
	@rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
