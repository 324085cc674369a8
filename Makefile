# Every target does its own set-up in .venv; `make run` and `make test` work on a fresh clone.
# PYTHON=/path/to/python chooses the interpreter (3.11 or newer).

.DEFAULT_GOAL := help
# Compiled modules are kept whatever the shell says: the tests start some hundred processes, and each
# would compile the packages anew.
export PYTHONDONTWRITEBYTECODE :=
BIN := .venv/bin
LOCKS := pyproject.toml CHANGELOG.md tools/bootstrap.py tools/bootstrap.txt
RUN_STAMP := .venv/.installed-run
DEV_STAMP := .venv/.installed-dev
TOOLS := .venv-tools
TOOLS_STAMP := $(TOOLS)/.installed

# A stamp holds the folder it was made in: after a move, or with PYTHON given, set up again.
ifneq ($(shell cat $(RUN_STAMP) 2>/dev/null),$(CURDIR))
$(RUN_STAMP): FORCE
endif
ifneq ($(shell cat $(DEV_STAMP) 2>/dev/null),$(CURDIR))
$(DEV_STAMP): FORCE
endif
ifneq ($(shell cat $(TOOLS_STAMP) 2>/dev/null),$(CURDIR))
$(TOOLS_STAMP): FORCE
endif
ifdef PYTHON
$(RUN_STAMP) $(DEV_STAMP): FORCE
endif

.PHONY: help run security test test-firefox test-faults unit regression matrix-row test-delivery test-deployed build test-wheel smoke check scan image bench bench-load screenshots lock clean FORCE

help:
	@echo 'make run     set up, start the database and the dashboard, print its address'
	@echo 'make test    the tests, the flows in Chromium and Firefox (make test PG=12: those of the database)'
	@echo 'make test-firefox  in Firefox what make test shows in Chromium alone'
	@echo 'make test-faults  the 25 injections: what is killed, stopped and waited for, with figures'
	@echo 'make test-delivery  the pipeline: real workflow files, fakes of the platforms, static proof'
	@echo 'make unit, make regression BROWSER=firefox, make matrix-row PG=16 BROWSER=firefox  its parts'
	@echo 'make test-deployed URL=https://...  the integration tests of a release that runs there'
	@echo 'make build   wheel, bundles, bill of materials and sums of the commit, into dist'
	@echo 'make test-wheel  the wheel of that, installed where there is no source'
	@echo 'make smoke   the quick regression set'
	@echo 'make check   formatting, lint, types, architecture, security as far as it can be looked at here'
	@echo 'make security  the security scanners, and the gate that judges their reports'
	@echo 'make scan    wapiti and sqlmap against a dashboard that it serves'
	@echo 'make image   the Docker image of this commit'
	@echo 'make bench   ratios against a plain app and against the limit'
	@echo 'make bench-load SECONDS=180  many users, a slow and a lost database, in front of it'
	@echo 'make screenshots  the pictures of docs/screenshots again'
	@echo 'make lock    resolve pyproject.toml into the requirements files again'
	@echo 'make clean   remove .venv and caches (the data folder stays)'

$(RUN_STAMP): requirements-embedded.txt $(LOCKS)
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh run

$(DEV_STAMP): requirements-dev.txt $(LOCKS)
	@PYTHON='$(PYTHON)' sh tools/bootstrap.sh dev

# The programs that judge the pipeline live apart: their packages would bend the application's.
$(TOOLS_STAMP): $(DEV_STAMP) requirements-tools.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(TOOLS)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(TOOLS)/bin/python requirements-tools.txt
	@printf '%s' '$(CURDIR)' > $@

SCAN := .venv-scan
SCAN_STAMP := $(SCAN)/.installed
ifneq ($(shell cat $(SCAN_STAMP) 2>/dev/null),$(CURDIR))
$(SCAN_STAMP): FORCE
endif
$(SCAN_STAMP): $(DEV_STAMP) requirements-scan.txt
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python $(SCAN)
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(SCAN)/bin/python requirements-scan.txt
	@printf '%s' '$(CURDIR)' > $@

run: $(RUN_STAMP)
	@exec $(BIN)/python -m mltrading serve

PYTEST := $(BIN)/python -m pytest

# A third worker brings nothing on two processors: two browsers keep them busy. What is no flow meets
# Firefox in test-firefox. COVERAGE=on measures it too, as CI does: traced tests take up to 1.7 times
# as long.
test: $(DEV_STAMP)
ifdef PG
	@programs="$$($(BIN)/python -m tools.postgres_matrix $(PG))" && \
	MLTRADING_TEST_BIN="$$programs" $(PYTEST) -q -n 2 --dist load -m 'database and not faults and not browser' --ignore=tests/test_delivery
else
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -n 2 --dist load -m 'not faults and not again' --ignore=tests/test_delivery $(if $(COVERAGE),--cov --cov-report=term) \
		--durations=10
endif

test-firefox: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -m again --ignore=tests/test_delivery --durations=10

# The 25 injections, and what takes long because something is killed, stopped or waited for; ends with
# a table of figures. A file is one worker's: its tests share servers.
test-faults: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -n 2 --dist loadfile -k faults tests/integration --durations=10

test-delivery: $(DEV_STAMP) $(TOOLS_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -n logical --dist load tests/test_delivery --cov=delivery --cov-report=term --durations=10

test-deployed: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	@MLTRADING_TEST_URL='$(URL)' $(PYTEST) -q -n 2 --dist load tests/deployed

build: $(DEV_STAMP) $(TOOLS_STAMP)
	@$(BIN)/python -m delivery package --into dist

test-wheel: build
	@$(BIN)/python -m tools.wheel_check dist

smoke: $(DEV_STAMP)
	@$(PYTEST) -q -m smoke

# The parts of `make test` that CI runs beside one another, each on as many workers as there are
# processors. Coverage without browsers has to pass by itself: a click covers much and checks little.
unit: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -n logical --dist load -m 'not browser and not faults' --ignore=tests/test_delivery --cov \
		--cov-report=term --cov-report=json:build/coverage.json --durations=10
	@$(BIN)/python -m delivery metrics coverage build/coverage.json

BROWSER ?= chromium
regression: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(PYTEST) -q -m browser -k $(BROWSER) --ignore=tests/test_delivery --durations=10

# One row of the CI matrix: the database tests on one PostgreSQL, and the flows through the browser.
FLOWS := test_f1_ or test_f3_ or test_f4_ or test_f7_
matrix-row: $(DEV_STAMP)
	@test -n '$(PG)' || { echo 'usage: make matrix-row PG=16 BROWSER=firefox' >&2; exit 2; }
	@$(BIN)/python -m tools.setup_tests
	@programs="$$($(BIN)/python -m tools.postgres_matrix $(PG))" && \
	export MLTRADING_TEST_BIN="$$programs" && \
	$(PYTEST) -q -n logical --dist load -m '(database or smoke) and not browser and not faults' \
		--ignore=tests/test_delivery && \
	$(PYTEST) -q -m browser -k '$(BROWSER) and ($(FLOWS))' --ignore=tests/test_delivery

FORMATTED := src delivery tests tools benchmarks

check: $(DEV_STAMP) $(TOOLS_STAMP)
	$(BIN)/black --check --quiet $(FORMATTED)
	$(BIN)/isort --check --quiet $(FORMATTED)
	$(BIN)/flake8 $(FORMATTED)
	$(BIN)/mypy
	$(BIN)/pylint src/mltrading delivery
	$(PYTEST) -q tests/test_architecture.py
	@PYTHONPATH=src $(BIN)/python -m delivery security --at-hand
	@PYTHONPATH=src $(BIN)/python -m delivery security-gate --at-hand

security: $(DEV_STAMP) $(TOOLS_STAMP)
	@PYTHONPATH=src $(BIN)/python -m delivery security
	@PYTHONPATH=src $(BIN)/python -m delivery security-gate

# wapiti and sqlmap against a dashboard that this serves; about ten minutes.
scan: $(DEV_STAMP) $(SCAN_STAMP)
	@$(BIN)/python -m tools.scan

# Builds the image of this commit and imports the application in it, which connects to nothing;
# needs Docker.
image:
	docker build --file deploy/docker/Dockerfile --tag mltrading \
		--build-arg COMMIT="$$(git rev-parse HEAD)" .
	docker run --rm --env DATABASE_URL=postgresql://nobody@localhost/none \
		--env SECRET_KEY=nobody-signs-in-while-this-is-imported mltrading \
		python -c 'import mltrading.wsgi'

bench: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(BIN)/python -m benchmarks

# 50 users for so many seconds, the rest in proportion: seven minutes for the 180 of the limits.
SECONDS ?= 180
bench-load: $(DEV_STAMP)
	$(BIN)/python -m benchmarks.load --seconds $(SECONDS)

screenshots: $(DEV_STAMP)
	@$(BIN)/python -m tools.setup_tests
	$(BIN)/python -m tools.screenshots

UV_COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --custom-compile-command 'make lock' pyproject.toml

lock: $(DEV_STAMP)
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --group pyproject.toml:bootstrap \
		--output-file tools/bootstrap.txt
	$(UV_COMPILE) --output-file requirements.txt
	$(UV_COMPILE) --extra embedded --constraint requirements.txt --output-file requirements-embedded.txt
	$(UV_COMPILE) --extra telemetry --constraint requirements.txt --output-file requirements-telemetry.txt
	$(UV_COMPILE) --extra embedded --extra telemetry --group dev \
		--constraint requirements-embedded.txt --constraint requirements-telemetry.txt \
		--output-file requirements-dev.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --group pyproject.toml:tools \
		--output-file requirements-tools.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --group pyproject.toml:scan \
		--output-file requirements-scan.txt
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command 'make lock' --constraint requirements.txt \
		delivery/requirements.in --output-file delivery/requirements.txt

clean:
	rm -rf .venv .venv-tools .venv-scan .cache build dist .mypy_cache .pytest_cache .hypothesis .coverage htmlcov
