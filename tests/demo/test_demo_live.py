"""The Live tab with the browser's fake camera, which is fed from a real film."""

from __future__ import annotations

import numpy as np
from browsing import Cameras, Opener, pixels, tab, wait_until
from numpy.typing import NDArray
from playwright.sync_api import Page, Request, expect

from depdis_deploy import Predictor
from depdis_deploy.visualize import panel

CANVAS = "#dd-live canvas"
FRAMES = "canvas => Number(canvas.closest('[data-frames]')?.dataset.frames ?? 0)"
TWO_FRAMES = "new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(() => resolve())))"


class Requests:
    """How many frames are on their way to the server, and the most at once."""

    def __init__(self, page: Page) -> None:
        self.sent = self.under_way = self.most = 0
        page.on("request", lambda request: self._moved(request, 1))
        page.on("requestfinished", lambda request: self._moved(request, -1))

    def _moved(self, request: Request, by: int) -> None:
        if "component_server" not in request.url:
            return
        self.sent += by > 0
        self.under_way += by
        self.most = max(self.most, self.under_way)


def frames(page: Page) -> int:
    return int(page.eval_on_selector("#dd-live [data-part=canvas]", FRAMES))


def wait_for_frames(page: Page, count: int) -> None:
    page.wait_for_function(f"count => ({FRAMES})(document.querySelector('{CANVAS}')) >= count", arg=count)


def test_the_newest_frame_is_shown_with_its_rate_and_age(
    open_page: Opener, film: list[NDArray[np.uint8]]
) -> None:
    page = open_page()
    tab(page, "Live")
    expect(page.get_by_text("always the newest")).to_be_visible()
    requests = Requests(page)
    page.get_by_role("button", name="Start the camera").click()
    wait_for_frames(page, 6)
    assert float(page.locator("#dd-live [data-part=rate]").inner_text()) > 0
    assert int(page.locator("#dd-live [data-part=age]").inner_text()) > 0
    assert requests.most == 1  # no row of old frames can form
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


def test_quick_clicks_start_one_loop_and_leave_no_camera_on(open_page: Opener) -> None:
    page = open_page()
    tab(page, "Live")
    cameras, requests = Cameras(page), Requests(page)
    cameras.hold()
    toggle = page.locator("#dd-live [data-part=toggle]")
    toggle.evaluate("button => { for (let i = 0; i < 5; i++) button.click(); }")
    cameras.given(1)
    expect(toggle).to_be_disabled()
    cameras.release()
    wait_for_frames(page, 2)
    for _ in range(3):
        toggle.evaluate("button => { button.click(); button.click(); }")  # stopped and started in one go
        expect(toggle).to_have_text("Stop the camera")
    begun = frames(page)
    wait_for_frames(page, begun + 3)
    requests.most = 0
    wait_for_frames(page, begun + 8)
    assert requests.most == 1
    cameras.live(1)
    toggle.click()
    cameras.live(0)
    assert page.evaluate("cameras.asked") == page.evaluate("cameras.tracks.length") == 4
    page.evaluate(TWO_FRAMES)
    sent = requests.sent
    wait_until(lambda: page.evaluate(TWO_FRAMES) or requests.under_way == 0, "the last frame to be back")
    page.evaluate(TWO_FRAMES)  # in which a loop would send the next one
    assert requests.sent == sent


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
