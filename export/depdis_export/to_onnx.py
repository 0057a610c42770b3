"""A network and its manifest -> one self-describing ONNX file."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import numpy as np
import onnx_ir
import onnx_ir.passes.common
import onnxscript.optimizer
import torch

from depdis_deploy.manifest import Manifest
from depdis_deploy.sizes import LONGEST_SIDE
from depdis_training.network import Network

from .deployable import Deployable, output_names
from .descriptions import input_description, output_descriptions

if TYPE_CHECKING:
    import onnx

OPSET = 18
# Smaller initializers (biases, batch-norm statistics) stay in fp32: they weigh nothing and lose most.
_HALF_FROM_DIMENSIONS = 2


def build(deployable: Deployable, manifest: Manifest, batch: int) -> onnx.ModelProto:
    """The ONNX graph of a deployable network.

    Static (batch, height, width) of the manifest's resize rule, or all three dynamic where `manifest.dynamic`
    (height and width in multiples of `manifest.resize.multiple`).
    """
    rule = manifest.resize
    # torch.export takes a dimension of size 1 for a constant, so a dynamic batch is traced with 2.
    frames = torch.zeros((2 if manifest.dynamic else batch, rule.height, rule.width, 3), dtype=torch.uint8)
    dynamic = None
    if manifest.dynamic:
        most = max(1, LONGEST_SIDE // rule.multiple)
        rows, columns = torch.export.Dim("rows", min=1, max=most), torch.export.Dim("columns", min=1, max=most)
        dynamic = {
            "frames": {
                0: torch.export.Dim("batch", min=1, max=256),
                1: rule.multiple * rows,
                2: rule.multiple * columns,
            }
        }
    # It warns of the operators of packages that are not installed, and of its own deprecations.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            deployable,
            (frames,),
            dynamo=True,
            dynamic_shapes=dynamic,
            input_names=["frames"],
            output_names=list(output_names(deployable.network)),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            # Its optimizer folds batch norm into the convolutions, whose weights would then not be fp16 values.
            optimize=False,
        )
    assert program is not None
    tidy(program.model)
    model = program.model_proto
    strip(model)
    name_dimensions(model, manifest)
    return model


def tidy(model: onnx_ir.Model) -> None:
    """Fold constants and drop what is not used."""
    passes = onnx_ir.passes.common
    onnxscript.optimizer.inline(model)
    onnxscript.optimizer.fold_constants(model, onnx_shape_inference=True)
    onnx_ir.passes.Sequential(
        passes.RemoveUnusedNodesPass(),
        passes.CommonSubexpressionEliminationPass(),
        passes.LiftConstantsToInitializersPass(lift_all_constants=True, size_limit=0),
        passes.RemoveUnusedOpsetsPass(),
    )(model)


def strip(model: onnx.ModelProto) -> None:
    """Drop the exporter's notes on nodes and values: stack traces with paths of this machine, a tenth of the
    file."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""


def name_dimensions(model: onnx.ModelProto, manifest: Manifest) -> None:
    """Readable names for dynamic dimensions of the input, none for computed ones of the outputs."""
    if not manifest.dynamic:
        return
    for dimension, name in zip(
        model.graph.input[0].type.tensor_type.shape.dim, ("batch", "height", "width"), strict=False
    ):
        dimension.dim_param = name
    for output in model.graph.output:
        dims = output.type.tensor_type.shape.dim
        grid = (
            ("height", "width")
            if output.name == "labels"
            else (f"{output.name}_rows", f"{output.name}_columns")
        )
        for dimension, name in zip(dims, ("batch", *grid), strict=True):
            dimension.dim_param = name


def store_weights_as_half(model: onnx.ModelProto, network: Network) -> None:
    """Keep weights as fp16 with a Cast behind, which the runtime folds when it loads: half the file.

    The weights must already be fp16 values (`checkpoint.round_to_half`), so that nothing changes; ValueError
    where one is not.
    """
    import onnx
    from onnx import numpy_helper

    weights = {f"network.{name}" for name in network.state_dict()}
    casts = []
    for initializer in model.graph.initializer:
        if (
            initializer.data_type != onnx.TensorProto.FLOAT
            or len(initializer.dims) < _HALF_FROM_DIMENSIONS
            or initializer.name not in weights
        ):
            continue
        values = numpy_helper.to_array(initializer)
        half = values.astype(np.float16)
        if not np.array_equal(half.astype(np.float32), values):
            raise ValueError(f"weights {initializer.name} are not fp16 values: round the network first")
        full_name = initializer.name
        initializer.CopyFrom(numpy_helper.from_array(half, full_name + ".half"))
        casts.append(
            onnx.helper.make_node("Cast", [full_name + ".half"], [full_name], to=onnx.TensorProto.FLOAT)
        )
    for index, node in enumerate(casts):
        model.graph.node.insert(index, node)


def describe(model: onnx.ModelProto, manifest: Manifest) -> None:
    """Write the manifest into the file's metadata, and describe its input and outputs."""
    import onnx

    del model.metadata_props[:]
    onnx.helper.set_model_props(model, manifest.to_metadata())
    model.producer_name = "depdis-export"
    texts = {"frames": input_description(manifest), **output_descriptions(manifest)}
    for entry in (*model.graph.input, *model.graph.output):
        entry.doc_string = texts.get(entry.name, "")
    _keep_output_names(model.graph)


def _keep_output_names(graph: onnx.GraphProto) -> None:
    """Let the names of inner values come after the outputs' in the alphabet.

    OpenVINO joins an output's tensor with inner ones when it compiles a graph, and shows the first name of all.
    """
    outputs = {entry.name for entry in graph.output}
    names = {name for node in graph.node for name in node.output} - outputs
    renamed = {name: f"value.{name}" for name in names if name and name <= max(outputs)}
    for node in graph.node:
        for values in (node.input, node.output):
            for index, name in enumerate(values):
                values[index] = renamed.get(name, name)
    for entry in graph.value_info:
        entry.name = renamed.get(entry.name, entry.name)
