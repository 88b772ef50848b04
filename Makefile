# Every target works from a clean clone: each first makes .venv.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
EMULATION := .venv/.emulation
# Tests run in a process for each core, four at most; PARALLEL="-n 0" runs them in one.
PARALLEL ?= --numprocesses auto --maxprocesses 4

.PHONY: demo test test-slow test-gpu gpu-wheels gpu-check gpu-rehearsal lint stubs bench serve oracle clean

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	touch $@

demo: $(STAMP)
	$(BIN)/telegrad demo

# The tests of GPU code want CuPy; where it cannot be installed they are skipped, and say so.
$(EMULATION): $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[emulation]' \
		|| echo 'CuPy cannot be installed here: the tests that run it will be skipped' >&2
	touch $@

test: $(EMULATION)
	$(BIN)/pytest $(PARALLEL) --dist loadfile -m 'not slow and not gpu'

# The op samples, gradients and models on real CuPy over an emulated runtime; every kernel through NVRTC.
test-gpu: $(EMULATION)
	$(BIN)/pytest $(PARALLEL) --dist worksteal tests/gpu -m gpu

# For a machine with a GPU and without a network: wheels of what it lacks, for its Python (`PYTHON=3.12`), then there
# the check, with its own Python. Reports are kept in tests/gpu/hardware/reports.
gpu-wheels:
	cd tests && python3 -m gpu.hardware.packages --python $(PYTHON)

gpu-check:
	cd tests && $(PYTHON) -m gpu.hardware $(CHECK)

# The same on an emulated device, reduced.
gpu-rehearsal: $(EMULATION)
	cd tests && ../$(BIN)/python -m gpu.hardware --emulated --out ../out/gpu-rehearsal $(CHECK)

test-slow: $(EMULATION)
	$(BIN)/pytest -m 'slow and not gpu'

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	@# Beside their stubs, these are not looked at above.
	$(BIN)/mypy --follow-imports=silent client/telegrad/__init__.py client/telegrad/functional.py client/telegrad/linalg.py
	$(BIN)/mypy --follow-imports=silent client/telegrad/nn/modules/activation.py client/telegrad/nn/modules/loss.py
	cd tests && ../$(BIN)/python -m stubs --check
	$(BIN)/lint-imports
	$(BIN)/hadolint docker/*.Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec docker/compose.yaml
	@if command -v docker-compose >/dev/null; then \
		TELEGRAD_TOKEN_FILE=/dev/null docker-compose --file docker/compose.yaml --profile cpu --profile cuda config --quiet; \
	else echo 'no docker-compose here: docker/compose.yaml was held against its schema alone' >&2; fi

# What type checkers know of the names that are attached at import.
stubs: $(STAMP)
	cd tests && ../$(BIN)/python -m stubs

bench: $(STAMP)
	cd tests && env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE ../$(BIN)/python -m bench $(BENCH)

serve: $(STAMP)
	$(BIN)/telegrad serve

oracle: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'torch==2.13.0' expecttest

clean:
	rm -rf .venv out dist build
