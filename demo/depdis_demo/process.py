"""The demo as a process of its own, on a free port: for its tests, its measurements and the docs' pictures."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_END_S = 60
# Options of a server whose adaptations are as small as they can be: what a person waits minutes for has to fit
# into a test.
SHORT_ADAPTATIONS = tuple(
    word
    for setting in (
        "source.street.pictures=12", "source.street.size=[128,96]", "input.width=96", "input.height=64",
        "augment.crop=[96,64]", "training.iterations=3", "training.batch=2", "self_training.iterations=3",
        "self_training.batch=2", "verdict.pictures=2", "mixtures.pictures=4", "labels.base=1", "labels.span=4",
        "discriminator.layers=2",
    )
    for word in ("--adapt-set", setting)
)  # fmt: skip


@dataclass(frozen=True)
class Started:
    """A running demo: its address, and its process."""

    address: str
    pid: int


@contextmanager
def started(*options: str) -> Iterator[Started]:
    """`depdis-demo` with options; it ends with the block, as a service manager ends it.

    RuntimeError: it did not start, or it left a traceback; with all that it said.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "depdis_demo.cli", "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        if not line.startswith(f"depdis-demo: http://127.0.0.1:{port}/"):
            raise RuntimeError(line + process.stderr.read())
        yield Started(line.split()[1], process.pid)
    finally:
        process.terminate()
        said = process.communicate(timeout=_END_S)[1]
    if "Traceback" in said:
        raise RuntimeError(said)
