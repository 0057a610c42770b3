"""Street-scene segmentation, depth and depth density: the runtime."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

# From 1.29 on onnxruntime keeps a device's identity in the user's cache and sends what it is used for, unless
# this is set before any of the packages imports it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

if TYPE_CHECKING:
    from .prediction import Prediction
    from .predictor import Predictor

    __version__: str

__all__ = ["Prediction", "Predictor", "__version__"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `--help` and the training's use of the taxonomy need neither.
    if name == "Predictor":
        from .predictor import Predictor

        return Predictor
    if name == "Prediction":
        from .prediction import Prediction

        return Prediction
    if name == "__version__":
        from importlib import metadata

        try:
            return metadata.version("depdis-deploy")
        except metadata.PackageNotFoundError:  # a checkout on the path: no reason to end what runs from it
            return "not installed"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
