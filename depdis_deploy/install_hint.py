"""How to install the optional parts of this package."""

from __future__ import annotations

# There is no release on a package index yet, and anyone could register the name there.
_COMMAND = "in a checkout of depdis, run pip install '.[{}]'"


def install(extras: str) -> str:
    """Return the instruction that installs `extras`, such as `cpu` or `demo,cpu`."""
    return _COMMAND.format(extras)
