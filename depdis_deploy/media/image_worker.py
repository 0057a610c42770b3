"""Child process that decodes images: requests on stdin, pixels on stdout (see `image_workers`).

It limits its own memory and processor time by the pixels of each image. It ends when stdin is closed, or
with its parent process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Any, BinaryIO

from PIL import Image, JpegImagePlugin, PngImagePlugin  # noqa: F401 (imported before the first image comes)

from depdis_deploy.child_limits import limit_memory, limit_processor_time
from depdis_deploy.command import InputError
from depdis_deploy.parent_process import end_with_parent

from .image_decoding import decode
from .image_files import TooLarge
from .image_limits import most_memory, most_processor_seconds

_PIECE = 2**24  # bytes that are packed and sent at a time


def main() -> None:
    """Serve requests until stdin is closed."""
    # a signal to all processes of a service or terminal is for the program, which ends this one
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    end_with_parent(int(sys.argv[1]))
    with os.fdopen(os.dup(0), "rb") as requests, os.fdopen(os.dup(1), "wb", buffering=0) as answers:
        os.dup2(2, 1)  # a library that prints must not write into an answer
        while len(length := requests.read(4)) == 4:
            request = json.loads(requests.read(int.from_bytes(length, "big")))
            data = requests.read(request["bytes"])
            _answer(answers, request, data)


def _answer(answers: BinaryIO, request: dict[str, Any], data: bytes) -> None:
    def limit(pixels: int) -> None:
        limit_processor_time(most_processor_seconds(pixels))
        limit_memory(most_memory(pixels, len(data)))

    name = request["name"]
    limit(0)
    try:
        image = decode(data, name, max_pixels=request["max_pixels"], formats=request["formats"], sized=limit)
    except MemoryError:
        text = f"{name}: decoding takes more memory than its pixels justify; save it again"
        _send(answers, {"error": text, "too_large": False})
    except InputError as error:
        _send(answers, {"error": str(error), "too_large": isinstance(error, TooLarge)})
    else:
        _send(answers, {"size": image.size})
        _send_pixels(answers, image)


def _send(answers: BinaryIO, answer: dict[str, Any]) -> None:
    text = json.dumps(answer).encode()
    _write(answers, len(text).to_bytes(4, "big") + text)


def _send_pixels(answers: BinaryIO, image: Image.Image) -> None:
    width, height = image.size
    rows = max(1, _PIECE // (3 * width))
    for top in range(0, height, rows):
        piece = image if rows >= height else image.crop((0, top, width, min(height, top + rows)))
        _write(answers, piece.tobytes())


def _write(answers: BinaryIO, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[answers.write(left) :]


if __name__ == "__main__":
    main()
