"""AVIF. Its boxes do not bound what the AV1 data inside ask for: it is decoded in a worker process alone."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from .header import BadImageError, Header

if TYPE_CHECKING:
    from PIL import Image


def read_header(data: bytes) -> Header:
    """Leave the header to the decoder.

    Raises:
        BadImageError: The installed Pillow has no AVIF decoder.
    """
    try:
        from PIL import AvifImagePlugin
    except ImportError:
        raise BadImageError("no AVIF decoder in the installed Pillow, expected 11.3 or newer") from None

    def opened() -> Image.Image:
        AvifImagePlugin.DEFAULT_MAX_THREADS = 1  # each thread's stack counts as memory of the worker
        return AvifImagePlugin.AvifImageFile(io.BytesIO(data))

    return Header(None, opened, None)
