# Everything a newcomer types. Needs make and some Python >= 3.12; all else is installed into .venv/ and .data/.

PORT ?= 8000
ARGS ?=
DATABASE ?=
SIZE ?= small
BIN := .venv/bin

# The first name that really runs and is new enough: a pyenv shim may exist and fail.
CANDIDATES := python3.13 python3.12 python3.14 python3 python \
	$(wildcard $(or $(PYENV_ROOT),$(HOME)/.pyenv)/versions/3.1[2-9]*/bin/python) \
	$(wildcard /usr/local/bin/python3 /opt/homebrew/bin/python3 /usr/bin/python3)
PROBE := import sys, ensurepip, venv; sys.exit(sys.version_info < (3, 12))

.PHONY: help setup run test bench lint lock
.DEFAULT_GOAL := help

help: ## Show this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || grep '##' Makefile

setup: ## Install the locked packages into .venv (again only when requirements.txt changes)
	@set -eu; \
	if ! $(BIN)/python -c '' 2>/dev/null; then \
		found=; \
		for candidate in $(CANDIDATES); do \
			if "$$candidate" -c '$(PROBE)' >/dev/null 2>&1; then found=$$candidate; break; fi; \
		done; \
		if [ -z "$$found" ]; then \
			echo 'NEXORA needs Python 3.12 or later with its venv module, and none of these runs:' >&2; \
			echo '  $(CANDIDATES)' >&2; \
			echo 'Install one (on Debian or Ubuntu: python3 and python3-venv) and type the command again.' >&2; \
			exit 1; \
		fi; \
		echo "python ............. $$("$$found" -c 'import platform, sys; print(platform.python_version(), sys.executable)')"; \
		"$$found" -m venv --clear .venv; \
	fi; \
	if ! cmp -s requirements.txt .venv/requirements.installed; then \
		echo "packages ........... installing $$(grep -c '^[a-z]' requirements.txt) into .venv, about half a minute"; \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --require-hashes -r requirements.txt; \
		cp requirements.txt .venv/requirements.installed; \
		echo "packages ........... ready"; \
	fi

run: setup ## Start everything on PORT (8000): database, web, worker. Ctrl-C stops it
	@$(BIN)/python manage.py up --port $(PORT)

test: setup ## Run every test, e.g. make test ARGS="tests/crm -k deal"; DATABASE=15: on this machine's PostgreSQL 15
	@$(if $(DATABASE),$(BIN)/python tests/cluster.py $(DATABASE) -- )$(BIN)/python -m pytest -n 2 $(ARGS)

bench: setup ## What a request and a run of a workflow cost, beside bare ones; SIZE=large: beside 10 million activities
	@$(BIN)/python -m nexora.bench --size $(SIZE) $(ARGS)

lint: setup ## Style, import directions, missing migrations, system checks
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check

# Pins and hashes for every platform, and no address: `uv.lock` would name a registry's host.
lock: ## Write requirements.txt from pyproject.toml (newest versions: make lock ARGS=--upgrade)
	@if [ -f requirements.txt ]; then $(MAKE) --no-print-directory setup; fi
	@uv="$$(command -v $(BIN)/uv || command -v uv)" || { echo 'make lock needs uv once: pip install uv' >&2; exit 1; }; \
	"$$uv" pip compile --quiet --universal --generate-hashes --no-header --no-annotate \
		--no-emit-index-url --no-emit-find-links --group dev pyproject.toml --output-file requirements.txt $(ARGS)
