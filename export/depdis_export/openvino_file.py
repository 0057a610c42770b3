"""An ONNX graph -> OpenVINO's format, with the manifest beside it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest

if TYPE_CHECKING:
    import onnx


def write_openvino(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    """Write `path` (.xml), its weights (.bin) and its manifest (.json), all of one stem.

    The graph keeps the precision that it has in ONNX: nothing is compressed besides.
    """
    try:
        import openvino
    except ImportError as error:
        raise InputError(
            f"openvino cannot be imported ({error}): pip install 'depdis-deploy[openvino]'"
        ) from None
    # Its converter for the command line, `ovc`, may send usage statistics; reading and saving do not.
    read = openvino.Core().read_model(model.SerializeToString())
    openvino.save_model(read, path, compress_to_fp16=False)
    path.with_suffix(".json").write_text(manifest.to_json(), "utf-8")
