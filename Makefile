# From a bare clone: `make demo`, `make test`, `make check`. They set everything up and need only python3; uv is used where it
# is on PATH. PYTHON names another interpreter (PYTHON=python3.13 make test), ARGS goes to the command (make demo ARGS=--exit).

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh
UV := $(shell command -v uv 2>/dev/null)

# The first interpreter that runs and is new enough, never one inside an environment (which set-up may be about to remove).
# A name on PATH may be a shim of pyenv that refuses; then the interpreters behind it are tried.
FACTS := import sys; sys.version_info >= (3, 11) or sys.exit(1); print("%d.%d.%d" % sys.version_info[:3], sys._base_executable)
FOUND := $(shell \
  for name in $(or $(PYTHON),python3 python3.13 python3.12 python3.11); do \
    for python in "$$name" "$$(dirname "$$(command -v "$$name")")"/../versions/*/bin/"$$name"; do \
      "$$python" -c '$(FACTS)' 2>/dev/null && break 2; \
    done; \
  done)
VERSION := $(firstword $(FOUND))
INTERPRETER := $(wordlist 2,99,$(FOUND))
SERIES := $(basename $(VERSION))
ifeq ($(FOUND),)
ifdef UV # has interpreters of its own
VERSION := $(or $(PYTHON),3.11+) by uv
INTERPRETER := $(or $(PYTHON),>=3.11)
SERIES := $(notdir $(PYTHON))
endif
endif

# A named interpreter has an environment of its own, so that going to and fro rebuilds nothing.
VENV := .venv$(if $(PYTHON),-$(or $(SERIES),none))
BIN := $(VENV)/bin
# Half of the tests' time is waiting: for a mail that is due, a server that starts. -n 0 does without the workers. Examples
# are the same in each run, so that a failure is the change's own; ARGS=--hypothesis-profile=default looks for others.
PYTEST := $(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder --hypothesis-profile=ci
NODE := tests/edges/node

# An environment is made anew when its interpreter changed or went, or the checkout was moved: scripts and the editable
# install hold full paths.
HERE := $(VERSION) $(CURDIR)
STATE := $(shell cat $(VENV)/.made 2>/dev/null && $(BIN)/python -c '' 2>/dev/null || echo unusable)
ifneq ($(STATE),$(HERE))
.PHONY: $(VENV)/.made
endif

ifdef UV
# The machine's certificates, for offices whose proxy signs for itself.
export UV_SYSTEM_CERTS ?= 1
CREATE := uv venv --quiet --seed --python "$(INTERPRETER)" $(VENV)
INSTALL := uv pip install --quiet --python $(BIN)/python
else
CREATE := "$(INTERPRETER)" -m venv $(VENV)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
endif

.PHONY: help demo test check bench browser redbot python lock clean

help:
	@echo 'make demo     a year of the shipped catalogue in a minute, then its pages (ARGS=--exit: without the pages)'
	@echo 'make test     the tests (ARGS=… goes to pytest)'
	@echo 'make check    style, types, import rules, tests: what a change must pass'
	@echo 'make bench    the benchmarks'
	@echo 'make browser  what the tests need from npm, and those in a browser besides a Chromium'
	@echo 'make redbot   REDbot, which looks at feeds as a cache does, in an environment of its own'
	@echo 'make python   which interpreter is used'
	@echo 'make lock     pins dependencies anew, needs uv (ARGS=--upgrade: the newest)'
	@echo 'make clean    removes environments and caches; var/ stays'

demo: $(VENV)/.runs
	@$(BIN)/reminders demo $(ARGS)

test: $(VENV)/.tests
	$(PYTEST) $(ARGS)

check: $(VENV)/.tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(PYTEST) $(ARGS)

bench: $(VENV)/.tests
	$(BIN)/python -m benchmarks $(ARGS)

browser: $(VENV)/.browser $(NODE)/node_modules/.package-lock.json

redbot: $(VENV)/redbot/.made

python:
	@test -n "$(FOUND)" && echo 'Python $(VERSION) ($(INTERPRETER))'

# Set-up in steps: the demo needs a third of what the tests need.
$(VENV)/.made:
	@test -n "$(INTERPRETER)" || { \
	  echo 'Python 3.11 or newer is needed: $(or $(PYTHON),python3) does not run or is older. Name one: make … PYTHON=python3.12' >&2; \
	  exit 1; }
	@test -n "$(UV)" || "$(INTERPRETER)" -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo '$(INTERPRETER) cannot make an environment. On Debian and Ubuntu: apt install python3-venv. Or install uv.' >&2; \
	  exit 1; }
	@echo 'Setting up $(VENV) with Python $(VERSION) ($(INTERPRETER)); the first time takes up to a minute'
	@rm -rf $(VENV)
	@$(CREATE)
	@echo '$(HERE)' > $@

$(VENV)/.runs: $(VENV)/.made pyproject.toml requirements.lock
	@$(INSTALL) --require-hashes -r requirements.lock
	@$(INSTALL) --no-deps -e .
	@touch $@

$(VENV)/.tests: $(VENV)/.runs requirements-dev.lock
	@$(INSTALL) --require-hashes -r requirements-dev.lock
	@touch $@

$(VENV)/.browser: $(VENV)/.tests requirements-browser.lock
	@$(INSTALL) --require-hashes -r requirements-browser.lock
	@touch $@

# No scripts of packages: one would fetch a Java of its own.
$(NODE)/node_modules/.package-lock.json: $(NODE)/package.json $(NODE)/package-lock.json
	@if command -v npm >/dev/null; then \
	  cd $(NODE) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json; \
	else \
	  echo 'npm is not installed: the tests that need node are skipped'; \
	fi

# The same steps one folder deeper: what the tests run is not among what they import.
$(VENV)/redbot/.made: $(VENV)/.made requirements-redbot.lock
	@rm -rf $(VENV)/redbot
	@$(CREATE)/redbot
	@$(subst $(BIN),$(VENV)/redbot/bin,$(INSTALL)) --require-hashes -r requirements-redbot.lock
	@touch $@

# One resolution for all, valid from 3.11 up and on every platform; hashes, but no address of an index.
COMPILE := uv --no-config pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(ARGS)
lock:
	@test -n "$(UV)" || { echo 'make lock needs uv on PATH' >&2; exit 1; }
	$(COMPILE) pyproject.toml --extra postgres --extra dkim --group dev -o requirements-dev.lock >/dev/null
	$(COMPILE) pyproject.toml -c requirements-dev.lock -o requirements.lock >/dev/null
	$(COMPILE) --group browser -c requirements-dev.lock -o requirements-browser.lock >/dev/null
	$(COMPILE) --group redbot -c requirements-dev.lock -o requirements-redbot.lock >/dev/null
	@! grep -n '://' requirements*.lock

clean:
	rm -rf $(NODE)/node_modules .venv .venv-* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find reminders tests benchmarks -name __pycache__ -prune -exec rm -rf {} +
