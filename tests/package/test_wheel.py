"""What the wheel holds, and what it must not."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_MODEL, LIMIT_BUNDLED = 14_000_000, 20_000_000
LIMIT_CLIP = 1_000_000


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[zipfile.ZipFile]:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    with zipfile.ZipFile(path) as opened:
        yield opened


def test_holds_the_packages_typed(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for package in ("depdis_deploy", "depdis_training", "depdis_export", "depdis_demo"):
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"depdis_deploy", "depdis_training", "depdis_export", "depdis_demo"}


def test_holds_every_tracked_file_of_the_packages(wheel: zipfile.ZipFile) -> None:
    # hatchling leaves out what git ignores, without a word
    names = set(wheel.namelist())
    for folder in ("depdis_deploy", "training/depdis_training", "export/depdis_export", "demo/depdis_demo"):
        tracked = subprocess.run(
            ["git", "ls-files", folder], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout.split("\n")
        for path in filter(None, tracked):
            if (ROOT / path).exists():
                assert path.removeprefix("training/").removeprefix("export/").removeprefix("demo/") in names


def test_holds_configs_model_and_clip(wheel: zipfile.ZipFile) -> None:
    sizes = {item.filename: item.file_size for item in wheel.infolist()}
    assert "depdis_training/configs/bundled.yaml" in sizes
    models = {name: size for name, size in sizes.items() if name.startswith("depdis_deploy/models/")}
    assert "depdis_deploy/models/depdis-street.onnx" in models
    assert "depdis_deploy/models/depdis-street.safetensors" in models
    assert models["depdis_deploy/models/street.mp4"] <= LIMIT_CLIP
    assert "depdis_deploy/models/depdis-street-int8.onnx" in models
    start = sum(models[f"depdis_deploy/models/depdis-street.{kind}"] for kind in ("onnx", "safetensors"))
    assert start <= LIMIT_MODEL
    assert sum(models.values()) <= LIMIT_BUNDLED


def test_licence_is_in_it(wheel: zipfile.ZipFile) -> None:
    (metadata,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    assert "License-Expression: Apache-2.0" in wheel.read(metadata).decode()
    assert any(name.endswith("licenses/LICENSE") for name in wheel.namelist())
