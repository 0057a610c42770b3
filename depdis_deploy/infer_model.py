"""The model of a call of `depdis-infer`: opened as the options say, and what is to be said of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable

from .command import UsageError
from .job import Options
from .manifest import Manifest
from .outputs import BRANCH_KINDS
from .predictor import Predictor


def open_model(options: Options, threads: int) -> tuple[Predictor, list[str]]:
    """The model, with `threads` for each call, and what it warned of. Raises as Predictor does."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predictor = Predictor(
            options.model, options.device, options.camera_fov, threads=threads, engine=options.engine,
            precision=options.precision, trust_engine=options.trust_engine, camera_height=options.camera_height,
            imgsz=options.imgsz,
        )  # fmt: skip
    return predictor, list(dict.fromkeys(str(warning.message) for warning in caught))


def introduce(
    options: Options, manifest: Manifest, choice: str, warned: Iterable[str], note: Callable[[str], None]
) -> None:  # fmt: skip
    """Say which model runs how, and what it warned of. UsageError: it does not give what is to be saved."""
    note(choice)
    for text in warned:
        note(f"note: {text}")
    for kind in options.save:
        if kind in BRANCH_KINDS and kind not in manifest.outputs:
            raise UsageError(f"--save {kind}: this model has no {kind} output")
