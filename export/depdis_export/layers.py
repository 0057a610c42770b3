"""The convolutions of an ONNX graph: their names, in what precision they are, and what stands between them."""

from __future__ import annotations

import math
import re
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

# What the engine's folding of batch norm and the exporter put around a weight's name.
_AROUND_NAME = re.compile(r"^(ConvBnFusion_W_)?(network\.)?|(\.0)?\.weight.*$")


def folded(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with batch norm and constants folded into the weights, every node named."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "folded.onnx"
        options.optimized_model_filepath = str(path)
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        result = onnx.load(path)
    # onnxruntime declares all domains that it knows, and other engines refuse those that they do not.
    used = {node.domain for node in result.graph.node}
    opsets = [entry for entry in result.opset_import if entry.domain in used]
    del result.opset_import[:]
    result.opset_import.extend(opsets)
    seen: Counter[str] = Counter()
    for node in result.graph.node:
        seen[node.name] += 1
        if not node.name or seen[node.name] > 1:
            node.name = f"{node.name or node.op_type}_{len(seen)}_{seen[node.name]}"
    return result


def layer_names(model: onnx.ModelProto) -> dict[str, str]:
    """Node name -> readable name, of each convolution of a folded graph in its order."""
    return {
        node.name: _AROUND_NAME.sub("", node.input[1]) or node.name
        for node in model.graph.node
        if node.op_type == "Conv"
    }


def weight_sizes(model: onnx.ModelProto) -> dict[str, int]:
    """Node name -> number of weights, of each convolution of a folded graph."""
    sizes = {entry.name: math.prod(entry.dims) for entry in model.graph.initializer}
    return {node.name: sizes[node.input[1]] for node in model.graph.node if node.op_type == "Conv"}


def around_layers(model: onnx.ModelProto) -> set[str]:
    """Names of the nodes before the first and behind the last convolution: what makes the input of frames and
    the outputs of logits, where few values carry the whole. What is made of sizes alone is outside too: whole
    numbers, and coordinates that engines compute in fp32."""
    producers = {output: node for node in model.graph.node for output in node.output}
    behind_a_layer: set[str] = set()
    for node in model.graph.node:
        sources = [producers[name] for name in node.input if name in producers]
        follows = node.op_type != "Shape" and any(source.name in behind_a_layer for source in sources)
        if node.op_type == "Conv" or follows:
            behind_a_layer.add(node.name)
    needed: set[str] = set()
    for node in reversed(model.graph.node):
        if node.op_type == "Conv" or any(output in needed for output in node.output):
            needed.update(node.input)
    return {
        node.name
        for node in model.graph.node
        if node.name not in behind_a_layer or not any(output in needed for output in node.output)
        if node.op_type != "Conv"
    }


def between_layers(model: onnx.ModelProto, layers: set[str], op_types: set[str]) -> set[str]:
    """Names of the nodes of `op_types` that take nothing but what `layers` and other such nodes give, and give
    to nothing but convolutions and other such nodes.

    Maps that are joined on their way to the outputs thus stay apart: logits, log depth and density share no
    scale.
    """
    initializers = {entry.name for entry in model.graph.initializer}
    takers: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            takers.setdefault(name, []).append(node)
    given: set[str] = set()
    found = []
    for node in model.graph.node:
        takes = {name for name in node.input if name and name not in initializers}
        inside = node.op_type in op_types and bool(takes) and takes <= given
        if inside:
            found.append(node)
        if node.name in layers or inside:
            given.update(node.output)
    kept: set[str] = set()
    for node in reversed(found):
        following = [taker for name in node.output for taker in takers.get(name, [])]
        if following and all(taker.op_type == "Conv" or taker.name in kept for taker in following):
            kept.add(node.name)
    # What was left out no longer gives INT8 to those behind it.
    return kept if len(kept) == len(found) else _settled(model, layers, kept, initializers)


def _settled(
    model: onnx.ModelProto, layers: set[str], candidates: set[str], initializers: set[str]
) -> set[str]:
    given: set[str] = set()
    found: set[str] = set()
    for node in model.graph.node:
        takes = {name for name in node.input if name and name not in initializers}
        if node.name in candidates and takes <= given:
            found.add(node.name)
        if node.name in layers or node.name in found:
            given.update(node.output)
    return found


def precisions_in_onnxruntime(path: Path) -> Counter[str]:
    """How many convolutions onnxruntime's CPU part computes in int8 and in fp32, by the graph that it runs."""
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # it warns that a graph saved so is for this processor alone
    with tempfile.TemporaryDirectory() as folder:
        optimized = Path(folder) / "optimized.onnx"
        options.optimized_model_filepath = str(optimized)
        onnxruntime.InferenceSession(path.read_bytes(), options, providers=["CPUExecutionProvider"])
        nodes = onnx.load(optimized).graph.node
    kinds = {"QLinearConv": "int8", "Conv": "fp32", "FusedConv": "fp32"}
    return Counter(kinds[node.op_type] for node in nodes if node.op_type in kinds)


def matching(names: Mapping[str, str], wanted: Iterable[str]) -> set[str]:
    """Nodes whose readable name is or begins with one of `wanted`; ValueError names what matches none."""
    found: set[str] = set()
    for start in wanted:
        hits = {node for node, name in names.items() if name == start or name.startswith(start + ".")}
        if not hits:
            raise ValueError(
                f"no layer is named {start!r} or begins so; the layers are {', '.join(names.values())}"
            )
        found |= hits
    return found
