"""Display matrix of a video frame: which of the eight orientations it states, and how to undo it."""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import cv2
import numpy as np
from av.sidedata import sidedata

if TYPE_CHECKING:
    from av import VideoFrame
    from numpy.typing import NDArray

_INTEGERS = 9  # of 32 bits, native byte order
_TOLERANCE = 0.02  # of the length of an axis, about 1 degree: below this it is rounding


class Orientation(NamedTuple):
    """How stored pixels become upright: first transpose, then flip.

    Attributes:
        transposed: Rows become columns.
        flip_x: Mirror left and right.
        flip_y: Mirror top and bottom.
        exact: Whether the matrix is one of the eight orientations, apart from its scale.
    """

    transposed: bool = False
    flip_x: bool = False
    flip_y: bool = False
    exact: bool = True


UPRIGHT = Orientation()
_TURNS = (  # by quarter turns counter-clockwise
    UPRIGHT,
    Orientation(transposed=True, flip_y=True),
    Orientation(flip_x=True, flip_y=True),
    Orientation(transposed=True, flip_x=True),
)


def orientation_of(frame: VideoFrame) -> Orientation:
    """Return the orientation that a frame's display matrix states. It comes from the container or the codec."""
    # `frame.side_data` would refer back to its frame: only the garbage collector would free both, much later.
    container: Any = sidedata.SideDataContainer
    try:
        known = container(frame)
    except ValueError:  # side data of a type that PyAV does not know, such as EXIF: only the angle is available
        return _TURNS[round(frame.rotation / 90) % 4]
    matrix = known.get(sidedata.Type.DISPLAYMATRIX)
    return UPRIGHT if matrix is None else _from_matrix(bytes(matrix))


def turn_upright(image: NDArray[np.uint8], orientation: Orientation) -> NDArray[np.uint8]:
    """Return a stored (H, W, 3) image upright, (W, H, 3) where `orientation` is transposed."""
    transposed, flip_x, flip_y, _ = orientation
    if transposed and flip_x != flip_y:
        turn = cv2.ROTATE_90_CLOCKWISE if flip_x else cv2.ROTATE_90_COUNTERCLOCKWISE
        return np.asarray(cv2.rotate(image, turn), np.uint8)
    if transposed:
        image = np.asarray(cv2.transpose(image), np.uint8)
    if flip_x or flip_y:
        axis = -1 if flip_x and flip_y else int(flip_x)  # -1 both, 1 left and right, 0 top and bottom
        image = np.asarray(cv2.flip(image, axis), np.uint8)
    return image


@lru_cache(maxsize=32)
def _from_matrix(data: bytes) -> Orientation:
    """Return the nearest orientation. A stored pixel (x, y) is shown at (a x + c y, b x + d y)."""
    if len(data) < 4 * _INTEGERS:
        return UPRIGHT
    a, b, _, c, d, *_ = struct.unpack_from(f"={_INTEGERS}i", data)
    # A non-uniform scale is the pixel aspect ratio, which the demuxer reports: compare directions alone.
    along_x, along_y = math.hypot(a, b) or 1.0, math.hypot(c, d) or 1.0
    a, b, c, d = a / along_x, b / along_x, c / along_y, d / along_y
    transposed = abs(b) + abs(c) > abs(a) + abs(d)
    shown_x, shown_y, *rest = (c, b, a, d) if transposed else (a, d, b, c)
    exact = max(map(abs, rest)) <= _TOLERANCE and min(abs(shown_x), abs(shown_y)) > 0
    return Orientation(transposed, shown_x < 0, shown_y < 0, exact)
