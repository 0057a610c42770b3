"""The pictures to try, drawn by `demo/make_examples.py`."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent
TITLES = {"high-street": "High street", "fog": "Fog", "suburb": "Suburb", "dusk": "Dusk"}


def picture(key: str) -> Path:
    """The file of an example. KeyError: there is none of this key."""
    if key not in TITLES:
        raise KeyError(f"no example {key}")
    return FOLDER / f"{key}.jpg"
