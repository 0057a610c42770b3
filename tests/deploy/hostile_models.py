"""Parts of model files that try to hang or exhaust an engine."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from tiny_model import graph, manifest

from depdis_deploy.backends.graph_checks.onnx_file import read_metadata
from depdis_deploy.backends.trial import vouch
from depdis_deploy.manifest import Manifest

node = helper.make_node
INT64, FLOAT, UINT8 = TensorProto.INT64, TensorProto.FLOAT, TensorProto.UINT8


def constant(name: str, values: Any, dtype: Any = np.int64) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(values, dtype), name)


SOME = {
    "zero": constant("zero", 0, np.float32),
    "minus": constant("minus", -1, np.float32),
    "zero_too": constant("nothing", 0, np.float32),
}


def write(path: Path, model: onnx.ModelProto, **described: Any) -> Path:
    helper.set_model_props(model, manifest(**described).to_metadata())
    path.write_bytes(model.SerializeToString())
    return path


def with_nodes(nodes: Sequence[onnx.NodeProto], constants: Sequence[onnx.TensorProto] = ()) -> onnx.ModelProto:
    """The tiny model with more nodes; those named `depth` take the place of its own."""
    model = graph()
    if any("depth" in added.output for added in nodes):
        for given in model.graph.node:
            if given.output[0] == "depth":
                given.output[0] = "own_depth"
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    return model


# A tensor of one element, which no engine knows in advance.
PEAK = node("ReduceMax", ["own_depth"], ["peak"], keepdims=0)


ENGINES = ("onnxruntime", "openvino")


FORMS = (*ENGINES, "openvino's own format")


def engine_of(form: str) -> str:
    return form if form in ENGINES else "auto"


def in_form(path: Path, form: str) -> Path:
    """An ONNX file, or the same model in OpenVINO's own format, that needs no trial."""
    pytest.importorskip(form.split("'")[0])
    path = path if form in ENGINES else as_openvino(path)
    vouch(path)  # the checks of this process, not those of the trial
    return path


def as_openvino(path: Path) -> Path:
    """The model of an ONNX file in OpenVINO's own format, with its manifest."""
    openvino = pytest.importorskip("openvino")
    own = path.with_suffix(".xml")
    openvino.save_model(openvino.Core().read_model(path), own, compress_to_fp16=False)
    own.with_suffix(".json").write_text(Manifest.from_metadata(read_metadata(path.read_bytes())).to_json())
    return own
