"""TensorRT as it is installed: `tensorrt` 10 or 11, or `tensorrt_rtx`, used alike."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.install_hint import install

from .engine_key import FLAVOURS, NATIVE, RTX

_OLDEST, _FIRST_UNKNOWN = (10, 0), (12, 0)


@dataclass(frozen=True)
class TensorRT:
    """flavour: tensorrt or tensorrt_rtx; module: it, imported; version: as it says."""

    flavour: str
    module: Any
    version: str

    def __str__(self) -> str:
        return f"{self.flavour} {self.version}"

    def capabilities(self) -> dict[str, Any]:
        """Compute capability (`8.6`) -> what to build for it ahead of time; empty where that cannot be done."""
        if not hasattr(self.module, "ComputeCapability"):
            return {}
        members = self.module.ComputeCapability.__members__
        found = {name: re.fullmatch(r"SM(\d+)(\d)", name) for name in members}
        return {f"{match[1]}.{match[2]}": members[name] for name, match in found.items() if match}


def installed(flavours: Sequence[str] = FLAVOURS) -> TensorRT:
    """The first of `flavours` that can be imported; InputError says what to install where there is none."""
    causes = []
    for flavour in flavours:
        try:
            module = _imported(flavour)
        except (ImportError, OSError) as error:
            causes.append(f"{flavour} cannot be imported ({error})")
            continue
        version = str(module.__version__)
        numbers = tuple(int(number) for number in re.findall(r"\d+", version)[:2])
        if flavour == NATIVE and not _OLDEST <= numbers < _FIRST_UNKNOWN:
            causes.append(f"tensorrt {version} is installed, 10 or 11 is needed")
            continue
        return TensorRT(flavour, module, version)
    extras = {NATIVE: install("tensorrt"), RTX: install("tensorrt-rtx")}
    raise InputError(f"{'; '.join(causes)}: {' or '.join(extras[flavour] for flavour in flavours)}")


def _imported(flavour: str) -> Any:
    if flavour == NATIVE:
        import tensorrt

        return tensorrt
    import tensorrt_rtx

    return tensorrt_rtx


@dataclass
class Log:
    """What TensorRT said: its errors, and its description of the engine that it has built."""

    errors: list[str] = field(default_factory=list)
    layers: str = ""

    def __call__(self, severity: str, text: str) -> None:
        if severity in ("ERROR", "INTERNAL_ERROR"):
            self.errors.append(" ".join(text.split()))
        elif text.startswith("Layers:"):
            self.layers = text

    def cause(self) -> str:
        """The first error, which the others follow from."""
        # It looks for a GPU in passing, and does without.
        told = [text for text in self.errors if "CUDA driver version is insufficient" not in text]
        return (told or self.errors or ["it gives no reason"])[0]


def logger(tensorrt: TensorRT, log: Log) -> Any:
    """TensorRT's kind of logger, which passes all on to `log`; keep it as long as what it was given to."""

    class Logger(tensorrt.module.ILogger):  # type: ignore[name-defined, misc]
        def __init__(self) -> None:
            tensorrt.module.ILogger.__init__(self)

        def log(self, severity: Any, text: str) -> None:
            log(severity.name, text)

    return Logger()
