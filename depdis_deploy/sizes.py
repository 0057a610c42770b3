"""Sizes on the command line: one word, width first."""

from __future__ import annotations

import re

from .command import UsageError

LEAST_SIDE, LONGEST_SIDE = 32, 8192  # of a network's input, in pixels


def parse_size(text: str, option: str = "--imgsz") -> tuple[int | None, int, int]:
    """`640x320` or, with a batch, `1x640x320` -> (batch or None, width, height); UsageError for other words."""
    match = re.fullmatch(r"(?:(\d+)x)?(\d+)x(\d+)", text)
    if match is None or any(int(part) < 1 for part in match.groups() if part):
        raise UsageError(f"{option} takes WIDTHxHEIGHT or BATCHxWIDTHxHEIGHT, such as 640x320, got {text!r}")
    batch, width, height = (int(part) if part else None for part in match.groups())
    assert width is not None
    assert height is not None
    if max(width, height) > LONGEST_SIDE:
        raise UsageError(f"{option}: sides have at most {LONGEST_SIDE} pixels, got {text}")
    return batch, width, height


def parse_sides(text: str | None, option: str = "--imgsz") -> tuple[int, int] | None:
    """`640x320` -> (width, height), None of None; UsageError for other words, a batch too."""
    if text is None:
        return None
    if text.count("x") != 1:
        raise UsageError(f"{option} takes WIDTHxHEIGHT, such as 640x320, got {text!r}")
    _, width, height = parse_size(text, option)
    return width, height
