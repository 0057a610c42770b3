"""Which engine and arithmetic a model gets, and why, where the user leaves it open."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.install_hint import installed
from depdis_deploy.manifest import Manifest

from . import cpu

ENGINES = ("auto", "onnxruntime", "openvino")
PRECISIONS = ("auto", "fp32", "bf16", "int8")


@dataclass(frozen=True)
class Choice:
    """engine: onnxruntime or openvino; arithmetic: fp32 or bf16, of layers that are not INT8; reason: why."""

    engine: str
    arithmetic: str
    reason: str


def check_words(device: str, engine: str, precision: str) -> None:
    """UsageError for a word that is none of the choices, and for words that exclude each other."""
    if device not in ("auto", "cpu") and not device.isdecimal():
        raise UsageError(f"device {device!r}: expected auto, cpu, or a GPU's number such as 0")
    if engine not in ENGINES:
        raise UsageError(f"engine {engine!r}: expected one of {', '.join(ENGINES)}")
    if precision not in PRECISIONS:
        raise UsageError(f"precision {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if device.isdecimal() and engine == "openvino":
        raise UsageError(f"device {device}: openvino runs on the CPU here; leave the engine out, or the device")
    if precision == "bf16" and (engine == "onnxruntime" or device.isdecimal()):
        raise UsageError("bf16 is to be had from openvino on the CPU: --engine openvino --device cpu")


def choose(manifest: Manifest, suffix: str, device: str, engine: str, precision: str, *, gpu: bool) -> Choice:
    """The engine and arithmetic for a model, from what was asked for and what the machine has.

    With `auto` for the device, openvino is taken where this processor is faster in its arithmetic, and the
    model's export measured it within its bounds (`parity.engines` of the manifest): in bf16, else with an INT8
    file, whose other layers stay fp32 then. `cpu` means onnxruntime in the file's own precision, the reference,
    unless engine or precision say otherwise. gpu: whether onnxruntime has one. InputError where the file is not
    of the wanted precision.
    """
    found = _preferred(manifest, suffix, device, engine, precision, gpu=gpu)
    free = engine == "auto" and not device.isdecimal()
    if free and found.engine == "onnxruntime" and not installed("onnxruntime") and installed("openvino"):
        return Choice("openvino", "fp32", "onnxruntime is not installed")
    return found


def _preferred(
    manifest: Manifest, suffix: str, device: str, engine: str, precision: str, *, gpu: bool
) -> Choice:
    """The choice where both engines are installed."""
    if precision in ("fp32", "int8") and manifest.precision != precision:
        raise InputError(
            f"precision {precision}: this model is {manifest.precision}; export it again by depdis-export "
            f"--precision {precision}, or leave the precision out"
        )
    if suffix == ".xml" or engine == "openvino" or precision == "bf16":
        return _openvino(
            manifest, device, precision, "its format's engine" if suffix == ".xml" else "asked for"
        )
    if engine == "onnxruntime":
        return Choice("onnxruntime", "fp32", "asked for")
    if device != "auto":
        return Choice("onnxruntime", "fp32", f"device {device} was asked for")
    if gpu:
        return Choice("onnxruntime", "fp32", "onnxruntime has a GPU here")
    if precision != "auto":
        return Choice("onnxruntime", "fp32", f"{precision} was asked for")
    no_bf16 = _no_bf16(manifest)
    if no_bf16 is not None and manifest.precision == "int8":
        refusal = _no_int8(manifest)
        faster = f"faster in INT8, which held its bounds there at export; the rest in fp32: {no_bf16}"
    else:
        refusal, faster = no_bf16, "this processor has fast bf16, and the export measured it within its bounds"
    if refusal is None and not installed("openvino"):
        refusal = "openvino, which would be faster, is not installed"
    if refusal is not None:
        return Choice("onnxruntime", "fp32", refusal)
    return Choice("openvino", "fp32" if no_bf16 else "bf16", faster)


def _openvino(manifest: Manifest, device: str, precision: str, reason: str) -> Choice:
    if precision == "bf16":
        return Choice("openvino", "bf16", "bf16 was asked for")
    if device != "auto" or precision != "auto":
        return Choice("openvino", "fp32", reason)
    refusal = _no_bf16(manifest)
    if refusal is not None:
        return Choice("openvino", "fp32", f"{reason}; {refusal}")
    return Choice(
        "openvino", "bf16", f"{reason}; this processor has fast bf16, which held its bounds at export"
    )


def _no_bf16(manifest: Manifest) -> str | None:
    """Why bf16 is not to be taken unasked; None: it may be."""
    if "bf16" not in cpu.features():
        return "this processor is not known to have bf16"
    if "fast bf16" not in cpu.features():
        return "this processor's bf16 is no faster than its fp32"
    return _not_held(manifest, "openvino bf16", "bf16")


def _no_int8(manifest: Manifest) -> str | None:
    """Why an INT8 file is not to be run in openvino unasked; None: it may be."""
    if "int8" not in cpu.features():
        return "this processor is not known to have INT8 arithmetic"
    return _not_held(manifest, "openvino", "openvino")


def _not_held(manifest: Manifest, engine: str, what: str) -> str | None:
    engines: Mapping[str, Any] = manifest.parity.get("engines", {})
    record = engines.get(engine)
    if record is None:
        return f"its export did not measure {what}"
    return None if record["held"] else f"{what} missed its bounds at export"


def bundled_precision(device: str, precision: str, available: Mapping[str, Any], *, gpu: bool) -> str:
    """Which of the bundled model's files: `fp32` or `int8`, by what was asked for and the processor."""
    if precision == "int8":
        return "int8"
    free = precision == "auto" and device == "auto" and not gpu
    return "int8" if free and "int8" in available and "int8" in cpu.features() else "fp32"
