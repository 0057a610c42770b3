"""The page as a whole: visitors apart, nothing leaves the machine, every width, both looks, accessibility."""

from __future__ import annotations

import http.client
import json
import shutil
import urllib.error
import urllib.parse
import urllib.request
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from browsing import PATIENCE_MS, Opener, pixels, tab, wait_until
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page, expect

import depdis_demo
from depdis_demo.process import started

TABS = ("Picture", "Video", "Live", "Adapt", "About")


def test_two_visitors_at_once_see_only_their_own(
    open_page: Opener, film: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    one, other = open_page(), open_page()
    paths = [tmp_path / "one.png", tmp_path / "other.png"]
    for path, image in zip(paths, (film[0], film[-1]), strict=True):
        Image.fromarray(image).save(path)
    one.get_by_label("Choose a picture").set_input_files(paths[0])
    other.get_by_label("Choose a picture").set_input_files(paths[1])
    for page, name, image in ((one, "one.png", film[0]), (other, "other.png", film[-1])):
        expect(page.get_by_role("heading", name=name)).to_be_visible()
        page.get_by_label("Opacity").fill("0")
        assert np.abs(pixels(page, "#dd-picture canvas[data-part=canvas]").astype(int) - image).mean() < 6
    assert one.get_by_text("other.png").count() == other.get_by_text("one.png", exact=True).count() == 0


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_files_are_served_to_who_has_their_address_until_the_page_is_closed(
    open_page: Opener, server: str
) -> None:
    page = open_page()
    with page.expect_response(lambda response: "values.gz" in response.url) as waiting:
        page.get_by_role("button", name="Dusk").click()
    expect(page.get_by_role("heading", name="Dusk")).to_be_visible()
    address = waiting.value.url
    assert status(address) == 200
    file = Path(address.split("file=")[1])
    for foreign in (file.parent, file.parent.parent, "/etc/passwd", Path(__file__), file.parents[3]):
        assert status(f"{server}gradio_api/file={foreign}") == 403
    page.close()
    wait_until(lambda: not file.exists(), "the files of a page that was closed to be deleted")
    assert status(address) == 403
    assert not file.parent.parent.exists()


def refused(server: str, path: str, header: str, value: str) -> int:
    """The status of the answer to the head of a POST request."""
    connection = http.client.HTTPConnection(urllib.parse.urlsplit(server).netloc, timeout=60)
    connection.putrequest("POST", path)
    connection.putheader(header, value)
    connection.endheaders()
    status = connection.getresponse().status
    connection.close()
    return status


def test_the_server_fetches_nothing_and_takes_no_body_that_no_page_sends(server: str) -> None:
    for foreign in ("http://127.0.0.1/", "https://example.org/a.png", "HTTPS://example.org", "ftp://a", "../x"):
        assert status(f"{server}gradio_api/file={foreign}") == 403
    # before any of it was sent
    for path in ("component_server", "run/upload", "queue/join", "uploads", "upload/more"):
        assert refused(server, f"/gradio_api/{path}", "Content-Length", "5000000") == 413
        assert refused(server, f"/gradio_api/{path}", "Transfer-Encoding", "chunked") == 411
    for slash in ("", "/"):
        assert refused(server, f"/gradio_api/upload{slash}", "Content-Length", "20200000") == 413
        assert refused(server, f"/gradio_api/upload{slash}", "Transfer-Encoding", "chunked") == 411
    assert refused(server, "/gradio_api/upload", "Content-Length", "0") == 400  # no form, says Gradio


def test_the_sign_of_work_is_visible(page: Page) -> None:
    page.route("**/queue/join**", lambda route: None)
    page.get_by_role("button", name="Fog").click()
    expect(page.get_by_text("Looking at Fog")).to_be_visible()
    found = page.eval_on_selector(
        "#dd-picture [data-part=say]",
        """line => {
          const style = getComputedStyle(line, "::before");
          return [style.width, style.borderLeftWidth, style.borderLeftStyle, style.borderLeftColor];
        }""",
    )
    assert found == ["10px", "2px", "solid", "rgb(10, 102, 112)"]


def test_gradio_writes_every_style_rule_as_it_is(page: Page) -> None:
    # as its page does it: parsed, and written anew from what was parsed
    lost = page.evaluate(
        """css => {
          const parsed = (text) => {
            const sheet = new CSSStyleSheet();
            sheet.replaceSync(text);
            return [...sheet.cssRules];
          };
          const rules = parsed(css).flatMap((rule) => rule instanceof CSSMediaRule ? [...rule.cssRules] : rule);
          return rules.filter((rule) => rule instanceof CSSStyleRule).flatMap((rule) => {
            const kept = new Set(parsed(rule.cssText)[0].style);
            const gone = [...rule.style].filter((name) => !kept.has(name));
            return gone.map((name) => `${rule.selectorText} ${name}`);
          });
        }""",
        (Path(depdis_demo.__file__).parent / "assets" / "demo.css").read_text("utf-8"),
    )
    assert lost == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1440, 390])
def test_every_tab_fits_its_width(open_page: Opener, width: int, dark: bool) -> None:
    page = open_page(width, dark=dark)
    page.get_by_role("button", name="Fog").click()
    expect(page.get_by_role("heading", name="Fog")).to_be_visible()
    ground = page.evaluate("getComputedStyle(document.querySelector('.gradio-container')).backgroundColor")
    assert (sum(int(part) for part in ground[4:-1].split(",")) < 200) == dark
    for name in TABS:
        tab(page, name)
        wide = page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{name} is {wide} pixels wide"


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_no_serious_fault(open_page: Opener, dark: bool) -> None:
    page = open_page(dark=dark)
    page.get_by_role("button", name="Fog").click()
    expect(page.get_by_role("heading", name="Fog")).to_be_visible()
    page.evaluate(resources.files("axe_playwright_python").joinpath("axe.min.js").read_text())
    for name in TABS:
        tab(page, name)
        if name == "About":
            page.wait_for_selector("[data-painted]")
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")
        serious = [
            (fault["id"], fault["impact"], [node["html"][:120] for node in fault["nodes"]])
            for fault in found["violations"]
            if fault["impact"] in ("serious", "critical")
        ]
        assert serious == [], f"{name}: {json.dumps(serious, indent=1)}"


def test_tabs_are_reached_and_changed_by_the_keyboard(page: Page) -> None:
    page.get_by_role("tab", name="Picture").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Try a generated drive")).to_be_visible()


def test_a_model_of_the_command_line_can_be_chosen(open_page: Opener, tmp_path: Path) -> None:
    from depdis_deploy.predictor import BUNDLED_MODEL

    shutil.copy(BUNDLED_MODEL, tmp_path / "mine.onnx")
    with started("--model", str(tmp_path / "mine.onnx")) as served:
        page = open_page(address=served.address)
        expect(page.get_by_label("Model")).to_have_value("mine.onnx")
        tab(page, "About")
        expect(page.locator("#dd-about dl")).to_contain_text("mine.onnx in")
        tab(page, "Picture")
        page.get_by_role("button", name="Dusk").click()
        expect(page.get_by_role("heading", name="Dusk")).to_be_visible()
        page.context.close()  # before its server, whose end it would take for a fault


def test_a_server_that_does_not_answer_is_said_in_plain_words(browser: Browser, server: str) -> None:
    with browser.new_context() as context:
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(server)
        page.get_by_role("button", name="Dusk").click()
        expect(page.get_by_role("heading", name="Dusk")).to_be_visible()
        tab(page, "About")
        page.wait_for_selector("[data-painted]")
        context.route("**/component_server/**", lambda route: route.abort())
        page.get_by_role("slider", name="Distance").fill("20")
        expect(page.locator("#dd-about [data-part=most]")).to_contain_text("The server does not answer.")
        tab(page, "Picture")
        page.get_by_role("button", name="Labels, palette PNG").click()
        expect(page.get_by_role("alert")).to_contain_text("The server does not answer. Try it again")
        tab(page, "Live")
        page.get_by_role("button", name="Start the camera").click()
        alert = page.locator("#dd-live").get_by_role("alert")
        expect(alert).to_contain_text("The server does not answer. Start the camera again")
        expect(page.get_by_role("button", name="Start the camera")).to_be_enabled()
        context.unroute("**/component_server/**")
        tab(page, "Picture")
        with page.expect_download():
            page.get_by_role("button", name="Labels, palette PNG").click()
        assert faults == []
