"""Whether an engine file may be loaded here, and does fit: only then its bytes reach TensorRT."""

from __future__ import annotations

import warnings
from contextlib import suppress
from pathlib import Path

from depdis_deploy.command import InputError

from .cuda import find_gpu
from .engine_key import Key, differences, read_key, sha256
from .local_engines import built_here
from .tensorrt_backend import TensorRtSession
from .tensorrt_engine import rebuilt
from .tensorrt_module import installed


def open_engine(path: Path, device: str, *, trusted: bool) -> TensorRtSession:
    """An engine ready on a GPU's number, or `auto` for the first.

    One that does not fit this machine is built anew where its ONNX file is beside it, with a warning that says
    why. trusted: the user's word that the file may run though it was not built here. InputError where it may
    not be loaded, does not fit, or there is no GPU.
    """
    data, key = checked(path, trusted=trusted)
    gpu = find_gpu(device)
    tensorrt = installed()
    if tensorrt.flavour != key.flavour:
        with suppress(InputError):  # the difference is told of below
            tensorrt = installed([key.flavour])
    reasons = differences(
        key, flavour=tensorrt.flavour, version=tensorrt.version, gpu=gpu.name, capabilities=[gpu.capability]
    )
    if reasons:
        made = rebuilt(path, key, reasons, device)
        warnings.warn(made.news, RuntimeWarning, stacklevel=4)
        data, key = checked(path, trusted=True)
        if key.engine_sha256 != made.key.engine_sha256:
            raise InputError(f"{path}: another process has replaced the engine just built: it is not loaded")
        tensorrt = installed([key.flavour])
    return TensorRtSession(path, data, key, tensorrt, gpu)


def checked(path: Path, *, trusted: bool) -> tuple[bytes, Key]:
    """An engine's bytes and its key, before TensorRT sees either; InputError where it may not be loaded."""
    key = read_key(path)
    data = path.read_bytes()
    found = sha256(data)
    if found != key.engine_sha256:
        raise InputError(
            f"{path}: it is not the engine that its key is of: build it again by depdis-export MODEL.onnx --trt"
        )
    if not trusted and not built_here(found):
        raise InputError(
            f"{path}: this engine was not built here by you, and an engine runs as code: build it by "
            "depdis-export MODEL.onnx --trt, or give --trust-engine (trust_engine=True) if you know where it "
            "comes from"
        )
    return data, key
