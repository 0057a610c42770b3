"""An ONNX graph -> OpenVINO's format, with the manifest beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from depdis_deploy.backends.openvino_backend import import_openvino
from depdis_deploy.manifest import Manifest

if TYPE_CHECKING:
    import onnx


def write_openvino(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `path` (.xml), its weights (.bin) and its manifest (.json), all of one stem.

    The graph keeps the precision that it has in ONNX: nothing is compressed besides.
    """
    openvino = import_openvino()
    read = openvino.Core().read_model(model.SerializeToString())
    openvino.save_model(read, path, compress_to_fp16=False)
    path.with_suffix(".json").write_text(manifest.to_json(), "utf-8")
