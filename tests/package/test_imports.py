"""The runtime without torch, and commands whose help loads nothing heavy."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = (
    "numpy", "cv2", "PIL", "av", "onnxruntime", "onnx", "torch", "numba", "sklearn", "scipy", "pydantic",
    "lightning_fabric", "tensorboard", "starlette", "uvicorn", "prometheus_client", "gradio", "ray", "pyarrow",
)  # fmt: skip
COMMANDS = {
    "depdis-infer": "depdis_deploy.cli",
    "depdis-benchmark": "depdis_deploy.benchmark.cli",
    "depdis-serve": "depdis_deploy.serve.cli",
    "depdis-data": "depdis_training.data_cli",
    "depdis-train": "depdis_training.train_cli",
    "depdis-evaluate": "depdis_training.evaluate_cli",
    "depdis-export": "depdis_export.cli",
    "depdis-demo": "depdis_demo.cli",
}
WITHOUT_TRAINING = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "depdis_training", "depdis_export", "onnx"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}:{ROOT / 'export'}:{ROOT / 'demo'}",
            "PATH": "/usr/bin:/bin",
        },
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_is_light_and_shows_an_example(command: str) -> None:
    code = f"""
import sys
from {COMMANDS[command]} import main
sys.argv = [{command!r}, "--help"]
try:
    main()
except SystemExit as end:
    assert not end.code, end.code
print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert "LOADED []" in done.stdout
    assert f"Example: {command} " in done.stdout


def test_commands_are_installed_under_their_names() -> None:
    import tomllib

    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert scripts == {name: f"{module}:main" for name, module in COMMANDS.items()}


def test_runtime_works_where_torch_and_training_are_absent() -> None:
    code = (
        WITHOUT_TRAINING
        + """
import numpy as np
from depdis_deploy import Predictor
import depdis_deploy.serve.server
prediction = Predictor()(np.full((90, 160, 3), 128, np.uint8))
assert prediction.labels.shape == prediction.depth.shape == (90, 160)
try:
    import torch
except ModuleNotFoundError:
    print("torch is absent")
"""
    )
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "torch is absent"


def test_engines_keep_and_send_nothing_of_their_own(tmp_path: Path) -> None:
    """onnxruntime's device identity and events would lie in the home folder, OpenVINO's telemetry too."""
    code = """
import numpy as np
from depdis_deploy import Predictor
for engine in ("onnxruntime", "openvino"):
    Predictor(device="cpu", engine=engine, threads=1)(np.full((64, 128, 3), 128, np.uint8))
"""
    environment = {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, capture_output=True)
    assert list(tmp_path.rglob("*")) == []


def test_infer_on_the_bundled_clip_where_torch_is_absent(tmp_path: Path) -> None:
    code = (
        WITHOUT_TRAINING
        + """
from depdis_deploy.cli import main
main()
"""
    )
    done = run_python(code, "--outdir", str(tmp_path / "out"), "--save", "json", "--stride", "50")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "street.ndjson").read_text().count("\n") >= 2


def test_a_checkout_on_the_path_has_a_version() -> None:
    found = run_python("import depdis_deploy; print(depdis_deploy.__version__)")
    assert found.stdout.strip() == metadata.version("depdis-deploy")
    # without the environment's packages: what ends a training at its report must not be the want of a version
    bare = subprocess.run(
        [sys.executable, "-S", "-c", "import depdis_deploy; print(depdis_deploy.__version__)"],
        capture_output=True, text=True, cwd=ROOT, env={"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert bare.stdout.strip() == "not installed", bare.stderr
