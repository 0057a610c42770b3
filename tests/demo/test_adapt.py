"""The Adapt tab: a clip of one's own, to the end and cancelled."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from browsing import Opener, tab
from playwright.sync_api import Page, expect

from depdis_deploy import Predictor


@pytest.mark.timeout(900)
def test_a_clip_is_adapted_to_judged_and_the_model_downloaded(
    open_page: Opener, bikes: Path, tmp_path: Path
) -> None:
    page, other, third = open_page(), open_page(), open_page()
    for one in (page, other, third):
        tab(one, "Adapt")
    page.get_by_label("Choose a clip").set_input_files(bikes)
    expect(page.get_by_text("Drawing labelled streets")).to_be_visible()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible()

    # one at a time, and one that waits
    other.get_by_label("Choose a clip").set_input_files(bikes)
    expect(other.get_by_text("Another clip is at work. Yours is next.")).to_be_visible()
    third.get_by_label("Choose a clip").set_input_files(bikes)
    expect(third.get_by_role("alert")).to_contain_text("one more is waiting")
    other.get_by_role("button", name="Cancel").click()
    expect(other.get_by_text("Your clip and all that was made of it are deleted.")).to_be_visible()

    ended = page.get_by_role("heading", name="The verdict").or_(page.get_by_role("alert"))
    expect(ended).to_be_visible(timeout=800_000)
    expect(page.get_by_role("alert")).to_have_count(0)
    verdict = page.get_by_role("region", name="Verdict")
    kept = page.get_by_role("heading", name="Adapted", exact=True).is_visible()
    expect(verdict).to_contain_text("That is what you download." if kept else "You download the model it began")
    figures = [float(text) for text in verdict.locator("tbody tr:first-child td").all_inner_texts()]
    assert all(0 < figure < 100 for figure in figures)

    slider, after = page.get_by_label("Slide between before and after"), page.locator("#dd-adapt .dd-after")
    assert after.evaluate("image => image.naturalWidth") == 640
    slider.fill("0")
    whole = after.evaluate("image => getComputedStyle(image).clipPath")
    slider.fill("80")
    assert after.evaluate("image => getComputedStyle(image).clipPath") != whole

    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the model").click()
    waiting.value.save_as(tmp_path / "adapted.onnx")
    labels = Predictor(tmp_path / "adapted.onnx")(np.zeros((64, 96, 3), np.uint8)).labels
    assert labels.shape == (64, 96)


@pytest.mark.timeout(600)
def test_cancelling_ends_the_process_and_a_bad_clip_is_said(page: Page, bikes: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("dear diary")
    tab(page, "Adapt")
    page.get_by_label("Choose a clip").set_input_files(tmp_path / "notes.mp4")
    expect(page.get_by_role("alert")).to_contain_text("notes.mp4: not a video that can be read")
    page.get_by_label("Choose a clip").set_input_files(bikes)
    expect(page.get_by_text("Drawing labelled streets")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Your clip and all that was made of it are deleted.")).to_be_visible()
    expect(page.get_by_label("Choose a clip")).to_be_enabled()
