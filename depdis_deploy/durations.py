"""Durations on the command line: 90, 45s, 10m, 1h30m."""

from __future__ import annotations

import re

from .command import UsageError

_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|$)")


def parse_duration(text: str, option: str) -> float:
    """Seconds of `90`, `45s`, `10m`, `1h30m`; more than none. UsageError: it is no such thing."""
    parts = _PART.findall(text.strip().lower())
    if "".join(number + unit for number, unit in parts) != text.strip().lower() or not parts:
        raise UsageError(f"{option}: expected a duration such as 90, 45s, 10m or 1h30m, got {text[:40]!r}")
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    if not 0 < seconds < 1e9:
        raise UsageError(f"{option}: expected a duration above 0 and below 1e9 seconds, got {text[:40]!r}")
    return seconds
