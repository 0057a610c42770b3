"""What the demo's tests share: a person's hands and eyes."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page

FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)  # fmt: skip
LIMITS = ("--max-megabytes", "20", "--max-megapixels", "8", "--max-seconds", "12")
Opener = Callable[..., Page]
PATIENCE_MS = 200_000  # other tests have the cores at the same time


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


class Cameras:
    """What a page has of the camera: how often it asked for it, and its tracks.

    While `hold` is in force the browser takes its time to give it.
    """

    def __init__(self, page: Page) -> None:
        self.page = page
        page.evaluate(
            """() => {
              const media = navigator.mediaDevices, give = media.getUserMedia.bind(media);
              const cameras = (window.cameras = { asked: 0, tracks: [], held: null, let: () => {} });
              media.getUserMedia = async (wanted) => {
                cameras.asked += 1;
                const stream = await give(wanted);
                cameras.tracks.push(...stream.getTracks());
                await cameras.held;
                return stream;
              };
            }"""
        )

    def hold(self) -> None:
        """From now on what is asked for is not given."""
        self.page.evaluate("void (cameras.held = new Promise((resolve) => (cameras.let = resolve)))")

    def release(self) -> None:
        """Give it now."""
        self.page.evaluate("cameras.let()")

    def given(self, times: int) -> None:
        """Wait until the browser has opened it so often."""
        self.page.wait_for_function("times => cameras.tracks.length >= times", arg=times)

    def live(self, count: int) -> None:
        """Wait until so many are on."""
        self.page.wait_for_function(
            "count => cameras.tracks.filter((track) => track.readyState === 'live').length === count", arg=count
        )
