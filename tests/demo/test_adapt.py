"""The Adapt tab: a clip of one's own, to the end and cancelled."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browsing import LIMITS, Opener, tab
from playwright.sync_api import Page, expect

from depdis_demo.process import SHORT_ADAPTATIONS, started
from depdis_deploy import Predictor


@pytest.fixture(params=["quick export", pytest.param("real export", marks=pytest.mark.long)])
def adapting(request: pytest.FixtureRequest, server: str) -> Iterator[str]:
    """The address of a server that adapts, with the export or with a copy of the bundled model in its place."""
    if request.param == "quick export":
        yield server
        return
    with started(*LIMITS, *SHORT_ADAPTATIONS) as served:
        yield served.address


@pytest.mark.timeout(900)
def test_a_clip_is_adapted_to_judged_and_the_model_downloaded(
    adapting: str, open_page: Opener, bikes: Path, tmp_path: Path
) -> None:
    page, other, third = (open_page(address=adapting) for _ in range(3))
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
    expect(other.get_by_text("All that was made of your clip is deleted")).to_be_visible()

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

    first, second = after.get_attribute("src"), page.get_by_role("button", name="picture 2")
    second.click()
    expect(second).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="picture 1")).to_have_attribute("aria-pressed", "false")
    assert after.get_attribute("src") != first

    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download the model").click()
    waiting.value.save_as(tmp_path / "adapted.onnx")
    labels = Predictor(tmp_path / "adapted.onnx")(np.zeros((64, 96, 3), np.uint8)).labels
    assert labels.shape == (64, 96)
    for one in (page, other, third):
        one.context.close()  # before their server, whose end they would take for a fault


def trainings() -> list[int]:
    """The processes below this one that run an adaptation."""
    found = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            words = status.with_name("cmdline").read_bytes().split(b"\0")
            alive = "State:\tZ" not in status.read_text()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if (
            alive
            and b"depdis_training.train_cli" in words
            and os.getpid() in ancestors(int(status.parent.name))
        ):
            found.append(int(status.parent.name))
    return found


def ancestors(process: int) -> list[int]:
    found = []
    while process > 1:
        try:
            # after the name, which may hold anything: state, parent
            process = int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            break
        found.append(process)
    return found


@pytest.mark.timeout(600)
def test_cancelling_ends_the_process_and_a_bad_clip_is_said(page: Page, bikes: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").write_text("dear diary")
    tab(page, "Adapt")
    page.get_by_label("Choose a clip").set_input_files(tmp_path / "notes.mp4")
    expect(page.get_by_role("alert")).to_contain_text("notes.mp4: not a video that can be read")
    page.get_by_label("Choose a clip").set_input_files(bikes)
    expect(page.get_by_text("Drawing labelled streets")).to_be_visible()
    assert trainings(), "nobody adapts, or the search for who does finds nothing"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("All that was made of your clip is deleted")).to_be_visible()
    assert trainings() == []
    expect(page.get_by_text("Choose a clip", exact=True)).to_be_visible()
    expect(page.get_by_role("region", name="Progress")).to_be_hidden()
