# Everything a developer does with Botkeys. `make run` and `make test` set up what they need.

PYTHON ?= python3
BIN := .venv/bin
LOCK := requirements/development.lock

.PHONY: run install test torture demo check bench lock documents clean

# A Ctrl-C before the service can take it would show a traceback of Python's own start: it is left
# to make, whom the service watches.
run: install
	@trap '' INT; exec $(BIN)/botkeys dev --parent $$PPID

install: .venv/.installed

.venv/.installed: $(LOCK) pyproject.toml sdk/python/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Botkeys needs Python 3.11 or later; name one with PYTHON=…" >&2; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { echo "$(PYTHON) cannot make virtual environments: install its venv module" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $(LOCK)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e sdk/python -e .
	@touch $@

# They start dozens of processes: none is to compile all modules anew, whatever the environment says.
test torture: export PYTHONDONTWRITEBYTECODE =

test: install
	$(BIN)/python -m pytest -n auto --dist worksteal -m "not torture"

# Thousands of interleavings, a full disk, kill -9 at every stage, other servers and poolers.
torture: install
	$(BIN)/python -m pytest -n auto --dist worksteal -m torture

demo: install
	@exec $(BIN)/python -m examples.demo

bench: install
	@exec $(BIN)/python -m benchmarks

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m scripts.check_migrations
	$(BIN)/python -m scripts.documents

# What the code says of itself, written down. `make check` fails where they differ.
documents: install
	$(BIN)/python -m scripts.documents --write

# New pins; needs `uv`. Hashes are kept, addresses of package indexes are not.
lock:
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --upgrade -o requirements/production.lock
	uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-header --upgrade --extra embedded --extra dev \
		-c requirements/production.lock -o $(LOCK)
	echo setuptools | uv pip compile - --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --no-header -c $(LOCK) -o requirements/build.lock

clean:
	rm -rf .venv build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
