"""Which ways of running a model there are: files of one checkpoint, times the engines that take each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from depdis_deploy.backends import describe
from depdis_deploy.command import InputError
from depdis_deploy.manifest import Manifest
from depdis_deploy.predictor import BUNDLED_INT8, BUNDLED_MODEL

# Of each format: (engine, precision) as `open_session` takes them. A format that is not listed has one engine,
# which it brings by itself.
_ENGINES = {
    ".onnx": (("onnxruntime", "auto"), ("openvino", "auto"), ("openvino", "bf16")),
    ".xml": (("openvino", "auto"), ("openvino", "bf16")),
}
_PRECISIONS = ("fp32", "fp16", "int8")


@dataclass(frozen=True)
class ModelFile:
    """A model's file, what it says of itself, and its size with all that belongs to it."""

    path: Path
    manifest: Manifest
    size_mb: float

    @property
    def network(self) -> str:
        """The same for all files of one checkpoint."""
        return self.manifest.source_sha256 or str(self.path)


@dataclass(frozen=True)
class Candidate:
    """One row of the table. file: None where no file of that precision is at hand.

    engine, device: for `open_session`, as is `asked` (auto or bf16); precision: as shown.
    """

    file: ModelFile | None
    engine: str
    device: str
    asked: str
    precision: str

    @property
    def label(self) -> str:
        """What the row is called in a line."""
        name = self.file.path.name if self.file else "no file"
        return f"{name} in {self.where}, {self.precision}"

    @property
    def where(self) -> str:
        """The engine as shown: with its device where that is not the CPU."""
        return self.engine + (f" GPU {self.device}" if self.device.isdecimal() else "")


def model_files(paths: Sequence[Path]) -> list[ModelFile]:
    """The models given, or the bundled ones. InputError: one is no exported model."""
    if not paths:
        int8 = BUNDLED_MODEL.with_name(BUNDLED_INT8)
        paths = [BUNDLED_MODEL, *([int8] if int8.is_file() else [])]
    return [_read(path) for path in dict.fromkeys(paths)]


def _read(path: Path) -> ModelFile:
    manifest = describe(path)
    companion = path.with_suffix(".bin")
    parts = [path, *([companion] if path.suffix.lower() == ".xml" else [])]
    return ModelFile(path, manifest, sum(part.stat().st_size for part in parts) / 1e6)


def reference_of(file: ModelFile, files: Iterable[ModelFile]) -> ModelFile | None:
    """The fp32 file of the same checkpoint: of those given, or of those beside `file`; None: there is none."""
    for given in files:
        if (
            given.network == file.network
            and given.manifest.precision == "fp32"
            and given.path.suffix.lower() in _ENGINES
        ):
            return given
    for path in sorted(file.path.parent.iterdir()):
        if path.suffix.lower() not in _ENGINES:
            continue
        try:
            found = _read(path)
        except (InputError, OSError):
            continue
        if found.network == file.network and found.manifest.precision == "fp32":
            return found
    return None


def candidates(files: Sequence[ModelFile], device: str) -> list[Candidate]:
    """The rows, network by network; a precision of which no file was given is a row too."""
    found = []
    for network in dict.fromkeys(file.network for file in files):
        own = [file for file in files if file.network == network]
        for file in own:
            found += _of_file(file, device)
        present = {file.manifest.precision for file in own}
        engine = "onnxruntime" if device.isdecimal() else "onnxruntime, openvino"
        found += [
            Candidate(None, engine, device, "auto", precision)
            for precision in _PRECISIONS
            if precision not in present
        ]
    return found


def _of_file(file: ModelFile, device: str) -> list[Candidate]:
    suffix = file.path.suffix.lower()
    own = file.manifest.precision
    if suffix not in _ENGINES:
        return [Candidate(file, "auto", device, "auto", own)]
    if device.isdecimal():
        return [Candidate(file, _ENGINES[suffix][0][0], device, "auto", own)]
    rows = []
    for engine, asked in _ENGINES[suffix]:
        # The file's own types say what it is stored in; on a CPU fp16 is computed in fp32.
        shown = own if asked == "auto" else ("int8, bf16" if own == "int8" else "bf16")
        rows.append(Candidate(file, engine, "cpu", asked, shown))
    if device == "auto" and suffix == ".onnx":
        rows.append(Candidate(file, "onnxruntime", "0", "auto", own))
    return rows
