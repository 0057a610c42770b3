"""What the demo's tests share: a server of its own, and a person's hands and eyes."""

from __future__ import annotations

import base64
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)  # fmt: skip
# An adaptation in its smallest form: what a person waits minutes for has to fit into a test.
SHORT = (
    "source.street.pictures=12", "source.street.size=[128,96]", "input.width=96", "input.height=64",
    "augment.crop=[96,64]", "training.iterations=3", "training.batch=2", "self_training.iterations=3",
    "self_training.batch=2", "verdict.pictures=2", "mixtures.pictures=4", "labels.base=1", "labels.span=4",
    "discriminator.layers=2",
)  # fmt: skip
LIMITS = ("--max-megabytes", "20", "--max-megapixels", "8", "--max-seconds", "12")
Opener = Callable[..., Page]
PATIENCE_MS = 200_000  # other tests have the cores at the same time


@dataclass(frozen=True)
class Served:
    """A running server: its address, and its process."""

    address: str
    pid: int


@contextmanager
def serving(*options: str) -> Iterator[Served]:
    """A server of its own, which ends with the block as a service manager ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "depdis_demo.cli", "--port", str(port), *options]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    line = process.stderr.readline()
    try:
        assert line == f"depdis-demo: http://127.0.0.1:{port}/\n", line + process.stderr.read()
        yield Served(line.split()[1], process.pid)
    finally:
        process.terminate()
        said = process.communicate(timeout=60)[1]
    assert "Traceback" not in said, said


def tab(page: Page, name: str) -> None:
    """Go to a tab by its name."""
    page.get_by_role("tab", name=name, exact=True).click()


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Look again until a condition outside the browser holds."""
    end = time.monotonic() + PATIENCE_MS / 1000
    while not condition():
        assert time.monotonic() < end, f"waited in vain for: {what}"
        time.sleep(0.1)


def pixels(page: Page, selector: str) -> NDArray[np.uint8]:
    """What a canvas shows, (H, W, 3)."""
    text = page.eval_on_selector(
        selector,
        """canvas => {
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          let text = "";
          for (let i = 0; i < data.length; i += 9999) {
            text += String.fromCharCode(...data.subarray(i, i + 9999));
          }
          return [canvas.width, canvas.height, btoa(text)];
        }""",
    )
    width, height, data = text
    return np.frombuffer(base64.b64decode(data), np.uint8).reshape(height, width, 4)[..., :3]
