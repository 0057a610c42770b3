"""Logits' rows by a matrix product in OpenVINO, beside its own up-sampling."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from depdis_deploy.backends.openvino_tail import rows_by_product

openvino = pytest.importorskip("openvino")
SIZES = [((3, 5), (12, 20)), ((41, 81), (320, 640)), ((40, 80), (160, 320)), ((1, 1), (4, 6)), ((4, 6), (1, 1))]


def enlarging(small: tuple[int, int], large: tuple[int, int], *, arg_max: bool) -> Any:
    """(2, 3, *small) -> the up-sampled maps and, where `arg_max`, their most probable class."""
    opset = openvino.opset13
    given = opset.parameter([2, 3, *small], np.float32)
    maps = opset.interpolate(
        given, opset.constant(np.array([2, 3, *large], np.int32)), "linear_onnx", "sizes",
        coordinate_transformation_mode="align_corners", axes=opset.constant(np.arange(4, dtype=np.int32)),
    )  # fmt: skip
    results = [maps.output(0)]
    if arg_max:
        results.append(opset.topk(maps, opset.constant(np.int32(1)), 1, "max", "none").output(1))
    return openvino.Model([openvino.opset13.result(output) for output in results], [given], "enlarging")


def computed(model: Any, maps: Any) -> list[Any]:
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    return [np.array(found) for found in compiled([maps]).values()]


def kinds(model: Any) -> list[str]:
    return [node.get_type_name() for node in model.get_ordered_ops()]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_the_product_is_the_same_up_sampling(small: tuple[int, int], large: tuple[int, int]) -> None:
    maps = np.random.default_rng(0).standard_normal((2, 3, *small)).astype(np.float32)
    plain, changed = (enlarging(small, large, arg_max=True) for _ in range(2))
    rows_by_product(changed)
    assert "MatMul" in kinds(changed)
    (expected, classes), (found, found_classes) = computed(plain, maps), computed(changed, maps)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=2e-5)
    assert (found_classes == classes).mean() > 0.999


def test_maps_without_an_arg_max_and_sizes_not_known_stay() -> None:
    features = enlarging((3, 5), (12, 20), arg_max=False)
    rows_by_product(features)
    assert "MatMul" not in kinds(features)
    free = enlarging((3, 5), (12, 20), arg_max=True)
    free.reshape(openvino.PartialShape([-1, 3, 3, 5]))
    rows_by_product(free)
    assert "MatMul" not in kinds(free)
