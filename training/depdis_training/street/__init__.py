"""The generated street benchmark: pictures and drives with exact labels and depth.

Loaded on first use, so that a street's parts can be imported without the compiled renderer.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from depdis_training.street.driving import drive
    from depdis_training.street.generated import StreetPicture, picture

__all__ = ["StreetPicture", "drive", "picture"]

_HOMES = {"StreetPicture": "generated", "picture": "generated", "drive": "driving"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
