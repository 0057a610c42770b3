"""Street-scene segmentation, depth and depth density: the runtime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .prediction import Prediction
    from .predictor import Predictor

__all__ = ["Prediction", "Predictor"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: `--help` and the training's use of the taxonomy need neither.
    if name == "Predictor":
        from .predictor import Predictor

        return Predictor
    if name == "Prediction":
        from .prediction import Prediction

        return Prediction
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
