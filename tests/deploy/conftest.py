from __future__ import annotations

from pathlib import Path

import pytest
from tiny_model import write_tiny_model


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small real model of three classes: red, green and blue (see tiny_model)."""
    return write_tiny_model(tmp_path_factory.mktemp("model") / "colours.onnx")
