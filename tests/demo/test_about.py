"""The About tab: the outputs explained, the mixtures that density is built of, the model's card."""

from __future__ import annotations

import json

import numpy as np
from browsing import pixels, tab
from playwright.sync_api import Page, expect

from depdis_deploy import Predictor
from depdis_deploy.mixtures import class_density
from depdis_deploy.predictor import BUNDLED_MODEL

CANVAS = "#dd-about canvas"


def test_each_output_has_a_picture_and_the_card_says_what_runs(page: Page) -> None:
    tab(page, "About")
    for name in ("What it is", "How far away it is", "How usual that is"):
        figure = page.get_by_role("figure").filter(has=page.get_by_role("heading", name=name))
        expect(figure).to_be_visible()
        page.wait_for_function(
            "image => image.naturalWidth === 800", arg=figure.locator("img").element_handle()
        )
    card = page.locator("#dd-about dl")
    expect(card).to_contain_text(Predictor(threads=1).choice)
    scores = json.loads(BUNDLED_MODEL.with_suffix(".json").read_text("utf-8"))["scores"]
    expect(card).to_contain_text(f"{scores['camvid_validation']['mIoU 11 (%)']:.1f} mIoU on CamVid")
    expect(card).to_contain_text("in its own shape, with about as many as 640 × 320 pixels")
    names = Predictor(threads=1).names
    expect(page.get_by_text(f"One of {len(names)} classes, from {names[0]} to {names[-1]}.")).to_be_visible()
    expect(page.get_by_text("It must not be used to steer a vehicle")).to_be_visible()
    expect(page.get_by_text("NeurIPS 2022")).to_be_visible()


def test_a_class_s_mixture_is_drawn_at_the_chosen_distance(page: Page) -> None:
    tab(page, "About")
    manifest = Predictor(threads=1).manifest
    shown = {}
    for name, place in (("sky", 10), ("road", 10), ("road", 90)):
        page.get_by_role("combobox", name="Class").select_option(name)
        page.get_by_role("slider", name="Distance").fill(str(place))
        page.wait_for_selector(f"[data-painted='{name} {place}']")
        shown[name, place] = pixels(page, CANVAS)
        metres = 2 * 40 ** (place / 100)
        wanted = class_density(manifest, name, metres, (96, 54))
        if wanted.max() >= 0.05:
            expect(page.locator("#dd-about [data-part=most]")).to_contain_text(f"{wanted.max():.2f}")
        else:
            expect(page.locator("#dd-about [data-part=most]")).to_contain_text("Hardly ever")
    assert not np.array_equal(shown["road", 10], shown["road", 90])
    # near, the road is below; its density is drawn from blue to yellow
    green = shown["road", 10][..., 1].astype(int) - shown["sky", 10][..., 1]
    assert green[-40:].mean() > green[:40].mean() + 30
