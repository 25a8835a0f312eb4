# The README's commands. Each works from any directory name, spaces included, and offline once
# "make setup" has run.
.POSIX:
.PHONY: setup demo test lint check contracts lock clean

setup:
	@sh stack/setup.sh

# ONCE=1 exits when the last payment is final; without it a terminal keeps the stack up.
demo: setup
	@.venv/bin/lastro demo

test: lint check

lint: setup
	@.venv/bin/ruff check --quiet .
	@.venv/bin/ruff format --quiet --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --cache-dir .lastro/cache/import_linter

check: setup
	@.venv/bin/python -m pytest --quiet --numprocesses 2
	@sh tests/contracts/run.sh

# Compile the contracts again after changing them; the artifacts are committed.
contracts: setup
	@.venv/bin/python contracts/build.py

# Resolve the locks again; needs uv.
lock:
	@for name in service test contracts; do \
	  uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header \
	    --no-annotate requirements/$$name.in -o requirements/$$name.txt || exit 1; done

clean:
	@rm -rf .venv .venv-contracts .lastro contracts/node_modules benchmarks/node_modules tests/e2e/browser/node_modules
