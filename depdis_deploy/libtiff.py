"""libtiff's own complaints, which it writes to stderr past all that Python knows of."""

from __future__ import annotations

import ctypes
from contextlib import suppress
from functools import cache

from PIL import _imaging


@cache
def silence() -> None:
    """Have libtiff say nothing in this process: what is wrong with a file is in the error that Pillow raises.

    Where Pillow's library does not let its libtiff be reached, nothing changes.
    """
    with suppress(OSError, AttributeError, TypeError):
        # asked through Pillow's own library, which leads to the very libtiff that it uses
        library = ctypes.CDLL(_imaging.__file__)
        for name in ("TIFFSetErrorHandler", "TIFFSetWarningHandler"):
            setter = getattr(library, name)
            setter.argtypes, setter.restype = [ctypes.c_void_p], ctypes.c_void_p
            setter(None)
