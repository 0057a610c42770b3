"""A real ONNX model that knows the colours: red, green or blue by the largest channel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from depdis_deploy.backends.trial import vouch
from depdis_deploy.manifest import OUTPUTS, Manifest, ResizeRule
from depdis_deploy.taxonomy import Taxonomy

COLOURS = Taxonomy(("red", "green", "blue"), ((200, 20, 20), (20, 200, 20), (20, 20, 200)))
STRIDE = 8
SIZE = (64, 32)


def manifest(
    *, outputs: tuple[str, ...] = OUTPUTS, kind: str = "area", canonical_focal_px: float | None = 64.0,
    names: tuple[str, ...] = COLOURS.names, size: tuple[int, int] = SIZE,
) -> Manifest:  # fmt: skip
    rule = ResizeRule(kind=kind, width=size[0], height=size[1], multiple=STRIDE)
    return Manifest(
        taxonomy=Taxonomy(names, COLOURS.palette), resize=rule, outputs=outputs, dynamic=kind == "area",
        canonical_focal_px=canonical_focal_px,
    )  # fmt: skip


def graph(
    *, outputs: tuple[str, ...] = OUTPUTS, batch: int | str = "batch", size: tuple[int, int] | None = None
) -> onnx.ModelProto:
    """labels: the largest channel; on a grid of cells of 8 pixels: depth = 2 m + the mean red level in dm,
    density = mean green / 255; at half size confidence = mean blue / 255."""
    float_constants = {"ten": 10.0, "two": 2.0, "full": 255.0}
    constants = [numpy_helper.from_array(np.float32(value), key) for key, value in float_constants.items()]
    constants += [numpy_helper.from_array(np.array([index], np.int64), f"channel{index}") for index in range(3)]
    node = helper.make_node
    nodes = [
        node("Cast", ["frames"], ["rgb"], to=TensorProto.FLOAT),
        node("ArgMax", ["rgb"], ["best"], axis=3, keepdims=0),
        node("Cast", ["best"], ["labels"], to=TensorProto.UINT8),
        node("Transpose", ["rgb"], ["planes"], perm=[0, 3, 1, 2]),
        node("AveragePool", ["planes"], ["cells"], kernel_shape=[STRIDE] * 2, strides=[STRIDE] * 2),
        node("AveragePool", ["planes"], ["halves"], kernel_shape=[2, 2], strides=[2, 2]),
        node("Gather", ["cells", "channel0"], ["red4"], axis=1),
        node("Gather", ["cells", "channel1"], ["green4"], axis=1),
        node("Gather", ["halves", "channel2"], ["blue4"], axis=1),
        node("Squeeze", ["red4", "channel1"], ["red"]),
        node("Squeeze", ["green4", "channel1"], ["green"]),
        node("Squeeze", ["blue4", "channel1"], ["blue"]),
        node("Div", ["red", "ten"], ["decimetres"]),
        node("Add", ["decimetres", "two"], ["depth"]),
        node("Div", ["green", "full"], ["density"]),
        node("Div", ["blue", "full"], ["confidence"]),
    ]
    width, height = size or ("width", "height")
    types = {name: TensorProto.UINT8 if name == "labels" else TensorProto.FLOAT for name in OUTPUTS}
    return helper.make_model(
        helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("frames", TensorProto.UINT8, [batch, height, width, 3])],
            [
                helper.make_tensor_value_info(name, types[name], [batch, f"{name}_rows", f"{name}_columns"])
                for name in outputs
            ],
            constants,
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )


def write_tiny_model(
    path: Path, *, outputs: tuple[str, ...] = OUTPUTS, kind: str = "area", batch: int | str = "batch",
    canonical_focal_px: float | None = 64.0, names: tuple[str, ...] = COLOURS.names,
    size: tuple[int, int] = SIZE,
) -> Path:  # fmt: skip
    """The model with its manifest as one file; kind other than `area` makes height and width static.

    names: of what is red, green and blue; size: (width, height) that it likes best.
    """
    model = graph(outputs=outputs, batch=batch, size=None if kind == "area" else size)
    described = manifest(
        outputs=outputs, kind=kind, canonical_focal_px=canonical_focal_px, names=names, size=size
    )
    helper.set_model_props(model, described.to_metadata())
    onnx.checker.check_model(model)
    onnx.save(model, path)
    vouch(path)  # it would be tried in a child process for each of its forms
    return path
