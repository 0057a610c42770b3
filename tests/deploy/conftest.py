from __future__ import annotations

from pathlib import Path

import pytest
from calling import Call, infer
from tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model of three classes: red, green and blue (see tiny_model)."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "colours.onnx")


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> Call:  # fmt: skip
    """`depdis-infer` with that model, in the test's own folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *words: infer(capfd, monkeypatch, "--model", model, *words)
