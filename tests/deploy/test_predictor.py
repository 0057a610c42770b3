from __future__ import annotations

import json
import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from PIL import Image
from tiny_model import COLOURS, graph, manifest, write_tiny_model

import depdis_deploy
from depdis_deploy import Predictor, predictor
from depdis_deploy.camera_height import scaled
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.sources import BUNDLED_CLIP, Frame, open_sources

RED, GREEN, BLUE = 0, 1, 2


def halves(width: int = 64, height: int = 32) -> np.ndarray:
    """Left half red 200, right half blue 100."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[:, : width // 2, RED] = 200
    picture[:, width // 2 :, BLUE] = 100
    return picture


@pytest.fixture(scope="module")
def predict(model: Path) -> Predictor:
    return Predictor(model, threads=1)


@pytest.mark.parametrize("size", [(64, 32), (333, 201), (120, 360), (17, 9), (1, 1), (800, 400)])
def test_maps_lie_on_the_pictures_pixels(predict: Predictor, size: tuple[int, int]) -> None:
    width, height = size
    prediction = predict(halves(width, height))
    for values, kind in (
        (prediction.labels, np.uint8), (prediction.depth, np.float32), (prediction.density, np.float32),
        (prediction.confidence, np.float32),
    ):  # fmt: skip
        assert values is not None
        assert (values.shape, values.dtype) == ((height, width), kind)
    if width >= 64:
        quarter = width // 4
        assert (prediction.labels[:, :quarter] == RED).all()
        assert (prediction.labels[:, -quarter:] == BLUE).all()
        assert prediction.depth[height // 2, 0] == pytest.approx(22, abs=0.2)  # type: ignore[index]
        assert prediction.depth[height // 2, -1] == pytest.approx(2, abs=0.2)  # type: ignore[index]
        assert prediction.confidence[height // 2, -1] == pytest.approx(100 / 255, abs=0.01)  # type: ignore[index]
    assert prediction.names == COLOURS.names
    assert set(prediction.speed) == {"preprocess", "inference", "postprocess"}


def test_paths_frames_and_arrays_say_where_they_come_from(predict: Predictor, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(halves()).save(path)
    assert predict(path).path == str(path)
    assert predict(str(path)).frame is None
    assert predict(halves()).path is None
    moving = predict(Frame(halves(), "drive.mp4", 7, 0.28))
    assert (moving.path, moving.frame, moving.time_s) == ("drive.mp4", 7, 0.28)


def test_a_batch_of_mixed_sizes_keeps_its_order(predict: Predictor) -> None:
    pictures = [halves(64, 32), halves(32, 64), halves(64, 32)[:, ::-1].copy(), halves(50, 50)]
    together = predict.predict(pictures)
    for picture, prediction in zip(pictures, together, strict=True):
        alone = predict(picture)
        assert prediction.image is picture
        assert (prediction.labels == alone.labels).all()
        assert np.allclose(prediction.depth, alone.depth)  # type: ignore[arg-type]


def test_a_static_batch_is_filled_up(tmp_path: Path) -> None:
    static = Predictor(write_tiny_model(tmp_path / "s.onnx", kind="stretch", batch=2), threads=1)
    pictures = [halves(), halves()[:, ::-1].copy(), np.full((40, 30, 3), 9, np.uint8)]
    found = static.predict(pictures)
    assert len(found) == 3
    assert found[1].labels[0, 0] == BLUE
    assert found[2].labels.shape == (40, 30)


def test_threads_may_share_a_predictor(predict: Predictor) -> None:
    pictures = [np.full((32, 64, 3), (level, 0, 0), np.uint8) for level in range(0, 250, 10)]
    with ThreadPoolExecutor(4) as pool:
        depths = [float(found.depth.mean()) for found in pool.map(predict, pictures)]  # type: ignore[union-attr]
    assert depths == pytest.approx([2 + level / 10 for level in range(0, 250, 10)], abs=1e-4)


def test_a_missing_branch_is_none_and_cannot_be_saved(tmp_path: Path) -> None:
    model = write_tiny_model(tmp_path / "l.onnx", outputs=("labels", "confidence"))
    prediction = Predictor(model)(halves())
    assert prediction.depth is None
    assert prediction.density is None
    with pytest.raises(UsageError, match="no depth output"):
        prediction.save(tmp_path, ("overlay", "depth"))
    assert not list(tmp_path.glob("*.png"))
    assert json.loads(prediction.to_json())["classes"]["red"]["median_depth_m"] is None
    assert prediction.plot("quad").shape == (64, 128, 3)


def test_only_what_is_asked_for_is_there(predict: Predictor) -> None:
    prediction = predict.predict([halves()], outputs=["labels", "depth"])[0]
    assert prediction.depth is not None
    assert prediction.density is None
    with pytest.raises(UsageError, match="no heat output"):
        predict.predict([halves()], outputs=["heat"])


@pytest.mark.parametrize("fov", [30.0, 90.0])
@pytest.mark.parametrize("width", [64, 640])
def test_the_cameras_field_of_view_scales_depth(model: Path, fov: float, width: int) -> None:
    """An object of the same size in the network's input is as much farther as the focal length is longer."""
    picture = halves(width, width // 2)
    canonical = Predictor(model)(picture)
    own = Predictor(model, camera_fov=fov)(picture)
    content_width = canonical.geometry.content[0]
    focal_px = content_width / 2 / math.tan(math.radians(fov) / 2)
    expected = canonical.depth * (focal_px / 64.0)  # type: ignore[operator]
    assert np.allclose(own.depth, expected, rtol=1e-5)  # type: ignore[arg-type]
    assert canonical.camera is not None
    assert own.camera is not None
    assert canonical.camera.assumed
    assert not own.camera.assumed
    assert own.camera.fov_degrees == fov
    same = Predictor(model, camera_fov=canonical.camera.fov_degrees)(picture)
    assert np.allclose(same.depth, canonical.depth, rtol=1e-5)  # type: ignore[arg-type]


def test_the_sky_stays_the_farthest() -> None:
    depth = np.array([[10.0, 655.35, 500.0]], np.float32)
    assert scaled(depth, 0.5, 655.35)[0].tolist() == pytest.approx([5.0, 655.35, 250.0])
    assert scaled(depth, 2.0, 655.35)[0].tolist() == pytest.approx([20.0, 655.35, 655.35])


def test_wrong_fields_of_view(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="1 to 179"):
        Predictor(model, camera_fov=200)
    metric = write_tiny_model(tmp_path / "m.onnx", canonical_focal_px=None)
    with pytest.raises(UsageError, match="one camera"):
        Predictor(metric, camera_fov=60)
    assert Predictor(metric)(halves()).camera is None


def test_one_loaded_model_serves_several_cameras(tmp_path: Path) -> None:
    loaded = Predictor(threads=1, imgsz=(320, 160))
    picture = next(iter(loaded.stream(BUNDLED_CLIP))).image
    wide, tall = loaded.with_camera(90.0), loaded.with_camera(camera_height=1.1)
    for own, opened in (
        (wide, Predictor(camera_fov=90.0, threads=1, imgsz=(320, 160))),
        (tall, Predictor(camera_height=1.1, threads=1, imgsz=(320, 160))),
        (wide.with_camera(), loaded),
    ):
        assert np.array_equal(own(picture).depth, opened(picture).depth)  # type: ignore[arg-type]
        assert own(picture).camera == opened(picture).camera
    assert not np.array_equal(tall(picture).depth, loaded(picture).depth)  # type: ignore[arg-type]
    assert (loaded.camera_fov, loaded.camera_height) == (None, None)
    with pytest.raises(UsageError, match="1 to 179"):
        loaded.with_camera(float("nan"))
    with pytest.raises(UsageError, match="one camera"):
        Predictor(write_tiny_model(tmp_path / "m.onnx", canonical_focal_px=None)).with_camera(60)


def test_another_input_size_sees_the_same_camera(model: Path) -> None:
    """Twice the pixels a side make things look twice as near to the network: the metres must not follow."""
    picture = halves(640, 320)
    own, twice = Predictor(model)(picture), Predictor(model, imgsz=(128, 64))(picture)
    assert (own.geometry.input, twice.geometry.input) == ((64, 32), (128, 64))
    assert twice.camera is not None
    assert own.camera is not None
    assert twice.camera.assumed
    assert twice.camera.focal_px == pytest.approx(own.camera.focal_px)
    assert twice.manifest.canonical_focal_px == 128
    assert np.allclose(twice.depth[:, 0], 2 * own.depth[:, 0], rtol=1e-5)  # type: ignore[index]
    given = [Predictor(model, camera_fov=40, imgsz=size)(picture) for size in ((64, 32), (128, 64))]
    assert np.allclose(given[1].depth[:, 0], 2 * given[0].depth[:, 0], rtol=1e-5)  # type: ignore[index]
    assert given[0].camera == given[1].camera
    assert np.array_equal(Predictor(model, imgsz=(64, 32))(picture).maps["depth"], own.maps["depth"])


def test_a_metric_models_depth_stays_at_another_size(tmp_path: Path) -> None:
    metric = write_tiny_model(tmp_path / "m.onnx", canonical_focal_px=None)
    own, twice = (Predictor(metric, imgsz=size)(halves()) for size in (None, (128, 64)))
    assert np.allclose(own.depth[:, 0], twice.depth[:, 0])  # type: ignore[index]


def test_the_bundled_models_metres_hold_at_another_size() -> None:
    """The median of the street's depth, over everything but sky."""
    frame = next(open_sources(str(BUNDLED_MODEL.with_name("street.mp4"))))
    found = [Predictor(imgsz=size, device="cpu")(frame) for size in (None, (960, 480), (480, 240))]
    sky = [prediction.names.index("sky") for prediction in found]
    medians = [
        float(np.median(prediction.depth[prediction.labels != which]))  # type: ignore[index]
        for prediction, which in zip(found, sky, strict=True)
    ]
    assert medians[1:] == pytest.approx([medians[0]] * 2, rel=0.2)


@pytest.mark.parametrize(("size", "part"), [((0, 320), "sides of 32"), ((9000, 320), "sides of 32")])
def test_input_sizes_that_cannot_be(model: Path, tmp_path: Path, size: tuple[int, int], part: str) -> None:
    with pytest.raises(UsageError, match=part):
        Predictor(model, imgsz=size)
    fixed = write_tiny_model(tmp_path / "f.onnx", kind="stretch")
    with pytest.raises(UsageError, match="takes 64x32 alone, not 128x64: export it with --imgsz 128x64, or"):
        Predictor(fixed, imgsz=(128, 64))
    assert Predictor(fixed, imgsz=(64, 32))(halves()).labels.shape == (32, 64)


@pytest.mark.parametrize(
    "picture", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3)), None]
)
def test_other_arrays_are_refused(predict: Predictor, picture: object) -> None:
    with pytest.raises(InputError, match="expected a"):
        predict(picture)  # type: ignore[arg-type]


def test_a_manifest_that_contradicts_its_graph_is_refused(tmp_path: Path) -> None:
    def saved(model: onnx.ModelProto, **options: object) -> Path:
        helper.set_model_props(model, manifest(**options).to_metadata())  # type: ignore[arg-type]
        onnx.save(model, tmp_path / "m.onnx")
        return tmp_path / "m.onnx"

    with pytest.raises(InputError, match="promises depth"):
        Predictor(saved(graph(outputs=("labels", "density", "confidence"))))
    with pytest.raises(InputError, match="does not fit"):
        Predictor(saved(graph(size=(96, 48)), kind="stretch"))
    with pytest.raises(InputError, match="does not fit"):
        Predictor(saved(graph(size=(64, 32)), kind="area"))


def test_without_a_bundled_model_it_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(predictor, "BUNDLED_MODEL", tmp_path / "none.onnx")
    with pytest.raises(InputError, match="no bundled model"):
        Predictor()


def test_a_stream_of_pictures(predict: Predictor, tmp_path: Path) -> None:
    for name in "ab":
        Image.fromarray(halves()).save(tmp_path / f"{name}.png")
    found = [Path(prediction.path or "").name for prediction in predict.stream(tmp_path)]
    assert found == ["a.png", "b.png"]


def test_names_of_the_package() -> None:
    assert depdis_deploy.Prediction.__name__ == "Prediction"
    with pytest.raises(AttributeError, match="Nothing"):
        _ = depdis_deploy.Nothing
