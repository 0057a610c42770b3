"""The last of several choices wins: at the handlers, without a browser, and in the page."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import gradio as gr
import numpy as np
import pytest
from browsing import PATIENCE_MS, tab, wait_until
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from depdis_demo.picture_answers import PictureAnswers
from depdis_demo.room import Room
from depdis_demo.settings import Settings
from depdis_demo.visitors import Visitors
from depdis_deploy.media.image_workers import ImageDecoder

TIMEOUT_S = PATIENCE_MS / 1000
REQUEST = cast("gr.Request", SimpleNamespace(session_hash="one"))


class HeldDecoder(ImageDecoder):
    """Decoder that does not finish an image before `release` is set."""

    def __init__(self) -> None:
        super().__init__(1)
        self.held: set[str] = set()
        self.reached, self.release = threading.Semaphore(0), threading.Event()

    def read(self, path: Any, **keywords: Any) -> NDArray[np.uint8]:
        image = super().read(path, max_pixels=keywords["max_pixels"])
        if Path(path).stem in self.held:
            self.reached.release()
            assert self.release.wait(TIMEOUT_S)
        return image


@pytest.fixture
def decoder() -> Iterator[HeldDecoder]:
    made = HeldDecoder()
    yield made
    made.release.set()
    made.close()


@pytest.fixture(scope="module")
def room() -> Iterator[Room]:
    visitors = Visitors()
    with ImageDecoder(1) as decoder:
        yield Room(Settings(), visitors, decoder)
    visitors.close()


@pytest.fixture
def answers(room: Room, decoder: HeldDecoder) -> Iterator[PictureAnswers]:
    room.decoder = decoder
    yield PictureAnswers(room, {})
    room.left(REQUEST)


def chosen(answers: PictureAnswers, example: str, number: int) -> dict[str, Any]:
    asked = {"example": example, "name": example, "asked": number}
    return answers.chosen("bundled", gr.EventData(None, asked), REQUEST)


def test_the_last_of_several_choices_is_answered_and_no_other(
    answers: PictureAnswers, decoder: HeldDecoder, capsys: pytest.CaptureFixture[str]
) -> None:
    decoder.held = {"fog", "suburb"}
    with ThreadPoolExecutor(8) as threads:
        first = threads.submit(chosen, answers, "fog", 1)
        assert decoder.reached.acquire(timeout=TIMEOUT_S)  # the first one has its folder and works
        others = [threads.submit(chosen, answers, "suburb", number) for number in range(2, 7)]
        wait_until(lambda: answers.room.visitors.of("one")._numbers["picture"] == 6, "all to arrive")
        last = threads.submit(chosen, answers, "dusk", 7)
        wait_until(lambda: answers.room.visitors.of("one")._numbers["picture"] == 7, "the last one")
        decoder.release.set()
        assert [future.result() for future in (first, *others)] == [gr.skip()] * 6
    answer = last.result()
    assert (answer["state"], answer["name"], answer["asked"]) == ("result", "dusk", 7)
    assert Path(answer["values"].partition("=")[2]).is_file()
    (folder,) = answers.room.visitors.of("one").folder.iterdir()
    assert str(folder) in answer["values"]
    assert capsys.readouterr().err == ""


def test_a_choice_that_arrives_late_changes_nothing(answers: PictureAnswers) -> None:
    shown = chosen(answers, "dusk", 2)
    assert chosen(answers, "fog", 1) == gr.skip()
    made = answers.download({"token": shown["token"], "kind": "json"})
    assert made["name"] == "dusk.ndjson"
    assert "error" in chosen(answers, "missing", 3)["state"]
    assert answers.download({"token": shown["token"], "kind": "json"}) == made  # it is still on screen


def test_quick_downloads_do_not_delete_each_other_s_files(answers: PictureAnswers) -> None:
    token = chosen(answers, "fog", 1)["token"]
    kinds = ["labels", "json", "labels", "depth"]
    with ThreadPoolExecutor(4) as threads:
        made = list(threads.map(lambda kind: answers.download({"token": token, "kind": kind}), kinds))
    assert made[0] == made[2]
    assert all(Path(one["url"].partition("=")[2]).is_file() for one in made)
    chosen(answers, "dusk", 2)
    assert "gone" in answers.download({"token": token, "kind": "labels"})["error"]


@pytest.fixture
def page(browser: Browser, server: str) -> Iterator[Page]:
    """A page whose console may name files of choices that were replaced."""
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.goto(server)
        expect(page.get_by_role("button", name="High street")).to_be_visible()
        yield page


def click_quickly(page: Page, names: list[str]) -> None:
    page.evaluate(
        """names => {
          const buttons = [...document.querySelectorAll(".dd-example")];
          for (const name of names) buttons.find((one) => one.textContent === name).click();
        }""",
        names,
    )


def test_quick_clicks_on_examples_show_the_last_one(page: Page) -> None:
    names = ["High street", "Dusk", "Fog", "Suburb", "Dusk", "High street", "Fog"]
    for last in ("Dusk", "Suburb"):
        click_quickly(page, [*names, last])
        expect(page.get_by_role("heading", name=last, exact=True)).to_be_visible()
        expect(page.locator("#dd-picture [data-part=say]")).to_be_hidden()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Figures, JSON").click()
    assert waiting.value.suggested_filename == "Suburb.ndjson"


def test_a_slow_upload_does_not_replace_a_later_choice(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (320, 180)).save(tmp_path / "slow.png")
    held: list[Route] = []
    asked: list[str] = []
    page.route("**/upload**", lambda route: held.append(route))
    page.on("request", lambda one: asked.append(one.post_data or "") if "queue/join" in one.url else None)
    page.get_by_label("Choose a picture").set_input_files(tmp_path / "slow.png")
    wait_until(lambda: page.evaluate("1") and bool(held), "the upload to begin")
    page.get_by_role("button", name="Dusk").click()
    expect(page.get_by_role("heading", name="Dusk")).to_be_visible()
    with page.expect_response("**/upload**"):
        held[0].continue_()
    page.get_by_role("button", name="Fog").click()
    expect(page.get_by_role("heading", name="Fog")).to_be_visible()
    expect(page.locator("#dd-picture [data-part=say]")).to_be_hidden()
    assert [name in text for name, text in zip(("Dusk", "Fog"), asked, strict=True)] == [True, True]


def test_another_panel_chosen_at_once_is_the_one_that_is_made(page: Page) -> None:
    tab(page, "Video")
    page.evaluate(
        """() => {
          const tab = document.querySelector("#dd-video");
          tab.querySelector("[data-part=example]").click();
          for (const panel of ["quad", "side-by-side"]) tab.querySelector(`[value=${panel}]`).click();
        }"""
    )
    cancel = page.get_by_role("button", name="Cancel and keep what is done")
    expect(page.locator("#dd-video [data-part=frames]")).to_contain_text("frames")
    cancel.click()
    result = page.get_by_role("link", name="Download the video")
    expect(result.or_(page.get_by_text("Cancelled before"))).to_be_visible()
    if result.is_visible():
        player = page.locator("#dd-video video")
        player.evaluate("video => video.readyState || new Promise(done => (video.onloadedmetadata = done))")
        width, height = player.evaluate("video => [video.videoWidth, video.videoHeight]")
        assert width > 2 * height
