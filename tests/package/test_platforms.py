"""Nothing that only Linux has is needed: modules, functions of `os` and `signal`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RUNTIME = (
    "numpy,cv2,PIL.Image,PIL.PngImagePlugin,av,typer,rich,onnxruntime,subprocess,multiprocessing,asyncio,"
    "tempfile,uvicorn,starlette.applications,prometheus_client"
)
TRAINING = "torch,torch.distributed,lightning_fabric,tensorboard,sklearn.mixture,numba,cc3d,onnxscript,gradio"


def run(libraries: str, *words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, HERE / "hidden_platform.py", libraries, *words],
        capture_output=True, text=True, check=False, cwd=cwd, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def test_runtime_imports_and_infers_without_what_only_linux_has(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.jpg"), np.full((48, 64, 3), 90, np.uint8))
    words = ("depdis_deploy.cli", "a.jpg", "--outdir", "out", "--engine", "onnxruntime")
    result = run(RUNTIME, "depdis_deploy", *words, cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert int(result.stderr.split()[0]) > 100
    assert (tmp_path / "out/a_overlay.png").is_file()


def test_checks_a_data_set_without_what_only_linux_has(tmp_path: Path) -> None:
    for name in ("val", "valannot"):
        (tmp_path / name).mkdir()
        cv2.imwrite(str(tmp_path / name / "a.png"), np.full((48, 64, 3), 3, np.uint8))
    words = ("depdis_training.data_cli", "check", str(tmp_path))
    result = run("cv2,PIL.PngImagePlugin,typer,rich,yaml,pydantic", "depdis_training.data", *words)
    assert result.returncode == 0, result.stderr
    assert "camvid" in result.stdout


@pytest.mark.long
def test_training_export_and_demo_import_without_what_only_linux_has() -> None:
    result = run(f"{RUNTIME},{TRAINING}", "depdis_training,depdis_export,depdis_demo")
    assert result.returncode == 0, result.stderr
    assert int(result.stderr.split()[-1]) > 150
