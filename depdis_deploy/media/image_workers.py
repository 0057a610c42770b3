"""Decoding of images in child processes, which are killed when an image takes too long."""

from __future__ import annotations

import os
import queue
import select
import threading
import time
import weakref
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from depdis_deploy.command import InputError

from .image_decoding import ALL, decode
from .image_files import read_file
from .image_limits import most_seconds
from .image_process import DecoderProcess, ProcessEndedError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from depdis_deploy.patience import Flag

_GRACE_S = 1.0  # for an image under way once nobody waits for it: most end by themselves
_STEP_S = 0.1  # how long a flag may go unnoticed
_HAS_POLL = hasattr(select, "poll")  # Windows has none; images are decoded in this process there


class ImageDecoder:
    """Pool of child processes that decode images.

    Threads share it; each image has a process to itself. A process starts with the first image that needs it.
    It is replaced when it crashes or is killed, so that no image holds up another one or ends the program.

    Args:
        workers: Images decoded at the same time; further callers wait.
        deadline_s: Seconds for one image; None: 40 s, and 4 s more for each million of `max_pixels`.
    """

    def __init__(self, workers: int, *, deadline_s: float | None = None) -> None:
        self._workers, self._deadline_s = workers, deadline_s
        self._closed = False
        self._renew()

    def read(
        self, path: str | os.PathLike[str], *, max_pixels: int, stopped: Flag | None = None
    ) -> NDArray[np.uint8]:
        """Decode an image file as (H, W, 3) uint8 RGB, upright.

        Args:
            path: The file.
            max_pixels: Largest width times height.
            stopped: Once it is set, the image is given up.

        Raises:
            TooLarge: The image has more pixels, or its file more bytes than such an image needs.
            InputError: The file holds no image that can be decoded within the time and memory that its pixels
                justify.
        """
        data = read_file(Path(path), max_pixels)
        return self.decode(data, os.fspath(path), max_pixels=max_pixels, stopped=stopped)

    def decode(
        self,
        data: bytes,
        name: str,
        *,
        max_pixels: int,
        formats: Sequence[str] = ALL,
        stopped: Flag | None = None,
    ) -> NDArray[np.uint8]:
        """Decode the bytes of an image file. Further arguments, result and errors are those of `read`.

        Args:
            data: The whole file.
            name: What errors call it.
            formats: Names of the formats that are accepted.
        """
        if not data:
            raise InputError(f"{name}: it is empty; expected an image")
        if not _HAS_POLL:
            return np.asarray(decode(data, name, max_pixels=max_pixels, formats=formats))
        request = {"name": name, "formats": formats, "max_pixels": max_pixels, "bytes": len(data)}
        answer = self._answer(request, data, _Wait(self._deadline_s or most_seconds(max_pixels), stopped, name))
        if isinstance(answer, Exception):
            raise answer
        return answer

    def start(self) -> None:
        """Start all processes, so that the first images need not wait for one."""
        if not _HAS_POLL:
            return
        for process in [self._idle.get() for _ in range(self._workers)]:
            self._idle.put(process or self._replaced(None))

    def close(self) -> None:
        """End all processes. An image under way raises InputError where it is waited for."""
        self._closed = True
        with self._lock:
            for running in self._running:
                running.kill()
        while not self._idle.empty():
            idle = self._idle.get()
            if idle is not None:
                self._discard(idle)

    def __enter__(self) -> ImageDecoder:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def _renew(self) -> None:
        """Have no process yet. A fork of this program must not use its parent's."""
        self._owner = os.getpid()
        self._lock = threading.Lock()
        self._running: set[DecoderProcess] = set()
        self._idle: queue.LifoQueue[DecoderProcess | None] = queue.LifoQueue()
        for _ in range(self._workers):
            self._idle.put(None)
        # for one that is never closed, at the latest when the program ends
        weakref.finalize(self, _end, self._running, self._owner)

    def _answer(self, request: dict[str, Any], data: bytes, wait: _Wait) -> NDArray[np.uint8] | Exception:
        process = self._take(wait)
        try:
            if process is None or not process.alive():
                process = self._replaced(process)
            return process.decode(request, data, wait.left)
        except ProcessEndedError as error:
            reason = "decoding was cancelled" if self._closed else f"{error}; save it again"
            raise InputError(f"{request['name']}: {reason}") from None
        finally:
            if process is not None and (self._closed or not process.ready):
                self._discard(process)
                process = None
            self._idle.put(process)

    def _take(self, wait: _Wait) -> DecoderProcess | None:
        """Wait for a place; the process that is there, if any."""
        if os.getpid() != self._owner:
            self._renew()
        while not self._closed:
            try:
                return self._idle.get(timeout=wait.left())
            except queue.Empty:
                continue
        raise InputError("decoding was cancelled: the program is ending")

    def _replaced(self, ended: DecoderProcess | None) -> DecoderProcess:
        if ended is not None:
            self._discard(ended)
        with self._lock:
            if self._closed:
                raise InputError("decoding was cancelled: the program is ending")
            process = DecoderProcess()
            self._running.add(process)
        return process

    def _discard(self, process: DecoderProcess) -> None:
        with self._lock:
            self._running.discard(process)
        process.close()


def _end(processes: set[DecoderProcess], owner: int) -> None:
    """End processes where they belong to this one, and not to the one that it was forked from."""
    if os.getpid() == owner:
        for process in list(processes):
            process.close()


class _Wait:
    """Time left for one image."""

    def __init__(self, seconds: float, stopped: Flag | None, name: str) -> None:
        self._seconds, self._stopped, self._name = seconds, stopped, name
        self._end = time.monotonic() + seconds
        self._given_up = False

    def left(self) -> float:
        """Return the seconds to wait before asking again; InputError once there are none."""
        now = time.monotonic()
        if not self._given_up and self._stopped is not None and self._stopped.is_set():
            self._given_up, self._end = True, min(self._end, now + _GRACE_S)
        if now >= self._end:
            if self._given_up:
                raise InputError(f"{self._name}: decoding was cancelled")
            raise InputError(f"{self._name}: decoding takes more than {self._seconds:g} s; save it again")
        return min(_STEP_S, self._end - now)


@cache
def shared_decoder() -> ImageDecoder:
    """Return the decoder of this program for formats that it does not decode itself."""
    return ImageDecoder(2)
