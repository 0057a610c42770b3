"""What depdis-export was asked for, and what of it cannot be had, said before anything is loaded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from depdis_deploy.address import masked
from depdis_deploy.backends import SUFFIXES
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.sizes import parse_size

from .precision import PRECISIONS, TARGETS

if TYPE_CHECKING:
    from depdis_deploy.backends.tensorrt_engine import Wishes

    from .exporting import Precision

_DYNAMIC_BATCH = 2
_CALIBRATION_PICTURES = 32


@dataclass(frozen=True, kw_only=True)
class EngineOptions:
    """workspace_mib; min, opt, max: sizes as given; capabilities: of compute, as given."""

    workspace_mib: int | None = None
    min: str | None = None
    opt: str | None = None
    max: str | None = None
    capabilities: tuple[str, ...] = ()

    def wishes(self) -> Wishes:
        """What to ask of the builder; UsageError for sizes of another form."""
        from depdis_deploy.backends.tensorrt_engine import Wishes

        def shape(option: str, text: str | None) -> tuple[int, int, int, int] | None:
            if text is None:
                return None
            batch, width, height = parse_size(text, option)
            return batch or 1, height, width, 3

        return Wishes(
            min=shape("--min", self.min), opt=shape("--opt", self.opt), max=shape("--max", self.max),
            workspace_mib=self.workspace_mib, capabilities=self.capabilities,
        )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Request:
    """The command line of `depdis-export`; None: not given. source: a checkpoint or an exported model."""

    source: Path
    output: Path | None = None
    imgsz: str | None = None
    batch: int | None = None
    dynamic: bool = False
    half_weights: bool = False
    precision: str | None = None
    target: str | None = None
    calibrate: Path | None = None
    calibration_pictures: int | None = None
    keep_float: tuple[str, ...] = ()
    trt: bool = False
    engine: EngineOptions = EngineOptions()
    triton: Path | None = None
    exist_ok: bool = False

    def __post_init__(self) -> None:
        if not self.trt and self.engine != EngineOptions():
            raise UsageError("--workspace, --min, --opt, --max and --compute-capability are for --trt")
        self.engine.wishes()
        if self.triton is not None and self.engine.capabilities:
            raise UsageError(
                "--triton and --compute-capability exclude each other: Triton loads no engine that was built "
                "ahead of time"
            )
        if self.precision is not None and self.precision not in PRECISIONS:
            raise UsageError(f"--precision takes {', '.join(PRECISIONS)}, got {self.precision!r}")
        if self.of_model:
            self._check_model()
        else:
            self._check_checkpoint()
        if self.triton is not None:
            from depdis_deploy.triton import refuse_taken

            refuse_taken(self.triton / self.made.stem, exist_ok=self.exist_ok)

    @property
    def of_model(self) -> bool:
        """Whether the source is exported already, by its name."""
        return self.source.suffix.lower() in SUFFIXES

    @property
    def made(self) -> Path:
        """The file that is made, or taken as it is: an engine with --trt."""
        if self.trt:
            return self.output or self.source.with_suffix(".engine")
        return self.source if self.of_model else self.onnx_or_xml

    @property
    def onnx_or_xml(self) -> Path:
        """The exported file of a checkpoint; beside an engine the one that it is built from."""
        if self.trt:
            return self.made.with_suffix(".onnx")
        return self.output or self.source.with_suffix(".onnx")

    def input_size(self) -> tuple[tuple[int, int] | None, int]:
        """((width, height), None for the checkpoint's own; pictures at a time)."""
        own_batch, size = None, None
        if self.imgsz is not None:
            own_batch, width, height = parse_size(self.imgsz)
            size = (width, height)
            if own_batch and self.batch and own_batch != self.batch:
                raise UsageError(f"--imgsz {self.imgsz} and --batch {self.batch} differ: give one of them")
        return size, own_batch or self.batch or (_DYNAMIC_BATCH if self.dynamic else 1)

    def wanted(self) -> Precision:
        """The precision that a checkpoint's export is to have."""
        from .exporting import Precision

        return Precision(
            name=self.precision or "fp32", target=self._target, calibrate=self.calibrate,
            pictures=self.calibration_pictures or _CALIBRATION_PICTURES, keep_float=self.keep_float,
        )  # fmt: skip

    @property
    def _target(self) -> str:
        return self.target or ("tensorrt" if self.trt else "onnxruntime")

    def _check_model(self) -> None:
        if not self.trt and self.triton is None:
            raise UsageError(
                f"{self.source} is exported already: add --trt to build a TensorRT engine of it, or "
                "--triton DIR for a model repository"
            )
        given = {
            "--imgsz": self.imgsz, "--batch": self.batch, "--dynamic": self.dynamic,
            "--half-weights": self.half_weights, "--for": self.target, "--calibrate": self.calibrate,
            "--calibration-pictures": self.calibration_pictures, "--keep-float": self.keep_float,
        }  # fmt: skip
        if not self.trt:
            given |= {"-o": self.output, "--precision": self.precision}
        for option, value in given.items():
            if value:
                raise UsageError(
                    f"{option} needs a checkpoint: {self.source} is exported already and taken as it is"
                )
        if not self.trt:
            return
        if self.source.suffix.lower() != ".onnx":
            raise UsageError(f"--trt takes a checkpoint or an .onnx, got {self.source.name}")
        if not self.source.is_file():
            raise InputError(f"{self.source}: no such model file")
        self._check_engine()

    def _check_checkpoint(self) -> None:
        if not self.source.is_file():
            raise InputError(f"{self.source}: no such checkpoint")
        self.input_size()
        self._check_precision()
        if self.trt:
            self._check_engine()
        self._check_output()

    def _check_precision(self) -> None:
        """UsageError for words that are none of the choices, and for options that exclude each other."""
        precision = self.precision or "fp32"
        if self._target not in TARGETS:
            raise UsageError(f"--for takes {' or '.join(TARGETS)}, got {self.target!r}")
        if self.trt and self._target != "tensorrt":
            raise UsageError(f"--for {self.target} and --trt exclude each other: leave --for out")
        if self.half_weights and precision != "fp32":
            raise UsageError("--half-weights is for fp32: fp16 and int8 files are smaller still")
        if precision != "int8":
            for option, value in (
                ("--calibrate", self.calibrate), ("--calibration-pictures", self.calibration_pictures),
            ):  # fmt: skip
                if value is not None:
                    raise UsageError(f"{option} is for --precision int8: the others need no ranges")
        if self.keep_float and precision == "fp32":
            raise UsageError("--keep-float is for --precision fp16 and int8: fp32 is float throughout")
        if self.calibrate is not None and not self.calibrate.exists():
            raise InputError(f"{masked(str(self.calibrate))}: no such file or folder to calibrate on")
        if self._target == "tensorrt" and self.onnx_or_xml.suffix == ".xml":
            raise UsageError("--for tensorrt needs an .onnx: TensorRT reads no OpenVINO models")

    def _check_engine(self) -> None:
        from .engine_file import check_engine

        check_engine(self.made, exist_ok=self.exist_ok)

    def _check_output(self) -> None:
        """UsageError for a wrong or taken output name, InputError for a missing folder."""
        path = self.onnx_or_xml
        if path.suffix not in (".onnx", ".xml"):
            hint = ", or in .engine with --trt" if path.suffix == ".engine" else ""
            raise UsageError(f"the output's name ends in .onnx or .xml{hint}, got {path.name}")
        for suffix in (".xml", ".bin", ".json") if path.suffix == ".xml" else (".onnx",):
            written = path.with_suffix(suffix)
            if written.is_dir():
                raise UsageError(f"{written} is a folder: give another -o")
            if written.exists() and not self.exist_ok:
                raise UsageError(f"{written} exists: give another -o, or --exist-ok to replace it")
        if not path.parent.is_dir():
            raise InputError(f"{path.parent} is not a folder: make it first or give another -o")
