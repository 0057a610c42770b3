"""A decoded image, or one frame of a video, with its origin and time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Frame:
    """A picture, or one frame of a video.

    image: (H, W, 3) uint8 RGB, upright.
    path: what it was read from (a stream's address without user name and password).
    index: its number in the video, counted from 0; None for a picture.
    time_s: seconds since the video's first frame; None for a picture.
    pts: the same in ticks of the clip's time base.
    arrived_s: when it came from a live source, by the monotonic clock; None for what lies in a file.
    aspect: width over height of a pixel; 1 for an image.
    """

    image: NDArray[np.uint8]
    path: str
    index: int | None = None
    time_s: float | None = None
    pts: int | None = None
    arrived_s: float | None = None
    aspect: float = 1.0
