"""Checks of what a session is given and what it gives, at each call."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest

from .graph_checks.graph import RejectedGraphError

_MOST_SEEN = 4096
_DTYPES = {"labels": "uint8", "depth": "float32", "density": "float32", "confidence": "float32"}
# Metres and shares, with room for the rounding of bf16.
_RANGES = {"depth": (-0.01, 1e6), "density": (-0.05, 1.05), "confidence": (-0.05, 1.05)}


class OutputCheck:
    """The outputs of one model: labels uint8, all others float32, each of shape (N, h, w)."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self._path = path
        self._promised = manifest.outputs
        self._classes = len(manifest.taxonomy)

    def signature(self, found: Mapping[str, tuple[str, int | None]]) -> None:
        """Check names, element types and ranks as an engine states them after loading.

        Args:
            found: By output name its element type in numpy's terms, and its rank, None if the engine leaves
                that open.

        Raises:
            InputError: They are not what the manifest promises.
        """
        missing = [name for name in self._promised if name not in found]
        if missing:
            raise self._error(f"the manifest promises {', '.join(missing)}, and the graph has no such output")
        extra = [name for name in found if name not in self._promised]
        if extra:
            raise self._error(f"the graph has {len(extra)} output{'s' * (len(extra) > 1)} not in the manifest")
        for name, (dtype, rank) in found.items():
            if dtype != _DTYPES[name] or rank not in (3, None):
                raise self._error(
                    f"output {name} should be {_DTYPES[name]} with 3 dimensions, and is {dtype} with "
                    f"{'any number' if rank is None else rank}"
                )

    def maps(self, frames: tuple[int, ...], maps: Mapping[str, NDArray[Any]]) -> None:
        """Check the outputs of one call on frames of shape (N, H, W, 3).

        Raises:
            InputError: An output has another element type or shape, labels outside the classes, or values that
                are not finite or outside the output's range.
        """
        for name, values in maps.items():
            shape = values.shape
            if values.dtype != _DTYPES[name] or not (
                len(shape) == 3
                and shape[0] == frames[0]
                and 0 < shape[1] <= frames[1]
                and 0 < shape[2] <= frames[2]
            ):
                raise self._error(
                    f"output {name} should be {_DTYPES[name]} of {frames[0]} x at most {frames[1]} x "
                    f"{frames[2]}, and is {values.dtype} of {' x '.join(map(str, shape))}"
                )
            if name == "labels":
                if (label := int(values.max())) >= self._classes:
                    raise self._error(
                        f"output labels has {label}, and the manifest names {self._classes} classes"
                    )
                continue
            low, high = _RANGES[name]
            # Written so that NaN is outside.
            if not (values.min() >= low and values.max() <= high):
                raise self._error(
                    f"output {name} should be in {max(low, 0):g} to {high:g}, and has "
                    f"{np.min(values):g} to {np.max(values):g}"
                )

    def _error(self, what: str) -> InputError:
        return InputError(f"{self._path}: {what}; export the model again")


class SizeLimit:
    """The check of a graph's sizes, done once for each shape of frames.

    check: raises RejectedGraphError for frames of a shape (N, H, W, 3) that need too much; None: no limit.
    """

    def __init__(self, path: Path, check: Callable[[tuple[int, ...]], None] | None) -> None:
        self._path, self._check = path, check
        self._seen: set[tuple[int, ...]] = set()

    def check(self, shape: tuple[int, ...]) -> None:
        """Raise InputError if frames of that shape need too much memory or time."""
        if self._check is None or shape in self._seen:
            return
        try:
            self._check(shape)
        except RejectedGraphError as error:
            size = "x".join(map(str, shape))
            raise InputError(f"{self._path}: cannot run it on frames of {size}: {error}") from None
        if len(self._seen) >= _MOST_SEEN:
            self._seen.clear()
        self._seen.add(shape)
