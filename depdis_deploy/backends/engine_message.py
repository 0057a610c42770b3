"""Messages of the engines in one line."""

from __future__ import annotations

import re

_MOST = 300
_PREFIX = re.compile(r"^\[ONNXRuntimeError\] : \d+ : \w+ : ")
_PLACE = re.compile(r"\S*/\S+\.(?:cc|cpp|cu|hpp|h):\d+:?")


def one_line_of(error: Exception, *, last: bool = False) -> str:
    """The line of an engine's message that states the cause, without places in its source.

    last: take the last line, as OpenVINO puts the cause behind the functions that it passed through.
    """
    lines = [" ".join(_PLACE.sub("", line).split()) for line in _PREFIX.sub("", str(error)).splitlines()]
    lines = [line for line in lines if line not in ("", "Exception from")]
    if not lines:
        return type(error).__name__
    text = lines[-1 if last else 0]
    text = "".join(letter if letter.isprintable() else "?" for letter in text)
    return text if len(text) <= _MOST else f"{text[: _MOST - 3]}..."
