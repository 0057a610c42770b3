"""Sizes on the command line: one word, width first."""

from __future__ import annotations

import re

from .command import UsageError


def parse_size(text: str, option: str = "--imgsz") -> tuple[int | None, int, int]:
    """`640x320` or, with a batch, `1x640x320` -> (batch or None, width, height)."""
    match = re.fullmatch(r"(?:(\d+)x)?(\d+)x(\d+)", text)
    if match is None or any(int(part) < 1 for part in match.groups() if part):
        raise UsageError(f"{option} takes WIDTHxHEIGHT or BATCHxWIDTHxHEIGHT, such as 640x320, got {text!r}")
    batch, width, height = match.groups()
    return (int(batch) if batch else None), int(width), int(height)
