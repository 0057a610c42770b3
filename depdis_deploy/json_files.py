"""JSON files that anyone may have written, read with limits on their size, nesting and numbers."""

from __future__ import annotations

import json
import math
import reprlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from .command import InputError
from .text_encoding import decode_text

LARGEST_FILE = 32 << 20  # bytes; parsed, a file takes up to 25 times its size in memory
DEEPEST = 32  # levels of lists and mappings
_LARGEST_INTEGER = 2**63

Value = TypeVar("Value")

_repr = reprlib.Repr()
_repr.maxlevel, _repr.maxdict, _repr.maxlist, _repr.maxtuple = 2, 3, 3, 3
_repr.maxstring = _repr.maxlong = _repr.maxother = 60


def shown(value: object) -> str:
    """Return a value's `repr`, shortened to about a line, for an error message."""
    return shortened(_repr.repr(value), 120)


def shortened(text: object, longest: int = 300) -> str:
    """Return a text on one line of at most `longest` characters."""
    line = " ".join(str(text)[: 4 * longest].split())
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    """Return the content of a text file of at most `largest` bytes.

    Raises:
        InputError: No such regular file, too large, or in an encoding that `decode_text` rejects.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file" if not path.exists() else f"{path}: not a regular file")
    with path.open("rb") as file:
        data = file.read(largest + 1)
    if len(data) > largest:
        raise InputError(f"{path}: larger than {largest} bytes, which no file of this kind is")
    return decode_text(data, str(path))


def read_json(path: Path, kind: type[Value]) -> Value:
    """Return the content of a JSON file whose outermost value is of the type `kind`.

    Raises:
        InputError: As `read_text` and `parse_json` do; the message names the file.
    """
    text = read_text(path)
    try:
        return parse_json(text, kind)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def parse_json(text: str, kind: type[Value]) -> Value:
    """Return the value of a JSON text, whose outermost value is of the type `kind`.

    Raises:
        ValueError: As `parse_any` does, or another type.
    """
    value = parse_any(text)
    if type(value) is not kind:
        expected = "an object" if kind is dict else "a list"
        raise ValueError(f"expected {expected}, got {shown(value)}")
    return value


def parse_any(text: str) -> Any:
    """Return the value of a JSON text.

    Raises:
        ValueError: Not JSON (NaN, Infinity and a key that occurs twice are not), or beyond the limits of
            `check_plain`.
    """
    try:
        value = json.loads(text, parse_constant=_not_a_number, object_pairs_hook=_without_duplicates)
    except RecursionError:
        raise ValueError(f"not JSON: nested deeper than {DEEPEST} levels") from None
    except ValueError as error:
        raise ValueError(f"not JSON: {shortened(error)}") from None
    check_plain(value)
    return value


def check_plain(value: object, most: int = LARGEST_FILE) -> None:
    """Check a tree of lists and mappings that was read from a text.

    Args:
        most: Number of values in it, each counted wherever it is referred to.

    Raises:
        ValueError: Nested deeper than `DEEPEST`, too many values, a number that is not finite or beyond 64
            bits, or a string that is not Unicode.
    """
    level, count = [value], 0
    for _ in range(DEEPEST + 1):
        following: list[object] = []
        for holder in level:
            following.extend(_items(holder))
            if count + len(following) > most:
                raise ValueError(f"more than {most} values")
        if not following:
            return
        level, count = following, count + len(following)
    raise ValueError(f"nested deeper than {DEEPEST} levels")


def _items(value: object) -> Iterator[object]:
    """Yield what a list or mapping holds; check anything else."""
    if isinstance(value, Mapping):
        yield from value
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value
    elif isinstance(value, str):
        if not value.isascii():
            _check_unicode(value)
    elif isinstance(value, int):
        if not -_LARGEST_INTEGER <= value < _LARGEST_INTEGER:
            raise ValueError("an integer beyond 64 bits")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"expected finite numbers, got {value}")


def _check_unicode(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"half of a surrogate pair in {shown(text)}") from None


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number in JSON")


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {shown(key)} occurs twice")
        found[key] = value
    return found
