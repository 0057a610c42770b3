"""An ONNX graph -> OpenVINO's format, with the manifest beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from depdis_deploy.backends.openvino_backend import import_openvino
from depdis_deploy.manifest import Manifest

from .descriptions import model_info

if TYPE_CHECKING:
    import onnx


def write_openvino(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `path` (.xml), its weights (.bin) and its manifest (.json), all of one stem.

    The graph keeps the precision that it has in ONNX: nothing is compressed besides.
    """
    openvino = import_openvino()
    read = openvino.Core().read_model(model.SerializeToString())
    _keep_output_names(read)
    for key, text in model_info(manifest).items():
        read.set_rt_info(text, ["model_info", key])
    openvino.save_model(read, path, compress_to_fp16=False)
    path.with_suffix(".json").write_text(manifest.to_json(), "utf-8")


def _keep_output_names(model: Any) -> None:
    """Drop the names of inner tensors, which compiling joins to those of an output behind them."""
    kept = {name for port in (*model.inputs, *model.outputs) for name in port.get_names()}
    for node in model.get_ordered_ops():
        for port in node.outputs():
            names = port.get_names()
            if names - kept:
                port.get_tensor().set_names(names & kept)
