"""The up-sampling of the logits in a form that OpenVINO is fast behind."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def rows_by_product(model: Any) -> None:
    """In a model of static shapes, bring the logits' rows to their size by a matrix product, in place.

    OpenVINO lays a map from its own up-sampling out anew for every reduction over the classes behind it;
    behind a product it reduces as the map lies (`benchmarks/openvino_tail.py`). It is done here and not in the
    exported file, since other engines gain nothing by it and TensorRT-RTX has no such product for every GPU.
    One product, the columns stay as they were: in bf16 a second rounding costs a percent of the labels.
    """
    from openvino import opset13

    for enlarging in [node for node in model.get_ordered_ops() if _is_of_logits(node)]:
        maps = enlarging.input_value(0)
        rows, columns = enlarging.output(0).get_shape()[2:]
        wide = opset13.interpolate(
            maps, opset13.constant(np.array([columns], np.int32)), "linear_onnx", "sizes",
            coordinate_transformation_mode="align_corners", axes=opset13.constant(np.array([3], np.int32)),
        )  # fmt: skip
        shares = opset13.constant(_shares(maps.get_shape()[2], rows))
        enlarging.output(0).replace(opset13.matmul(shares, wide, False, False).output(0))


def _is_of_logits(node: Any) -> bool:
    """Whether a node is a bilinear up-sampling (N, C, h, w) -> (N, C, H, W) that an arg-max follows."""
    if node.get_type_name() != "Interpolate":
        return False
    how = node.get_attributes()
    behind = {given.get_node().get_type_name() for given in node.output(0).get_target_inputs()}
    return (
        how["mode"] == "linear_onnx"
        and how["coordinate_transformation_mode"] == "align_corners"
        and "TopK" in behind
        and all(port.get_partial_shape().is_static for port in (node.input(0), node.output(0)))
    )


def _shares(points: int, length: int) -> NDArray[np.float32]:
    """(length, points): how much of each of `points` is in each of `length` places, the corners aligned."""
    places = np.arange(length) * ((points - 1) / max(length - 1, 1))
    away = np.abs(places[:, None] - np.arange(points))
    shares: NDArray[np.float32] = np.maximum(1.0 - away, 0.0).astype(np.float32)
    return shares
