"""JSON from files and other untrusted places: bounded in size and depth, without what the standard lacks."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

MOST_CHARACTERS = 4 * 2**20
_DEEPEST = 32
_MOST_DIGITS = 40


def parse_json(text: str | bytes) -> Any:
    """Parse JSON text of at most 4 MiB that is nested at most 32 levels deep.

    Raises:
        ValueError: The text is longer, deeper or not JSON, repeats a key in an object, or holds a number that
            is not finite or has more than 40 digits. The message is one short line.
    """
    if len(text) > MOST_CHARACTERS:
        raise ValueError(f"expected at most {MOST_CHARACTERS} characters of JSON, got {len(text)}")
    try:
        value = json.loads(
            text, object_pairs_hook=_object, parse_constant=_not_finite, parse_float=_float, parse_int=_int
        )
    except RecursionError:
        raise ValueError(_TOO_DEEP) from None
    _check_depth(value)
    return value


_TOO_DEEP = f"expected JSON of at most {_DEEPEST} nested levels, got more"


def _check_depth(value: Any) -> None:
    level, depth = [value], 0
    while level:
        containers = [entry for entry in level if isinstance(entry, dict | list)]
        if containers and (depth := depth + 1) > _DEEPEST:
            raise ValueError(_TOO_DEEP)
        level = [
            inner for entry in containers for inner in (entry.values() if isinstance(entry, dict) else entry)
        ]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("an object repeats a key")
    return found


def _not_finite(word: str) -> NoReturn:
    raise ValueError(f"expected finite numbers, got {word}")


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        _not_finite(text[:_MOST_DIGITS])
    return value


def _int(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise ValueError(f"expected numbers of at most {_MOST_DIGITS} digits, got {len(text)}")
    return int(text)
