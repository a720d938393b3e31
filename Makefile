# Two commands do everything on a fresh machine with Python 3.11 or newer: `make verify` and `make test`.
# `python3` may be older than `python3.11`: the first that is new enough is used.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' && echo $$p && break; done)
VENV   := .venv
BIN    := $(VENV)/bin
ALBOR  := $(BIN)/albor-contracts
READY  := $(VENV)/.ready
export OMP_NUM_THREADS ?= 1
JOBS   ?= 2

PARTS := test-core test-families test-tool test-kernels
.PHONY: setup verify test $(PARTS) bench clean format
setup: $(READY)

# PyTorch is installed first and by exact version: a range would fetch a newer release with gigabytes of CUDA packages.
$(READY): pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed and was not found"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,oracles]'
	@touch $@

# The main job: everything the contracts claim, checked on this machine. Stops at the first stage that does not hold.
verify: $(READY)
	@echo "== contracts ==";     $(ALBOR) validate
	@echo "== generated ==";     $(ALBOR) generate --check
	@echo "== obligations ==";   $(ALBOR) verify -n $(JOBS) --seed 0 --profile quick
	@echo "== compilation ==";   $(ALBOR) compile -n $(JOBS)
	@echo "== proofs ==";        $(ALBOR) prove -n $(JOBS)
	@echo "== faults ==";        $(ALBOR) falsify -n $(JOBS)
	@echo "== coverage ==";      $(ALBOR) coverage --level 2 --fail-under 100

# Four parts of about the same length, two at a time: one for each core.
test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(ALBOR) generate --check
	@$(MAKE) --no-print-directory --jobs $(JOBS) --keep-going --output-sync=target $(PARTS)

test-core: $(READY)
	$(BIN)/python -m pytest generated/core generated/attention -q

test-families: $(READY)
	$(BIN)/python -m pytest $(filter-out generated/core generated/attention,$(wildcard generated/*)) -q

# What `verify` says of kernels takes a process for each and runs beside the kernels: so the parts last equally long.
VERIFY := tests/tool/test_verify.py

test-tool: $(READY)
	$(BIN)/python -m pytest tests/tool --ignore=$(VERIFY) -q

test-kernels: $(READY)
	$(BIN)/python -m pytest $(filter-out tests/tool,$(wildcard tests/*)) $(VERIFY) -q

bench: $(READY)
	$(BIN)/python -m pytest benchmarks -q --benchmark-only

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .albor build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
