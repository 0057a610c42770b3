"""What a worker process may spend on one image, by its pixels."""

from __future__ import annotations

_MEMORY = 256 * 2**20
_MEMORY_PER_PIXEL = 48  # bytes; the most costly formats take 35
_SECONDS = 10.0
_PIXELS_PER_SECOND = 1e6  # JPEG 2000, the slowest format, reaches 1.5e6 for noise and 5e6 for photographs
_WALL = 4.0  # seconds that pass for each of processor time on a machine that is busy otherwise


def most_memory(pixels: int, size: int) -> int:
    """Return the bytes that a worker may map to decode an image of `pixels` from a file of `size` bytes."""
    return _MEMORY + _MEMORY_PER_PIXEL * pixels + 3 * size


def most_processor_seconds(pixels: int) -> float:
    """Return the processor time to decode an image of `pixels`."""
    return _SECONDS + pixels / _PIXELS_PER_SECOND


def most_seconds(pixels: int) -> float:
    """Return the time to wait for an image of at most `pixels`."""
    return _WALL * most_processor_seconds(pixels)
