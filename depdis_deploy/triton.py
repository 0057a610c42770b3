"""An exported model as a model repository, which the stock Triton server loads without custom code."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .backends import Session, open_session
from .backends.engine_key import NATIVE, read_key
from .command import InputError, UsageError
from .manifest import Manifest

# Of each format: Triton's backend, the name that it looks for, what lies beside it, and what runs it. Triton
# itself takes a GPU where it sees one; OpenVINO's backend is for the CPU.
_BACKENDS = {
    ".onnx": ("onnxruntime", "model.onnx", (), None),
    ".xml": ("openvino", "model.xml", (".bin",), "KIND_CPU"),
    ".engine": ("tensorrt", "model.plan", (), "KIND_GPU"),
}
_TYPES = {"uint8": "TYPE_UINT8", "float32": "TYPE_FP32"}


@dataclass(frozen=True)
class Tensor:
    """An input or output as Triton sees it: without the batch where it batches, -1 for a free side."""

    name: str
    type: str
    dims: tuple[int, ...]


@dataclass(frozen=True)
class Signature:
    """What a model takes and gives. most: pictures of one batch; 0: Triton is not to batch."""

    frames: Tensor
    outputs: tuple[Tensor, ...]
    most: int
    warm_up: tuple[int, ...]


def write_repository(model: Path, repository: Path, *, name: str | None = None, exist_ok: bool = False) -> Path:
    """Write `repository/name` with the model as its version 1; the folder appears whole or not at all.

    name: None takes the file's stem. The model is run once, for the sizes and types of what it gives: on the
    CPU, an engine where it runs. Raises InputError where it is no exported model, cannot be run or is none that
    Triton loads, UsageError where the name is none or taken (without exist_ok, which replaces the folder).
    """
    name = name or model.stem
    target = repository / name
    refuse_taken(target, exist_ok=exist_ok)
    suffix = model.suffix.lower()
    of_engine = _most_of_engine(model) if suffix == ".engine" else None
    session = open_session(model, "cpu" if of_engine is None else "auto")
    manifest = Manifest.from_metadata(session.metadata)
    most = of_engine or _most(manifest.parity)
    text = config(name, suffix, signature(session, manifest, most), manifest)
    backend_file, companions = _BACKENDS[suffix][1:3]
    growing = repository / f".{name}.{os.getpid()}.part"
    try:
        repository.mkdir(parents=True, exist_ok=True)
        version = growing / "1"
        version.mkdir(parents=True)
        shutil.copyfile(model, version / backend_file)
        for suffix in companions:
            shutil.copyfile(model.with_suffix(suffix), (version / backend_file).with_suffix(suffix))
        (growing / "config.pbtxt").write_text(text, "utf-8")
        (growing / "manifest.json").write_text(manifest.to_json(), "utf-8")
        _put(growing, target)
    except OSError as error:
        raise InputError(f"{target}: cannot be written ({error.strerror}); give another folder") from None
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return target


def refuse_taken(target: Path, *, exist_ok: bool) -> None:
    """UsageError where a model's folder exists already; with `exist_ok` only where it is no such folder, or a
    link to one. For a name too that Triton's configuration could not hold."""
    if not target.name.isprintable() or set(target.name) & set('"\\'):
        raise UsageError(f"{target.name!r} is no name for a model in Triton: rename the file")
    there = target.exists() or target.is_symlink()
    if there and not exist_ok:
        raise UsageError(f"{target} exists: give another folder, or --exist-ok to replace it")
    if there and (target.is_symlink() or not (target / "config.pbtxt").is_file()):
        raise UsageError(
            f"{target} is no model of a Triton repository: it is not replaced; give another folder"
        )


def _put(growing: Path, target: Path) -> None:
    """Rename the new folder to its place; what it replaces goes once it is there."""
    if not target.exists():
        growing.rename(target)
        return
    old = target.with_name(f".{target.name}.{os.getpid()}.old")
    target.rename(old)
    try:
        growing.rename(target)
    except BaseException:
        old.rename(target)
        raise
    shutil.rmtree(old)


def signature(session: Session, manifest: Manifest, most: int) -> Signature:
    """A session's inputs and outputs, read off a call on frames of its own size.

    most: the largest batch, where the model's own is free.
    """
    batch, height, width = session.input_shape[:3]
    rule = manifest.resize
    shape = (batch or 1, height or rule.height, width or rule.width, 3)
    found = session.run(np.zeros(shape, np.uint8))
    batched = batch is None
    free = None in session.input_shape[1:]
    start = 1 if batched else 0
    sides = (-1, -1, 3) if free else shape[1:]
    return Signature(
        Tensor("frames", "TYPE_UINT8", sides if batched else (shape[0], *sides)),
        tuple(
            Tensor(name, _type(name, value), _dims(value, start, free=free)) for name, value in found.items()
        ),
        most if batched else 0,
        shape[start:],
    )


def _type(name: str, value: NDArray[Any]) -> str:
    if str(value.dtype) not in _TYPES:
        raise InputError(f"output {name} is {value.dtype}; expected one of {', '.join(_TYPES)}")
    return _TYPES[str(value.dtype)]


def _dims(value: NDArray[Any], start: int, *, free: bool) -> tuple[int, ...]:
    """Height and width of a map are free where the input's are; the batch stays."""
    shape = value.shape[start:]
    return (*shape[:-2], -1, -1) if free else shape


def _most(parity: Mapping[str, Any]) -> int:
    """The largest batch that the export's gate has run; 1 where it does not say."""
    return max((int(row["batch"]) for row in parity.get("shapes", ())), default=1)


def _most_of_engine(engine: Path) -> int:
    """The largest batch that an engine was built for; InputError where it is not of Triton's TensorRT."""
    key = read_key(engine)
    if key.flavour != NATIVE:
        raise InputError(
            f"{engine}: Triton loads engines of {NATIVE}, this one is of {key.flavour}: take the .onnx that it "
            f"was built from, {key.onnx}"
        )
    return key.profile.max[0]


def config(name: str, suffix: str, found: Signature, manifest: Manifest) -> str:
    """`config.pbtxt`, complete: nothing is left for the server to guess."""
    backend, file, _, kind = _BACKENDS[suffix]
    if suffix == ".onnx" and manifest.precision == "int8":
        kind = "KIND_CPU"  # on a GPU onnxruntime computes this form in float
    blocks = [
        f'name: "{name}"',
        f'backend: "{backend}"',
        f'default_model_filename: "{file}"',
        f"max_batch_size: {found.most}",
        _block("input", [found.frames]),
        _block("output", found.outputs),
    ]
    if found.most > 1:
        # Requests of one size that wait are joined; none waits for others to come.
        blocks.append("dynamic_batching { }")
    if kind is not None:
        blocks.append(f"instance_group [\n  {{ count: 1, kind: {kind} }}\n]")
    if suffix == ".xml" and -1 in found.frames.dims:
        blocks.append('parameters { key: "RESHAPE_IO_LAYERS" value { string_value: "YES" } }')
    # The first request would otherwise wait for what engines do in their first call.
    blocks.append(
        'model_warmup [\n  {\n    name: "zeros"\n    batch_size: 1\n    inputs {\n      key: "frames"\n'
        f"      value {{ data_type: {found.frames.type}, dims: {list(found.warm_up)}, zero_data: true }}\n"
        "    }\n  }\n]"
    )
    return "\n".join(blocks) + "\n"


def _block(kind: str, tensors: tuple[Tensor, ...] | list[Tensor]) -> str:
    entries = [
        f'  {{ name: "{tensor.name}", data_type: {tensor.type}, dims: {list(tensor.dims)} }}'
        for tensor in tensors
    ]
    return f"{kind} [\n" + ",\n".join(entries) + "\n]"
