"""Tests with the lowest versions that pyproject.toml accepts, in a throw-away environment.

    python .ci/minimum.py             # install constraints-minimum.txt, and run tests of every part with it
    python .ci/minimum.py --update    # write constraints-minimum.txt again, after a change of pyproject.toml

PyTorch is the one of constraints.txt: older ones have no CPU wheel on the package index. Ray's lower bound is
the version of constraints.txt, with which all tests run.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints-minimum.txt"
EXTRAS = ("cpu", "openvino", "serve", "export", "demo")
_RESOLVER = "uv==0.13.9"
_TOOLS = ("pytest", "pytest-timeout", "openapi-pydantic")
_TESTS = (
    *(f"tests/deploy/test_{name}.py" for name in ("predictor", "pictures", "clip", "openvino", "serve")),
    *(f"tests/training/test_{name}.py" for name in ("depth_distribution", "spatial_prior", "checkpoint")),
    "tests/training/test_data_names.py",
    "tests/training/test_train.py::test_a_run_learns_and_leaves_everything_behind",
    "tests/export/test_export.py",
)
_HEADER = (
    "# The lowest versions that pyproject.toml accepts, for Python 3.11 on Linux; by .ci/minimum.py --update.\n"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--update", action="store_true", help="write constraints-minimum.txt, run nothing")
    update = parser.parse_args().update
    with tempfile.TemporaryDirectory(prefix="depdis-minimum-") as temporary:
        python = _environment(Path(temporary))
        if update:
            _update(python, Path(temporary))
            return 0
        return _check(python)


def _environment(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    return folder / "venv/bin/python"


def _update(python: Path, folder: Path) -> None:
    _install(python, _RESOLVER)
    torch = folder / "torch.txt"
    pinned = (line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines())
    torch.write_text("\n".join(line for line in pinned if line.startswith("torch==")), encoding="utf-8")
    words = [word for extra in EXTRAS for word in ("--extra", extra)]
    done = subprocess.run(
        [
            python, "-m", "uv", "pip", "compile", "pyproject.toml", *words, "--resolution", "lowest-direct",
            "--only-binary", ":all:", "--python-version", "3.11", "--no-header", "--no-annotate", "-c", torch,
            "--quiet",
        ],
        cwd=ROOT, check=True, capture_output=True, text=True,
    )  # fmt: skip
    # a wheel of PyTorch for the CPU alone needs none of these, one for GPUs pins them itself
    gpu = ("nvidia-", "cuda-", "triton")
    lines = [line for line in done.stdout.splitlines() if not line.startswith(gpu)]
    CONSTRAINTS.write_text(_HEADER + "\n".join(lines) + "\n", encoding="utf-8")


def _check(python: Path) -> int:
    wanted = f".[{','.join(EXTRAS)}]"
    _install(python, "--only-binary", ":all:", "-c", str(CONSTRAINTS), *_TOOLS, "-e", wanted)
    # Warnings are of the libraries' own old parts here; those of the pinned versions are errors in `make test`.
    words = ["-q", "-p", "no:cacheprovider", "-m", "not long", "-o", "filterwarnings=", "-o", "addopts="]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
    tests = subprocess.run([python, "-m", "pytest", *words, *_TESTS], cwd=ROOT, env=environment)
    page = subprocess.run([python, "-c", _PAGE], cwd=ROOT, env=environment)
    return tests.returncode or page.returncode


def _install(python: Path, *words: str) -> None:
    pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    subprocess.run([*pip, *words], cwd=ROOT, check=True)


_PAGE = """
import os, socket, subprocess, sys, urllib.request
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = str(free.getsockname()[1])
process = subprocess.Popen(
    [sys.executable, "-c", "from depdis_demo.cli import main; main()", "--port", port],
    stderr=subprocess.PIPE, text=True, env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"})
try:
    address = next(line.split()[-1] for line in process.stderr if line.startswith("depdis-demo: http"))
    assert b"<html" in urllib.request.urlopen(address, timeout=60).read()
finally:
    process.terminate()
    process.wait(60)
print("the demo's page is served")
"""


if __name__ == "__main__":
    sys.exit(main())
