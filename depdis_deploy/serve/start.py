"""Start a server from command-line options."""

from __future__ import annotations

import warnings
from pathlib import Path

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import UsageError
from depdis_deploy.predictor import Predictor
from depdis_deploy.terminal import write_err

from .settings import Settings

_LEVELS = ("debug", "info", "warning", "error")


def start(
    settings: Settings, *, model: Path | None, device: str, camera_fov: float | None, engine: str,
    precision: str, trust_engine: bool, log_level: str, camera_height: float | None = None,
    imgsz: tuple[int, int] | None = None,
) -> int:  # fmt: skip
    """Load the model, serve it and return the exit status.

    Raises the errors of `server.serve` and `Predictor`.
    """
    if log_level not in _LEVELS:
        raise UsageError(f"--log-level {log_level}: expected one of {', '.join(_LEVELS)}")
    from .server import serve

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictor = Predictor(
            model, device, camera_fov, threads=max(1, cores() // settings.workers), engine=engine,
            precision=precision, trust_engine=trust_engine, camera_height=camera_height,
            imgsz=imgsz,
        )  # fmt: skip
    for text in dict.fromkeys(str(warning.message) for warning in caught):
        write_err(f"note: {text}")
    return serve(predictor, settings, log_level=log_level)
