"""What a built engine really computes its convolutions in, read from TensorRT's description of its layers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from depdis_deploy.command import InputError

from .tensorrt_graph import Convolution

# They move, convert or wait for values; fused arithmetic between convolutions (kgen) names its neighbours too.
_NO_CONVOLUTIONS = {"kgen", "signal", "wait", "shape", "NoOp", "Reformat", "Constant", "Shuffle", "PointWise"}
# TensorRT 11 and RTX write `Datatype: Half`, 10 describes the whole format in words.
_TYPES = {
    "fp32": r"Float\b|FP32", "fp16": r"Half\b|FP16", "int8": r"Int8|INT8", "bf16": r"BFloat16|BF16",
}  # fmt: skip
_TENSOR = re.compile(r"Dimensions: \[([-\d,]*)\][^{}]*?(?:Data[tT]ype|Format/Datatype): ([^,}]*)")


class EngineError(InputError):
    """The engine is not in the precision that was asked for."""


@dataclass
class Built:
    """counts: convolutions by what they are computed in; wrong: those that differ from the graph, in words;
    unread: those that the description does not tell of."""

    counts: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def read_layers(text: str, convolutions: Mapping[str, Convolution]) -> Built:
    """Compare TensorRT's one-line descriptions of all layers with the graph's convolutions."""
    layers = [line for line in text.splitlines() if "LayerType: " in line]
    built = Built()
    for node, wanted in convolutions.items():
        found = {
            precision
            for line in layers
            if f"[ONNX Layer: {node}]" in line and _kind(line) not in _NO_CONVOLUTIONS
            if (precision := _precision(line, wanted.weights)) is not None
        }
        if not found:
            built.unread.append(node)
        for precision in sorted(found):
            built.counts[precision] += 1
            if precision != wanted.precision:
                built.wrong.append(f"{node} is {precision}, not {wanted.precision}")
    return built


def check_layers(built: Built, precision: str, where: str) -> None:
    """EngineError where a convolution is in another precision than the graph's, or none was seen in it.

    where: what the engine was built for, for the message.
    """
    if built.wrong:
        more = f" and {len(built.wrong) - 3} more" if len(built.wrong) > 3 else ""
        raise EngineError(
            f"TensorRT did not build the engine in {precision} for {where}: {'; '.join(built.wrong[:3])}{more}"
            "; nothing was kept: choose another precision or GPU"
        )
    if not built.counts[precision]:
        raise EngineError(
            f"the engine for {where} cannot be shown to be {precision}: TensorRT describes none of its "
            f"convolutions ({len(built.unread)} in the graph); nothing was kept"
        )


def _kind(line: str) -> str:
    match = re.search(r"LayerType: (\w+)", line)
    return match[1] if match else ""


def _precision(line: str, weights: int) -> str | None:
    """By the weights, which may be padded; else by what it takes in. INT8 takes both."""
    body, _, _ = line.partition("Outputs: [")
    inputs, _, constants = body.partition("Constants: [")
    taken = _tensors(inputs)
    kept = [tensor for tensor in _tensors(constants) if tensor[0] >= weights]
    kind = (
        max(kept, key=lambda tensor: (tensor[0], tensor[1] or ""))[1]
        if kept
        else _in_words(line) or (taken[0][1] if taken else None)
    )
    if kind == "int8" and taken and taken[0][1] != "int8":
        return taken[0][1]
    return kind


def _tensors(text: str) -> list[tuple[int, str | None]]:
    found = []
    for dims, kind in _TENSOR.findall(text):
        size = 1
        for number in dims.split(","):
            size *= int(number or 1)
        found.append((size, _named(kind)))
    return found


def _in_words(line: str) -> str | None:
    match = re.search(r'Weights: \{"Type": "?([^",}]*)', line)
    return _named(match[1]) if match else None


def _named(kind: str) -> str | None:
    return next((name for name, pattern in _TYPES.items() if re.search(pattern, kind)), None)
