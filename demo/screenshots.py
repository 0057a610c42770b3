"""Make the pictures of the demo that the docs show: python demo/screenshots.py [--all FOLDER]

Starts the demo, drives it in Chromium (apt-get install chromium) and writes docs/demo_*.jpg. With --all
every tab, empty, at work and with its result, is written at 1440, 768 and 390 pixels, light and dark, as PNG
into a folder, to be looked at.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from depdis_demo.process import SHORT_ADAPTATIONS, started
from depdis_deploy.media.image_decoding import decode
from depdis_deploy.pictures import MAX_PIXELS
from depdis_deploy.sources import BUNDLED_CLIP

DOCS = Path(__file__).parents[1] / "docs"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--use-fake-ui-for-media-stream",
    "--use-fake-device-for-media-stream",
)
TABS = ("Picture", "Video", "Live", "Adapt", "About")
PATIENCE_MS = 180_000
_WIDE = 1000  # of a picture in the docs


def main() -> None:
    """The docs' pictures, or all of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", type=Path, metavar="FOLDER")
    options = parser.parse_args()
    with started(*SHORT_ADAPTATIONS) as demo, sync_playwright() as playwright:
        chromium = shutil.which("chromium") or shutil.which("google-chrome")
        browser = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        if options.all:
            for_looking(browser, demo.address, options.all)
        else:
            for_docs(browser, demo.address)


def opened(browser: Browser, address: str, width: int, *, dark: bool) -> Page:
    """A new visitor's page with an example in its Picture tab."""
    context = browser.new_context(
        viewport={"width": width, "height": 900},
        color_scheme="dark" if dark else "light",
        reduced_motion="reduce",
    )
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    page.get_by_role("button", name="High street").click()
    page.get_by_role("heading", name="High street").wait_for()
    return page


def go(page: Page, tab: str) -> None:
    """To a tab, with something in it to be seen."""
    page.get_by_role("tab", name=tab, exact=True).click()
    if tab == "About":
        page.wait_for_selector("[data-painted]")
    if tab == "Video":
        page.get_by_role("button", name="Try a generated drive").click()
        page.get_by_role("link", name="Download the video").wait_for()
        page.eval_on_selector("#dd-video video", "player => { player.currentTime = 3 }")
    if tab == "Live":
        page.get_by_role("button", name="Start the camera").click()
        page.wait_for_function("Number(document.querySelector('#dd-live [data-frames]')?.dataset.frames) >= 3")
    if tab == "Adapt":
        page.get_by_label("Choose a clip").set_input_files(BUNDLED_CLIP)
        page.get_by_role("heading", name="The verdict").wait_for(timeout=800_000)
    page.wait_for_timeout(800)


def for_looking(browser: Browser, address: str, folder: Path) -> None:
    """Every tab at every width, light and dark: empty, some at work or in error, and with a result."""
    folder.mkdir(parents=True, exist_ok=True)
    page = opened(browser, address, 1440, dark=False)
    for tab in TABS[1:-1]:
        page.get_by_role("tab", name=tab, exact=True).click()
        look(page, folder, f"{tab.lower()}_empty")
    page.get_by_label("Choose a clip").set_input_files(BUNDLED_CLIP)
    page.get_by_text("Drawing labelled streets").wait_for()
    look(page, folder, "adapt_working")
    page.get_by_role("button", name="Cancel").click()
    page.get_by_text("is deleted").wait_for()
    page.get_by_role("tab", name="Video", exact=True).click()
    page.get_by_role("radio", name="Four views").check()
    page.get_by_role("button", name="Try a generated drive").click()
    page.locator("#dd-video polygon").first.wait_for()
    look(page, folder, "video_working")
    page.get_by_role("button", name="Cancel and keep what is done").click()
    page.get_by_role("link", name="Download the video").wait_for()
    for tab in TABS:
        go(page, tab)
        look(page, folder, tab.lower())
    page.get_by_role("tab", name="Picture", exact=True).click()
    page.get_by_label("Choose a picture").set_input_files(Path(__file__))
    page.get_by_role("alert").wait_for()
    look(page, folder, "picture_error")


def look(page: Page, folder: Path, name: str) -> None:
    """What is on the screen, at every width, light and dark."""
    for width in (1440, 768, 390):
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)
            page.wait_for_timeout(300)
            page.screenshot(path=folder / f"{name}_{width}_{scheme}.png", full_page=True)
    page.set_viewport_size({"width": 1440, "height": 900})
    page.emulate_media(color_scheme="light")


def for_docs(browser: Browser, address: str) -> None:
    """demo_picture (light), demo_video (dark), demo_about (light), demo_phone (both)."""
    light, dark = (opened(browser, address, 1280, dark=look) for look in (False, True))
    light.mouse.move(0, 0)
    keep(light.screenshot(full_page=True), "demo_picture")
    go(dark, "Video")
    keep(dark.screenshot(full_page=True), "demo_video")
    go(light, "About")
    light.set_viewport_size({"width": 1280, "height": 1180})
    light.evaluate("scrollTo(0, 0)")
    keep(light.screenshot(), "demo_about")
    phones = [
        decode(
            opened(browser, address, 390, dark=look).screenshot(full_page=True), "phone", max_pixels=MAX_PIXELS
        )
        for look in (False, True)
    ]
    height = min(1500, *(phone.height for phone in phones))
    both = Image.new("RGB", (2 * 390 + 40, height), "white")
    for place, phone in enumerate(phones):
        both.paste(phone, (place * 430, 0))
    both.save(DOCS / "demo_phone.jpg", quality=80, optimize=True, progressive=True)


def keep(png: bytes, name: str) -> None:
    """A screenshot as a small JPEG in the docs."""
    shot = decode(png, name, max_pixels=MAX_PIXELS)
    small = shot.resize((_WIDE, round(_WIDE * shot.height / shot.width)), Image.Resampling.LANCZOS)
    small.save(DOCS / f"{name}.jpg", quality=82, optimize=True, progressive=True)


if __name__ == "__main__":
    main()
