"""The renderer's compiled functions, kept on disk under a name that changes with any of their sources."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar, cast

import numba
from numba.core import config
from numba.core.cpu import CPUTargetOptions

Function = TypeVar("Function", bound=Callable[..., Any])

_SOURCES = (
    "facades.py", "geometry.py", "holes.py", "kernel.py", "noise.py", "patterns.py", "raster.py", "response.py",
    "shading.py", "shadows.py", "sky.py",
)  # fmt: skip


@cache
def _cache_folder() -> str:
    # numba looks only at the file of the function itself; a change in what it calls would go unseen.
    digest = hashlib.sha256(numba.__version__.encode())
    for name in _SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "depdis-deploy", "numba", digest.hexdigest()[:16])


def kernel(function: Function) -> Function:
    """Compile a function: no fast maths, so that every processor computes the same; no lock held."""
    return _compiled(function)


def inner(function: Function) -> Function:
    """`kernel` for what other kernels call for every sample and allocates nothing.

    Its arrays are not reference-counted: that is atomic arithmetic, and took longer than most bodies. numba has
    no public option for it; one without the private one counts, and computes the same.
    """
    return _compiled(function, **({"_nrt": False} if hasattr(CPUTargetOptions, "_nrt") else {}))


def _compiled(function: Function, **options: bool) -> Function:
    settings: Any = config
    before = settings.CACHE_DIR
    try:
        folder = _cache_folder()
        os.makedirs(folder, exist_ok=True)
        settings.CACHE_DIR = folder
    except OSError:  # no home to write to: numba's own choice of place
        settings.CACHE_DIR = before
    try:
        compile_: Any = numba.njit
        compiled = compile_(cache=True, nogil=True, error_model="numpy", **options)(function)
    finally:
        settings.CACHE_DIR = before
    return cast(Function, compiled)
