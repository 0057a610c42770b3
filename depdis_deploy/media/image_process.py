"""One child process that decodes images, and the pipes to it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from depdis_deploy.child_limits import environment_without_secrets
from depdis_deploy.command import InputError
from depdis_deploy.parent_process import parent_pipe

from .image_files import TooLarge

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_MODULE = "depdis_deploy.media.image_worker"
_LONGEST_ANSWER = 2**20
# glibc: up to 32 MiB stay with the process between images. Fresh pages cost as much time as decoding into them.
_KEEP_MEMORY = {"MALLOC_TRIM_THRESHOLD_": str(2**25), "MALLOC_MMAP_THRESHOLD_": str(2**24)}
_END_S = 1.0  # for a process that has closed its pipes


class ProcessEndedError(Exception):
    """The process ended before it answered."""


class DecoderProcess:
    """Child process that decodes images. One thread uses it at a time; any thread may kill it.

    ready: Whether it has answered all requests so far, and can take another one.
    """

    def __init__(self) -> None:
        # -P: nothing is imported from the folder in which the program was started
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-W", "ignore", "-m", _MODULE, str(parent_pipe())],
            bufsize=0,
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            pass_fds=[parent_pipe()],
            process_group=0,  # Ctrl-C in a terminal is for the program alone
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._stdin, self._stdout = self._process.stdin.fileno(), self._process.stdout.fileno()
        self._writable, self._readable = select.poll(), select.poll()
        self._writable.register(self._stdin, select.POLLOUT)
        self._readable.register(self._stdout, select.POLLIN)
        os.set_blocking(self._stdin, False)
        os.set_blocking(self._stdout, False)
        self.ready = True

    def alive(self) -> bool:
        """Return whether the process is running."""
        return self._process.poll() is None

    def decode(
        self, request: dict[str, Any], data: bytes, left: Callable[[], float]
    ) -> NDArray[np.uint8] | Exception:
        """Return the image (H, W, 3) uint8 RGB, or why it is rejected.

        Args:
            request: As `image_worker` reads it.
            data: Bytes of the image.
            left: Returns the seconds to wait for; what it raises is raised here.

        Raises:
            ProcessEndedError: The process ended.
        """
        import numpy as np

        self.ready = False
        head = json.dumps(request).encode()
        try:
            self._write(len(head).to_bytes(4, "big") + head, left)
            self._write(data, left)
            answer = json.loads(self._read(int.from_bytes(self._read(4, left), "big"), left))
            if "error" in answer:
                self.ready = True
                return TooLarge(answer["error"]) if answer["too_large"] else InputError(answer["error"])
            width, height = answer["size"]
            if width * height > request["max_pixels"]:
                raise BrokenPipeError
            image = np.empty((height, width, 3), np.uint8)
            self._read_into(image.data.cast("B"), left)
        except BrokenPipeError:
            raise ProcessEndedError(self._end()) from None
        self.ready = True
        return image

    def kill(self) -> None:
        """Kill the process, whatever it is at."""
        self._process.kill()

    def close(self) -> None:
        """Kill the process and free what it held."""
        self.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()

    def _write(self, data: bytes, left: Callable[[], float]) -> None:
        rest = memoryview(data)
        while rest:
            if self._writable.poll(1000 * left()):
                rest = rest[os.write(self._stdin, rest) :]

    def _read(self, size: int, left: Callable[[], float]) -> bytes:
        if size > _LONGEST_ANSWER:
            raise BrokenPipeError
        data = bytearray(size)
        self._read_into(memoryview(data), left)
        return bytes(data)

    def _read_into(self, view: memoryview, left: Callable[[], float]) -> None:
        while view:
            if self._readable.poll(1000 * left()):
                count = os.readv(self._stdout, [view])
                if not count:
                    raise BrokenPipeError
                view = view[count:]

    def _end(self) -> str:
        """Return how the process ended, which closed its pipes."""
        try:
            status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "its decoder closed its pipes"
        if status == -signal.SIGXCPU:
            return "decoding takes more processor time than its pixels justify"
        return f"its decoder ended with {f'signal {-status}' if status < 0 else f'exit status {status}'}"


def _environment() -> dict[str, str]:
    """Return the environment in which the child imports what this program would."""
    paths = os.pathsep.join(os.path.abspath(path) for path in sys.path)
    kept = environment_without_secrets()
    return {**_KEEP_MEMORY, **kept, "PYTHONPATH": paths, "OPENBLAS_NUM_THREADS": "1"}
