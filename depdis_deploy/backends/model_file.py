"""Exported model files, checked as far as that is possible without an engine."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from depdis_deploy.command import InputError
from depdis_deploy.files import file_sha256
from depdis_deploy.manifest import MOST_CHARACTERS, Manifest, ManifestError
from depdis_deploy.sizes import LONGEST_SIDE
from depdis_deploy.text_encoding import decode_text

from .graph_checks import onnx_operators, openvino_operators
from .graph_checks.graph import Graph, NotOnnxError, RejectedGraphError, Shape
from .graph_checks.onnx_file import read_graph, read_metadata
from .graph_checks.openvino_file import MOST_XML_BYTES, read_ir
from .graph_checks.sizes import Rule, SizeCheck

# The files in `depdis_deploy/models`, which are part of the package and are neither checked nor tried.
BUNDLED_SHA256 = frozenset({
    "8d431fdee8a7f64fc04d80eb0a6d0c0ec9157b10ac22102f13029e48dc4bce7d",
    "7c00f3b7dd2658fa8c398b7ecc0dc40eca35ed63f00f7995effbce6aa38f0567",
})  # fmt: skip

_MOST_BYTES = 2**31 - 1  # of a protobuf message
_MOST_FRAMES = 256
_MOST_PIXELS = 2**28  # of a static batch

# First bytes of other files, for a message that names the format.
_STARTS = {
    b"PK\x03\x04": "a zip archive, such as a PyTorch checkpoint; export it by depdis-export",
    b"\x80\x02": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x03": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x04": "a Python pickle; export the checkpoint by depdis-export",
    b"\x80\x05": "a Python pickle; export the checkpoint by depdis-export",
    b"version https://git-lfs": "a Git LFS pointer; fetch the file itself by git lfs pull",
}


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """An `.onnx` file, or an OpenVINO `.xml` with the `.bin` and `.json` next to it.

    Attributes:
        data: The bytes of the `.onnx` or `.xml`.
        size: Bytes of all files together.
        sha256: Of all files together.
        metadata: The manifest as flat strings.
        sizes: The check of the graph's tensor sizes and work; None for a bundled model.
        trial_shapes: The (N, H, W, 3) to try the model with before it is used; empty for a bundled model.
    """

    path: Path
    data: bytes
    size: int
    sha256: str
    metadata: Mapping[str, str]
    manifest: Manifest
    sizes: SizeCheck | None
    trial_shapes: tuple[Shape, ...]

    @property
    def bundled(self) -> bool:
        """Whether it is one of the package's own models."""
        return not self.trial_shapes


def read_model(path: Path) -> ModelFile:
    """Read an exported model's file and check all that needs no engine.

    Raises:
        InputError: It is not an exported model, or its graph has parts or sizes that exports never have.
    """
    return _read_openvino(path) if path.suffix.lower() == ".xml" else _read_onnx(path)


def _read_onnx(path: Path) -> ModelFile:
    size = path.stat().st_size
    if size > _MOST_BYTES:
        raise InputError(f"{path}: expected an ONNX model of at most {_MOST_BYTES} bytes, got {size}")
    data = path.read_bytes()
    if not data:
        raise InputError(f"{path}: the file is empty; expected an exported model")
    for start, what in _STARTS.items():
        if data.startswith(start):
            raise InputError(f"{path}: expected an ONNX model, got {what}")
    sha256 = hashlib.sha256(data).hexdigest()
    sizes: SizeCheck | None = None
    shapes: tuple[Shape, ...] = ()
    try:
        metadata = read_metadata(data)
        manifest = Manifest.from_metadata(metadata)
        if sha256 not in BUNDLED_SHA256:
            graph = read_graph(data)
            sizes, shapes = _checked(graph, onnx_operators.OPERATORS, manifest)
    except NotOnnxError as error:
        raise InputError(f"{path}: expected an ONNX model, but {error}; export it again") from None
    except ManifestError as error:
        raise InputError(f"{path}: an ONNX model, but not one made by depdis-export: {error}") from None
    except RejectedGraphError as error:
        raise _rejected(path, error) from None
    return ModelFile(
        path=path,
        data=data,
        size=size,
        sha256=sha256,
        metadata=metadata,
        manifest=manifest,
        sizes=sizes,
        trial_shapes=shapes,
    )


def _read_openvino(path: Path) -> ModelFile:
    companions = {suffix: path.with_suffix(suffix) for suffix in (".json", ".bin")}
    for suffix, what in ((".json", "manifest"), (".bin", "weights")):
        if not companions[suffix].is_file():
            raise InputError(
                f"{path}: its {what} {companions[suffix].name} is not beside it; export it again by "
                "depdis-export, and keep its three files together"
            )
    xml_bytes, weights_bytes = path.stat().st_size, companions[".bin"].stat().st_size
    if xml_bytes > MOST_XML_BYTES:
        raise InputError(f"{path}: expected an XML of at most {MOST_XML_BYTES} bytes, got {xml_bytes}")
    manifest, text = _manifest_beside(companions[".json"])
    xml = path.read_bytes()
    try:
        with companions[".bin"].open("rb") as weights:
            graph = read_ir(xml, weights)
        sizes, shapes = _checked(graph, openvino_operators.RULES, manifest)
    except RejectedGraphError as error:
        raise _rejected(path, error) from None
    parts = (hashlib.sha256(xml).hexdigest(), file_sha256(companions[".bin"]), text)
    return ModelFile(
        path=path,
        data=xml,
        size=xml_bytes + weights_bytes,
        sha256=hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        metadata=manifest.to_metadata(),
        manifest=manifest,
        sizes=sizes,
        trial_shapes=shapes,
    )


def _checked(
    graph: Graph, rules: Mapping[str, Rule], manifest: Manifest
) -> tuple[SizeCheck, tuple[Shape, ...]]:
    """Return the check of a graph's sizes, and the shapes of the trial, for which it was done."""
    sizes = SizeCheck(graph, rules)
    shapes = _trial_shapes(manifest, graph.inputs[0].shape)
    for shape in shapes:
        sizes.check(shape)
    return sizes, shapes


def _manifest_beside(path: Path) -> tuple[Manifest, str]:
    """The manifest in the `.json` next to an OpenVINO model, and its text."""
    try:
        with path.open("rb") as file:
            text = decode_text(file.read(MOST_CHARACTERS + 1), str(path))
        return Manifest.from_json(text), text
    except ManifestError as error:
        raise InputError(f"{path}: not a manifest of depdis-export: {error}; export the model again") from None


def _trial_shapes(manifest: Manifest, input_shape: tuple[int | None, ...] | None) -> tuple[Shape, ...]:
    """The model's own input, and where it takes other sizes a batch of two at half its sides."""
    if input_shape is None or len(input_shape) != 4 or input_shape[3] != 3:
        raise RejectedGraphError(f"its input should be (N, H, W, 3), and is {input_shape}")
    from depdis_deploy.preprocess import plan  # imports OpenCV

    rule = manifest.resize
    width, height = plan((rule.width, rule.height), rule).input
    batch, rows, columns = input_shape[:3]
    own = (batch or 1, rows or height, columns or width, 3)
    if own[0] > _MOST_FRAMES or max(own[1:3]) > LONGEST_SIDE or math.prod(own[:3]) > _MOST_PIXELS:
        raise RejectedGraphError(
            f"its input is {own}; at most {_MOST_FRAMES} frames, sides of {LONGEST_SIDE} pixels and "
            f"{_MOST_PIXELS} pixels in all are supported"
        )
    half = (batch or 2, rows or _half(height, rule.multiple), columns or _half(width, rule.multiple), 3)
    return (own,) if half == own else (own, half)


def _half(side: int, step: int) -> int:
    return max(1, round(side / 2 / step)) * step


def _rejected(path: Path, error: RejectedGraphError) -> InputError:
    return InputError(f"{path}: this model was not loaded: {error}; expected a file written by depdis-export")
