"""depdis-export: a checkpoint -> a self-describing, verified model file."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depdis_deploy.command import InputError, UsageError, run
from depdis_deploy.sizes import parse_size

if TYPE_CHECKING:
    from depdis_deploy.backends.tensorrt_engine import Wishes

    from .exporting import Precision

_DYNAMIC_BATCH = 2
# What an exported model takes: for a model repository, and for an engine.
_OF_MODELS = {"checkpoint", "triton", "exist_ok"}
_OF_ENGINES = {
    "output", "precision", "trt", "workspace", "smallest", "best", "largest", "compute_capability",
}  # fmt: skip

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@dataclass(frozen=True)
class EngineOptions:
    """workspace_mib; sizes: --min, --opt and --max as given; capabilities: of compute, as given."""

    workspace_mib: int | None = None
    sizes: tuple[str | None, str | None, str | None] = (None, None, None)
    capabilities: tuple[str, ...] = ()

    def wishes(self) -> Wishes:
        """What to ask of the builder; UsageError for sizes of another form."""
        from depdis_deploy.backends.tensorrt_engine import Wishes

        shapes: list[tuple[int, int, int, int] | None] = []
        for option, text in zip(("--min", "--opt", "--max"), self.sizes, strict=True):
            batch, width, height = parse_size(text, option) if text else (None, 0, 0)
            shapes.append((batch or 1, height, width, 3) if text else None)
        return Wishes(
            min=shapes[0], opt=shapes[1], max=shapes[2], workspace_mib=self.workspace_mib,
            capabilities=self.capabilities,
        )  # fmt: skip


@app.command()
def command(
    context: typer.Context,
    checkpoint: Annotated[
        Path,
        typer.Argument(
            metavar="CHECKPOINT|MODEL.onnx",
            help="A checkpoint of depdis-train or a released file; for --trt and --triton an exported one too.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            help="A .onnx, .xml for OpenVINO, .engine with --trt. Default: beside the checkpoint.",
        ),
    ] = None,
    imgsz: Annotated[str | None, typer.Option(help="Input size, width first: 640x320.")] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            min=1, help="Pictures at a time; with --dynamic the most.", show_default="1; 2 if dynamic"
        ),
    ] = None,
    dynamic: Annotated[
        bool, typer.Option("--dynamic", help="Open batch, height and width; checked at the range's corners.")
    ] = False,
    half_weights: Annotated[
        bool, typer.Option("--half-weights", help="Round the weights to fp16 and store them so: half the file.")
    ] = False,
    precision: Annotated[
        str | None, typer.Option(help="fp32, fp16 or int8.", show_default="fp32; a .onnx file's own")
    ] = None,
    target: Annotated[
        str, typer.Option("--for", help="The form of INT8: onnxruntime (OpenVINO too) or tensorrt.")
    ] = "onnxruntime",
    calibrate: Annotated[
        Path | None,
        typer.Option(help="A folder or video of yours for INT8's ranges.", show_default="generated streets"),
    ] = None,
    calibration_pictures: Annotated[int, typer.Option(min=1, help="How many of them.")] = 32,
    keep_float: Annotated[
        list[str] | None,
        typer.Option(help="Keep this layer, or all whose names begin so, in fp32 (repeat it)."),
    ] = None,
    trt: Annotated[
        bool, typer.Option("--trt", help="Build a TensorRT engine; needs no torch from an .onnx file.")
    ] = False,
    workspace: Annotated[
        int | None, typer.Option(min=1, metavar="MIB", help="TensorRT's scratch memory.", show_default="all")
    ] = None,
    smallest: Annotated[
        str | None, typer.Option("--min", help="Smallest frames of an engine of a dynamic file: 1x640x320.")
    ] = None,
    best: Annotated[str | None, typer.Option("--opt", help="Frames that the engine is fastest at.")] = None,
    largest: Annotated[str | None, typer.Option("--max", help="Largest frames of the engine.")] = None,
    compute_capability: Annotated[
        list[str] | None,
        typer.Option(help="Build ahead of time for these GPUs, such as 8.6 (repeat it).", show_default="here"),
    ] = None,
    triton: Annotated[
        Path | None, typer.Option(help="Also write a model repository for the Triton server into this folder.")
    ] = None,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Replace an existing file.")] = False,
) -> None:
    """Export a checkpoint to one file that describes itself, verified against torch in fp32.

    Example: depdis-export runs/street-s0/best.pt -o street-int8.onnx --precision int8 --calibrate drive.mp4
    """
    from depdis_deploy.backends import SUFFIXES
    from depdis_deploy.triton import refuse_taken, write_repository

    engine = EngineOptions(workspace, (smallest, best, largest), tuple(compute_capability or ()))
    if not trt and engine != EngineOptions():
        raise UsageError("--workspace, --min, --opt, --max and --compute-capability are for --trt")
    if checkpoint.suffix.lower() in SUFFIXES:
        refuse_options_of_checkpoints(context, checkpoint, trt=trt, triton=triton)
        model = checkpoint
        if trt:
            model = export_engine(checkpoint, output, precision, engine, exist_ok=exist_ok)
        if triton is not None:
            print(f"{write_repository(model, triton, exist_ok=exist_ok)}: for the Triton server")
        return
    precision, target = precision or "fp32", "tensorrt" if trt else target
    size = None
    if imgsz is not None:
        given_batch, width, height = parse_size(imgsz)
        size, batch = (width, height), given_batch or batch
    batch = batch or (_DYNAMIC_BATCH if dynamic else 1)
    destination = model = output or checkpoint.with_suffix(".onnx")
    if trt:
        from .engine_file import check_engine

        model = output or checkpoint.with_suffix(".engine")
        check_engine(model, exist_ok=exist_ok)
        destination = model.with_suffix(".onnx")
    check_precision(precision, target, destination, half_weights=half_weights, calibrate=calibrate)
    check_files(checkpoint, destination, exist_ok=exist_ok)
    if triton is not None:
        refuse_taken(triton / model.stem, exist_ok=exist_ok)

    from .exporting import Precision

    print(f"exporting {checkpoint}: building the graph, then checking it against torch", file=sys.stderr)
    wanted = Precision(
        name=precision, target=target, calibrate=calibrate, pictures=calibration_pictures,
        keep_float=tuple(keep_float or ()),
    )  # fmt: skip
    write = partial(
        write_file, checkpoint, destination, size=size, batch=batch, dynamic=dynamic,
        half_weights=half_weights, precision=wanted,
    )  # fmt: skip
    if trt:
        from .engine_file import from_checkpoint

        from_checkpoint(destination, model, engine.wishes(), precision, write)
    else:
        write(destination)
    if triton is not None:
        print(f"{write_repository(model, triton, exist_ok=exist_ok)}: for the Triton server")


def write_file(
    checkpoint: Path, destination: Path, path: Path, *, size: tuple[int, int] | None, batch: int, dynamic: bool,
    half_weights: bool, precision: Precision,
) -> None:  # fmt: skip
    """Write the verified file to `path`, which will become `destination`, and print its figures."""
    from .exporting import export
    from .verify import table

    manifest, figures, search = export(
        checkpoint, path, size=size, batch=batch, dynamic=dynamic, half_weights=half_weights,
        precision=precision,
    )  # fmt: skip
    if search:
        print(search, file=sys.stderr)
    print(table(figures), file=sys.stderr)
    files = [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    shape = f"{manifest.resize.width}x{manifest.resize.height}" + (" and others" if dynamic else "")
    print(f"{destination}: {size_mb:.1f} MB, {len(manifest.taxonomy)} classes, {shape}, {manifest.precision}")


def refuse_options_of_checkpoints(
    context: typer.Context, model: Path, *, trt: bool, triton: Path | None
) -> None:
    """UsageError where nothing is to be had of an exported model, or an option that needs its checkpoint."""
    if not trt and triton is None:
        raise UsageError(
            f"{model} is exported already: add --trt to build a TensorRT engine of it, or --triton DIR for a "
            "model repository"
        )
    taken = _OF_MODELS | (_OF_ENGINES if trt else set())
    for name in context.params:
        given = context.get_parameter_source(name)
        if name not in taken and given is not None and given.name == "COMMANDLINE":
            option = {"output": "-o", "target": "--for"}.get(name, "--" + name.replace("_", "-"))
            raise UsageError(f"{option} needs a checkpoint: {model} is exported already and taken as it is")


def export_engine(
    source: Path, output: Path | None, precision: str | None, options: EngineOptions, *, exist_ok: bool
) -> Path:
    """The engine that is made of an exported file."""
    if source.suffix.lower() != ".onnx":
        raise UsageError(f"--trt takes a checkpoint or an .onnx, got {source.name}")
    if not source.is_file():
        raise InputError(f"{source}: no such model file")
    from .engine_file import check_engine, from_onnx

    engine = output or source.with_suffix(".engine")
    check_engine(engine, exist_ok=exist_ok)
    from_onnx(source, engine, options.wishes(), precision)
    return engine


def check_precision(
    precision: str, target: str, destination: Path, *, half_weights: bool, calibrate: Path | None
) -> None:
    """UsageError for words that are none of the choices, and for options that exclude each other."""
    from .precision import PRECISIONS, TARGETS

    if precision not in PRECISIONS:
        raise UsageError(f"--precision takes {', '.join(PRECISIONS)}, got {precision!r}")
    if target not in TARGETS:
        raise UsageError(f"--for takes {' or '.join(TARGETS)}, got {target!r}")
    if half_weights and precision != "fp32":
        raise UsageError("--half-weights is for fp32: fp16 and int8 files are smaller still")
    if calibrate is not None and precision != "int8":
        raise UsageError("--calibrate is for --precision int8: the others need no ranges")
    if target == "tensorrt" and destination.suffix == ".xml":
        raise UsageError("--for tensorrt needs an .onnx: TensorRT reads no OpenVINO models")


def check_files(checkpoint: Path, destination: Path, *, exist_ok: bool) -> None:
    """UsageError for a wrong or taken output name, InputError for a missing checkpoint or folder."""
    if destination.suffix not in (".onnx", ".xml"):
        raise UsageError(f"the output's name ends in .onnx or .xml, got {destination.name}")
    companions = (".xml", ".bin", ".json") if destination.suffix == ".xml" else (".onnx",)
    for path in map(destination.with_suffix, companions):
        if path.exists() and not exist_ok:
            raise UsageError(f"{path} exists: give another -o, or --exist-ok to replace it")
    if not destination.parent.is_dir():
        raise InputError(f"{destination.parent} is not a folder: make it first or give another -o")
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint}: no such checkpoint")


def main() -> None:
    """The console entry point."""
    run(app)


if __name__ == "__main__":
    main()
