from __future__ import annotations

import cv2
import numpy as np
import pytest

from depdis_deploy.manifest import ResizeRule
from depdis_deploy.preprocess import Geometry, focal_length_px, plan, resize_picture, to_frame, to_input

AREA = ResizeRule(kind="area", width=640, height=320)


@pytest.mark.parametrize("size", [(640, 320), (1920, 1080), (1080, 1920), (641, 480), (5000, 40), (1, 1)])
def test_area_keeps_the_aspect_and_about_the_number_of_pixels(size: tuple[int, int]) -> None:
    geometry = plan(size, AREA)
    assert geometry.input[0] % 32 == 0
    assert geometry.input[1] % 32 == 0
    assert geometry.content[0] == geometry.input[0]
    assert 0 <= geometry.input[1] - geometry.content[1] < 32
    if max(size) / min(size) < 3:
        aspect = geometry.content[0] / geometry.content[1]
        assert aspect == pytest.approx(size[0] / size[1], rel=0.01)
        assert 0.8 < geometry.content[0] * geometry.content[1] / (640 * 320) < 1.25


@pytest.mark.parametrize("size", [(1, 1_000_000), (1_000_000, 1)])
def test_a_thread_of_pixels_asks_for_no_huge_input(size: tuple[int, int]) -> None:
    geometry = plan(size, AREA)
    assert geometry.input[0] * geometry.input[1] <= 4.1 * 640 * 320
    assert min(geometry.input) == 32


def test_stretch_and_fit() -> None:
    assert plan((1000, 1000), ResizeRule(kind="stretch", width=640, height=320)).content == (640, 320)
    fitted = plan((1000, 1000), ResizeRule(kind="fit", width=640, height=320))
    assert (fitted.content, fitted.input) == ((320, 320), (640, 320))


def test_fine_stripes_average_out_when_a_picture_shrinks() -> None:
    stripes = np.zeros((720, 1280, 3), np.uint8)
    stripes[:, ::2] = 200
    small = resize_picture(stripes, (608, 342), "linear")
    assert np.abs(small.astype(int) - 100).max() <= 2


@pytest.mark.parametrize("source", [(1920, 1080), (1280, 720), (961, 541)])
def test_shrinking_agrees_with_exact_averages(source: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    rough = rng.integers(0, 256, (30, 40, 3), dtype=np.uint8)
    picture = np.asarray(cv2.resize(rough, source, interpolation=cv2.INTER_CUBIC), np.uint8)
    exact = cv2.resize(picture, (608, 342), interpolation=cv2.INTER_AREA)
    difference = np.abs(resize_picture(picture, (608, 342), "linear").astype(int) - exact)
    assert difference.mean() < 1.0


def test_padding_repeats_the_border_and_is_cut_off_again() -> None:
    rule = ResizeRule(kind="fit", width=64, height=32)
    frame = np.full((40, 40, 3), 90, np.uint8)
    geometry = plan((40, 40), rule)
    assert (to_input(frame, geometry, rule) == 90).all()
    labels = np.zeros((32, 64), np.uint8)
    labels[:, 32:] = 7  # over the padding
    assert (to_frame(labels, geometry, smooth=False) == 0).all()


@pytest.mark.parametrize("size", [(333, 201), (64, 32), (1000, 500)])
def test_maps_land_where_the_picture_showed_it(size: tuple[int, int]) -> None:
    """A square of the frame, found in the network's input, comes back at its place."""
    rule = ResizeRule(kind="area", width=128, height=64, multiple=8)
    width, height = size
    frame = np.zeros((height, width, 3), np.uint8)
    box = (slice(height // 4, height // 2), slice(width // 3, 2 * width // 3))
    frame[box] = 255
    geometry = plan(size, rule)
    back = to_frame((to_input(frame, geometry, rule)[..., 0] > 127).astype(np.uint8), geometry, smooth=False)
    truth = frame[..., 0] > 127
    assert (back.astype(bool) & truth).sum() / (back.astype(bool) | truth).sum() > 0.93


def test_a_smooth_map_stands_where_the_graph_s_labels_do() -> None:
    """As torch's bilinear up-sampling with align_corners does, cells at the corners on the corners' pixels."""
    torch = pytest.importorskip("torch")
    values = np.random.default_rng(0).random((10, 16), np.float32)
    exact = torch.nn.functional.interpolate(
        torch.from_numpy(values)[None, None], (80, 128), mode="bilinear", align_corners=True
    )[0, 0].numpy()
    whole = Geometry((128, 80), (128, 80), (128, 80))
    np.testing.assert_allclose(to_frame(values, whole, smooth=True), exact, atol=1e-4)
    padded = Geometry((128, 71), (128, 71), (128, 80))
    np.testing.assert_allclose(to_frame(values, padded, smooth=True), exact[:71], atol=1e-4)


def test_a_coarse_linear_map_stays_linear_under_the_crop() -> None:
    geometry = Geometry((200, 100), (64, 32), (64, 40))
    coarse = np.repeat(np.linspace(0, 39, 10, dtype=np.float32)[:, None], 16, axis=1)
    found = to_frame(coarse, geometry, smooth=True)
    assert found.shape == (100, 200)
    rows = np.clip((np.arange(100) + 0.5) / 100 * 32 - 0.5, 0, 39)  # of the input
    np.testing.assert_allclose(found, np.repeat(rows[:, None], 200, axis=1), atol=0.05)


def test_focal_length() -> None:
    assert focal_length_px(90, 640) == pytest.approx(320)
    with pytest.raises(ValueError, match="between 1 and 179"):
        focal_length_px(180, 640)
