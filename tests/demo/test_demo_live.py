"""The Live tab with the browser's fake camera, which is fed from a real film."""

from __future__ import annotations

import numpy as np
from browsing import Opener, pixels, tab, wait_until
from numpy.typing import NDArray
from playwright.sync_api import expect

from depdis_deploy import Predictor
from depdis_deploy.visualize import panel

CANVAS = "#dd-live canvas"


def test_the_newest_frame_is_shown_with_its_rate_and_age(
    open_page: Opener, film: list[NDArray[np.uint8]]
) -> None:
    page = open_page()
    under_way, most = 0, 0

    def begun(request: object) -> None:
        nonlocal under_way, most
        if "component_server" in request.url:  # type: ignore[attr-defined]
            under_way += 1
            most = max(most, under_way)

    def ended(request: object) -> None:
        nonlocal under_way
        under_way -= "component_server" in request.url  # type: ignore[attr-defined]

    tab(page, "Live")
    expect(page.get_by_text("always the newest")).to_be_visible()
    page.on("request", begun)
    page.on("requestfinished", ended)
    page.get_by_role("button", name="Start the camera").click()
    page.wait_for_function("Number(document.querySelector('#dd-live [data-frames]')?.dataset.frames) >= 6")
    assert float(page.locator("#dd-live [data-part=rate]").inner_text()) > 0
    assert int(page.locator("#dd-live [data-part=age]").inner_text()) > 0
    assert most == 1  # no row of old frames can form
    assert page.get_by_role("region", name="Classes").get_by_role("listitem").count() >= 2

    # what is shown is one of the film's frames as the command draws it
    predictor = Predictor(threads=1)
    shown = pixels(page, CANVAS).astype(int)
    drawn = [panel(predictor(image), "overlay").astype(int) for image in film]
    assert shown.shape == drawn[0].shape
    assert min(np.abs(shown - one).mean() for one in drawn) < 16

    page.get_by_label("Show").select_option("Four views")
    wait_until(lambda: pixels(page, CANVAS).shape == (544, 1280, 3), "four views")
    page.get_by_role("button", name="Stop the camera").click()
    expect(page.get_by_role("button", name="Start the camera")).to_be_visible()
    assert page.eval_on_selector("#dd-live video", "video => video.srcObject") is None


def test_a_camera_that_is_refused_is_said_in_plain_words(open_page: Opener) -> None:
    page = open_page()
    page.evaluate(
        """() => {
          const refuse = async () => { throw new DOMException("", "NotAllowedError"); };
          navigator.mediaDevices.getUserMedia = refuse;
        }"""
    )
    tab(page, "Live")
    page.get_by_role("button", name="Start the camera").click()
    expect(page.get_by_role("alert")).to_contain_text("The camera was not allowed.")
