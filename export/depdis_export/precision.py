"""An ONNX graph in a lower precision: fp16 types here, INT8 in `quantize`; and the proof of either."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from .layers import around_layers, precisions

if TYPE_CHECKING:
    import onnx

PRECISIONS = ("fp32", "fp16", "int8")
TARGETS = ("onnxruntime", "tensorrt")


class PrecisionError(ValueError):
    """The graph is not in the precision that was asked for."""


def to_fp16(base: onnx.ModelProto, float_layers: Iterable[str] = ()) -> onnx.ModelProto:
    """A folded graph with fp16 weights and values; inputs and outputs stay as they are.

    float_layers: nodes of convolutions that stay fp32, as does all before the first and behind the last
    convolution: inverse depth up to 65536 overflows fp16.
    """
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(  # type: ignore[no-any-return]
        copy.deepcopy(base),
        keep_io_types=True,
        node_block_list=sorted({*around_layers(base), *float_layers}),
        force_fp16_initializers=True,
    )


def assert_precision(
    model: onnx.ModelProto, precision: str, target: str, float_layers: Iterable[str] = ()
) -> Counter[str]:
    """How many convolutions are in which precision, read from the graph.

    PrecisionError where one that is not among `float_layers` is not in the wanted one, or the other way round.
    """
    wanted = {"int8": "int8 signed" if target == "tensorrt" else "int8 unsigned"}.get(precision, precision)
    kept = set(float_layers)
    found = precisions(model)
    wrong = [
        f"{node} is {got}, not {want}"
        for node, got in found.items()
        if got != (want := "fp32" if node in kept else wanted)
    ]
    if wrong or not found:
        raise PrecisionError(f"the graph is not {precision}: {'; '.join(wrong[:5]) or 'it has no convolution'}")
    return Counter(name.split()[0] for name in found.values())
