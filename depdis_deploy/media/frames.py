"""Decoded video frames to upright RGB, and one note for each property that is not honoured."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from .colour import colour_note, to_rgb
from .orientation import orientation_of, turn_upright

if TYPE_CHECKING:
    import numpy as np
    from av import VideoFrame
    from numpy.typing import NDArray

_MOST_ASPECT = 8  # of a pixel; DVD and broadcast stay below 3, and a damaged header gives any number


class FrameReader:
    """Frames of one source as upright RGB.

    Args:
        name: What notes call the source.
        note: Called with a line about each property that is not honoured, once.
    """

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self._name, self._write = name, note
        self._noted: set[str] = set()
        self._tags: tuple[object, ...] = ()

    def rgb(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return a frame as (H, W, 3) uint8 RGB, upright."""
        orientation = orientation_of(frame)
        tags = (
            frame.color_trc,
            frame.color_primaries,
            frame.colorspace,
            frame.interlaced_frame,
            orientation.exact,
        )
        if tags != self._tags:
            self._tags = tags
            self._note_tags(*tags)
        return turn_upright(to_rgb(frame), orientation)

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Return the (width, height) of a frame upright."""
        turned = orientation_of(frame).transposed
        return (frame.height, frame.width) if turned else (frame.width, frame.height)

    def note(self, line: str) -> None:
        """Log a line, unless it was logged before."""
        if line not in self._noted:
            self._noted.add(line)
            self._write(line)

    def _note_tags(self, transfer: int, primaries: int, space: int, interlaced: bool, exact: bool) -> None:
        texts = [colour_note(transfer, primaries, space)]
        if interlaced:
            texts.append(
                "interlaced video: both fields of a frame are read as one image, so moving edges are combed; "
                "for better results deinterlace it first (ffmpeg -vf bwdif)"
            )
        if not exact:
            texts.append(
                "the display matrix is no flip or rotation by a multiple of 90 degrees; the nearest one is used"
            )
        for text in filter(None, texts):
            self.note(f"warning: {self._name}: {text}")


def pixel_aspect(stream: Any, frame: VideoFrame) -> Fraction:
    """Return width over height of an upright pixel.

    The container's ratio comes before the codec's, as in FFmpeg. A ratio above 8:1 or below 1:8 is ignored.

    Args:
        stream: The video stream, after `frame` was decoded.
        frame: The frame, whose display matrix may swap the axes.
    """
    aspect = Fraction(stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio or 1)
    if not Fraction(1, _MOST_ASPECT) <= aspect <= _MOST_ASPECT:
        return Fraction(1)
    return 1 / aspect if orientation_of(frame).transposed else aspect
