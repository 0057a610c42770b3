"""YUV frames to RGB by their colour tags; untagged ones by their size, as players do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from av.video.reformatter import ColorPrimaries, Colorspace, ColorTrc

if TYPE_CHECKING:
    from av import VideoFrame
    from numpy.typing import NDArray

# H.273 codes of matrices that swscale converts from; it raises an error for others.
_CONVERTED = frozenset({1, 4, 5, 6, 7, 9})
_BT2020_CONSTANT_LUMINANCE = 10
_UNTAGGED = frozenset({0, 2, 3})  # RGB, unspecified, reserved
_HD_WIDTH, _HD_HEIGHT = 1280, 720
_HDR = {ColorTrc.SMPTE2084: "PQ", ColorTrc.ARIB_STD_B67: "HLG"}
_WIDE = {9, _BT2020_CONSTANT_LUMINANCE}


def to_rgb(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return a frame as (H, W, 3) uint8 RGB, as stored.

    The matrix and the range are those of the frame's tags. Without a usable tag, frames of at least 1280 x 720
    pixels on either side are BT.709, smaller ones BT.601; without a range tag, YUV is limited range.
    """
    space = frame.colorspace
    matrix = None if space in _CONVERTED else _assumed_matrix(space, frame.width, frame.height)
    return np.asarray(frame.to_ndarray(format="rgb24", src_colorspace=matrix), np.uint8)


def _assumed_matrix(space: int, width: int, height: int) -> Colorspace:
    if space == _BT2020_CONSTANT_LUMINANCE:
        return Colorspace.BT2020
    return Colorspace.ITU709 if width >= _HD_WIDTH or height >= _HD_HEIGHT else Colorspace.ITU601


def colour_note(transfer: int, primaries: int, space: int) -> str | None:
    """Return a sentence about colours that are not converted; None where all are.

    Args:
        transfer: H.273 code of the transfer characteristic.
        primaries: H.273 code of the primaries.
        space: H.273 code of the matrix.
    """
    wide = primaries == ColorPrimaries.BT2020 or space in _WIDE
    if transfer in _HDR:
        kind = f"HDR video ({_HDR[ColorTrc(transfer)]}{', BT.2020' if wide else ''})"
        return f"{kind} is read as SDR without tone mapping; for better results convert it to SDR first"
    if wide:
        return "BT.2020 video is read as BT.709; for better results convert it to BT.709 first"
    if space not in _CONVERTED | _UNTAGGED:
        return f"the colour matrix (H.273 code {space}) is not supported; convert the video to BT.709 first"
    return None
