"""The Picture tab as a person uses it: bring a picture, read it, switch classes, download."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import numpy as np
import pytest
from browsing import Cameras, pixels, wait_until
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, expect

from depdis_demo import examples
from depdis_deploy import Prediction, Predictor
from depdis_deploy.pictures import read_picture

CANVAS = "#dd-picture canvas[data-part=canvas]"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


@pytest.fixture(scope="module")
def fog(predictor: Predictor) -> Prediction:
    return predictor(read_picture(examples.picture("fog")))


def choose_example(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.get_by_role("heading", name=name, exact=True)).to_be_visible()


def said(page: Page, name: str) -> str:
    """A figure of the read-out."""
    return page.locator(f"#dd-picture [data-part={name}]").inner_text()


def point_at(page: Page, x: int, y: int, size: tuple[int, int]) -> None:
    """Hover the pixel (x, y) of a picture of `size`."""
    canvas = page.locator(CANVAS)
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.move(
        box["x"] + (x + 0.5) * box["width"] / size[0], box["y"] + (y + 0.5) * box["height"] / size[1]
    )


def test_an_example_is_read_out_as_its_arrays_say(page: Page, fog: Prediction) -> None:
    choose_example(page, "Fog")
    height, width = fog.labels.shape
    assert fog.depth is not None
    assert fog.density is not None
    assert fog.confidence is not None
    rng = np.random.default_rng(0)
    for x, y in [(3, 3), *zip(rng.integers(0, width, 8), rng.integers(0, height, 8), strict=True)]:
        point_at(page, int(x), int(y), (width, height))
        column, row = (int(word.strip(",")) for word in said(page, "pixel").split()[1::2])
        assert abs(column - x) <= 1
        assert abs(row - y) <= 1
        assert said(page, "class") == fog.names[fog.labels[row, column]]
        metres = float(fog.depth[row, column])
        if metres < 655:
            # shown to 0.1 m, on its way in centimetres
            assert abs(float(said(page, "depth").removesuffix(" m")) - metres) <= 0.0551
        else:
            assert said(page, "depth") == "beyond range"
        for name, values in (("density", fog.density), ("confidence", fog.confidence)):
            assert abs(float(said(page, name)) - float(values[row, column])) <= 0.00501


def test_the_classes_that_are_there_are_listed_with_their_share(page: Page, fog: Prediction) -> None:
    choose_example(page, "Fog")
    rows = page.get_by_role("region", name="Classes").get_by_role("listitem")
    found = {
        name: float(share.removesuffix(" %"))
        for name, share in (text.split("\n") for text in rows.all_inner_texts())
    }
    wanted = {
        name: 100 * one.share for name, one in zip(fog.names, fog.statistics, strict=True) if one.share >= 0.001
    }
    assert set(found) == set(wanted)
    assert all(abs(found[name] - wanted[name]) <= 0.51 for name in wanted)


def test_a_class_that_is_switched_off_shows_the_picture(page: Page, fog: Prediction) -> None:
    choose_example(page, "Fog")
    page.get_by_label("Slide between the picture").fill("0")
    road = fog.labels == fog.names.index("road")
    picture = fog.image.astype(int)
    with_road = pixels(page, CANVAS).astype(int)
    assert np.abs(with_road - picture)[road].mean() > 15
    page.get_by_role("checkbox", name="road").uncheck()
    without = pixels(page, CANVAS).astype(int)
    assert np.abs(without - picture)[road].mean() < 6  # what JPEG changes
    assert np.array_equal(
        without[fog.labels == fog.names.index("building")][:9], with_road[fog.labels == 2][:9]
    )
    page.get_by_role("button", name="none", exact=True).click()
    assert np.abs(pixels(page, CANVAS).astype(int) - picture).mean() < 6
    page.get_by_role("button", name="all", exact=True).click()
    assert np.array_equal(pixels(page, CANVAS), with_road)


def test_slider_and_opacity_mix_picture_and_classes(page: Page, fog: Prediction) -> None:
    from depdis_deploy.visualize import overlay

    choose_example(page, "Fog")
    page.get_by_label("Opacity").fill("50")
    page.get_by_label("Slide between the picture").fill("50")
    shown, half = pixels(page, CANVAS).astype(int), fog.image.shape[1] // 2
    drawn = overlay(fog.image, fog.labels, fog.manifest.taxonomy.palette, 0.5).astype(int)
    assert np.abs(shown - fog.image)[:, : half - 4].mean() < 6
    assert np.abs(shown - drawn)[:, half + 4 :].mean() < 6
    page.get_by_label("Opacity").fill("0")
    assert np.abs(pixels(page, CANVAS).astype(int) - fog.image).mean() < 6

    # by its handle, too
    page.get_by_label("Opacity").fill("100")
    box = page.locator(CANVAS).bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.down()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + box["height"] / 2, steps=4)
    page.mouse.up()
    shown = pixels(page, CANVAS).astype(int)
    assert np.abs(shown - fog.image)[:, : int(1.5 * half)].mean() < 6
    assert np.abs(shown - fog.image)[:, int(1.65 * half) :].mean() > 15


def test_each_map_can_be_laid_over_the_picture_with_its_unit(page: Page, fog: Prediction) -> None:
    from depdis_deploy.visualize import density_colours, depth_colours

    choose_example(page, "Fog")
    page.get_by_label("Opacity").fill("100")
    page.get_by_label("Slide between the picture").fill("0")
    assert fog.depth is not None
    assert fog.density is not None
    for name, drawn, unit in (
        ("Depth", depth_colours(fog.depth), "metres"),
        ("Density", density_colours(fog.density), "unusual to usual"),
    ):  # fmt: skip
        page.get_by_role("radio", name=name).check()
        assert np.abs(pixels(page, CANVAS).astype(int) - drawn).mean() < 2
        expect(page.locator("#dd-picture [data-part=scale]")).to_contain_text(unit)


def test_downloads_hold_what_the_command_writes(page: Page, fog: Prediction, tmp_path: Path) -> None:
    choose_example(page, "Fog")
    kept = {}
    for title in (
        "Overlay",
        "Labels, palette PNG",
        "Depth, 16-bit PNG in cm",
        "All maps, NPZ",
        "Figures, JSON",
    ):
        with page.expect_download() as waiting:
            page.get_by_role("button", name=title, exact=True).click()
        kept[title] = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(kept[title])
    wanted = {path.name: path for path in fog.save(tmp_path / "wanted", ("overlay", "labels", "depth"))}
    for title, kind in (
        ("Overlay", "overlay"),
        ("Labels, palette PNG", "labels"),
        ("Depth, 16-bit PNG in cm", "depth"),
    ):
        assert kept[title].name == f"Fog_{kind}.png"
        with Image.open(kept[title]) as got, Image.open(wanted[f"picture_{kind}.png"]) as expected:
            assert got.mode == expected.mode
            assert np.array_equal(np.asarray(got), np.asarray(expected))
    assert kept["All maps, NPZ"].suffix == ".npz"
    with np.load(kept["All maps, NPZ"]) as arrays:
        assert np.array_equal(arrays["depth"], fog.depth)
        assert np.array_equal(arrays["labels"], fog.labels)
    assert set(json.loads(kept["Figures, JSON"].read_text())["classes"]) == set(fog.names)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="As shown here").click()
    waiting.value.save_as(tmp_path / "seen.png")
    assert np.array_equal(np.asarray(Image.open(tmp_path / "seen.png").convert("RGB")), pixels(page, CANVAS))


def test_a_real_picture_is_brought_by_file_by_paste_and_by_camera(
    page: Page, film: list[NDArray[np.uint8]], predictor: Predictor, tmp_path: Path
) -> None:
    path = tmp_path / "Straße 1.png"
    Image.fromarray(film[10]).save(path)
    page.get_by_label("Choose a picture").set_input_files(path)
    expect(page.get_by_role("heading", name="Straße 1.png")).to_be_visible()
    expect(page.get_by_text("640 × 272 pixels")).to_be_visible()
    prediction = predictor(film[10])
    largest = max(zip(prediction.names, prediction.statistics, strict=True), key=lambda one: one[1].share)[0]
    expect(page.get_by_role("region", name="Classes").get_by_role("listitem").first).to_contain_text(largest)

    page.evaluate(
        """async (text) => {
          const bytes = Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
          const data = new DataTransfer();
          data.items.add(new File([bytes], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        base64.b64encode(path.read_bytes()).decode(),
    )
    expect(page.get_by_role("heading", name="pasted.png")).to_be_visible()

    page.get_by_role("button", name="Use the camera").click()
    page.get_by_role("button", name="Take the picture").click()
    expect(page.get_by_role("heading", name="camera.jpg")).to_be_visible()
    expect(page.get_by_text("640 × 272 pixels")).to_be_visible()
    expect(page.get_by_role("button", name="Take the picture")).to_be_hidden()


def test_a_camera_that_is_closed_while_it_opens_is_not_left_on(page: Page) -> None:
    cameras = Cameras(page)
    cameras.hold()
    use = page.get_by_role("button", name="Use the camera")
    use.evaluate("button => { button.click(); button.click(); }")
    cameras.given(1)
    expect(page.get_by_role("button", name="Take the picture")).to_be_disabled()
    page.get_by_role("button", name="Close the camera").click()
    use.click()  # again, while the first is still to come
    cameras.given(2)
    page.get_by_role("button", name="Close the camera").click()
    cameras.release()
    cameras.live(0)
    expect(page.get_by_role("button", name="Take the picture")).to_be_hidden()
    use.click()
    expect(page.get_by_role("button", name="Take the picture")).to_be_enabled()
    cameras.live(1)
    assert page.evaluate("cameras.asked") == 3
    page.get_by_role("button", name="Close the camera").click()
    cameras.live(0)


def bomb(side: int) -> bytes:
    """A PNG of side x side white pixels in a few kilobytes."""
    rows = zlib.compress(b"\0" * (1 + side) * side, 9)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    size = side.to_bytes(4, "big")
    header = chunk(b"IHDR", size + size + b"\x08\0\0\0\0")
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_what_is_no_picture_gets_a_plain_sentence_and_the_page_goes_on(page: Page, tmp_path: Path) -> None:
    bad = {
        "notes.png": (b"dear diary", "notes.png: not an image in a supported format"),
        "bomb.png": (bomb(20_000), "bomb.png: 20000x20000 is too large, expected at most 8,000,000 pixels"),
        "large.png": (bomb(3_000), "large.png: 3000x3000 is too large, expected at most 8,000,000 pixels"),
        "empty.png": (b"", "empty.png is empty"),
        "heavy.png": (bytes(21_000_000), "heavy.png has 21 MB; at most 20 MB are taken here."),
    }
    for name, (data, sentence) in bad.items():
        (tmp_path / name).write_bytes(data)
        page.get_by_label("Choose a picture").set_input_files(tmp_path / name)
        alert = page.get_by_role("alert").filter(has_text=name)
        expect(alert).to_contain_text(sentence)
        assert "/tmp" not in alert.inner_text()
    choose_example(page, "Dusk")
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_bad_file_leaves_the_picture_on_screen_its_downloads(
    page: Page, film: list[NDArray[np.uint8]], predictor: Predictor, tmp_path: Path
) -> None:
    Image.fromarray(film[10]).save(tmp_path / "street.png")
    (tmp_path / "notes.png").write_bytes(b"dear diary")
    page.get_by_label("Choose a picture").set_input_files(tmp_path / "street.png")
    expect(page.get_by_role("heading", name="street.png")).to_be_visible()
    page.get_by_label("Choose a picture").set_input_files(tmp_path / "notes.png")
    expect(page.get_by_role("alert")).to_contain_text("notes.png: not an image")
    expect(page.get_by_role("heading", name="street.png")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Labels, palette PNG").click()
    assert waiting.value.suggested_filename == "street_labels.png"
    waiting.value.save_as(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as got:
        assert np.array_equal(np.asarray(got), predictor(film[10]).labels)


def test_the_visitors_own_camera_makes_the_metres(page: Page, predictor: Predictor, tmp_path: Path) -> None:
    choose_example(page, "Fog")
    image = read_picture(examples.picture("fog"))
    height, width = image.shape[:2]
    at = width // 2, 9 * height // 10

    def metres_are(own: Predictor) -> None:
        depth = own(image).depth
        assert depth is not None
        expected = float(depth[at[1], at[0]])

        def shown() -> bool:
            point_at(page, *at, (width, height))
            return abs(float(said(page, "depth").removesuffix(" m")) - expected) <= 0.0551

        wait_until(shown, f"{expected:.1f} m")

    metres_are(predictor)
    page.locator("#dd-picture summary").click()
    page.locator("#dd-picture").get_by_label("Field of view, degrees across").fill("40")
    page.keyboard.press("Tab")
    metres_are(predictor.with_camera(40.0))
    page.locator("#dd-picture").get_by_label("Height above the road, metres").fill("1.1")
    page.keyboard.press("Tab")
    own = predictor.with_camera(40.0, camera_height=1.1)
    metres_are(own)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Depth, 16-bit PNG in cm").click()
    path = tmp_path / waiting.value.suggested_filename
    waiting.value.save_as(path)
    (tmp_path / "expected").mkdir()
    (expected,) = own(examples.picture("fog")).save_as(tmp_path / "expected", "fog", ["depth"])
    assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(expected)))

    page.locator("#dd-picture").get_by_label("Field of view, degrees across").fill("500")
    page.keyboard.press("Tab")
    expect(page.get_by_role("alert")).to_contain_text("expected 1 to 179 degrees, got 500")
    metres_are(own)  # what was there stays


def test_the_keyboard_reads_pixels_and_switches_classes(page: Page) -> None:
    page.get_by_role("button", name="Suburb").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Suburb")).to_be_visible()
    page.locator(CANVAS).focus()
    before = said(page, "pixel")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Shift+ArrowLeft")
    assert said(page, "pixel") != before
    expect(page.locator("#dd-picture [data-part=aloud]")).to_contain_text("density")
    box = page.get_by_role("checkbox").first
    box.focus()
    page.keyboard.press("Space")
    expect(box).not_to_be_checked()
