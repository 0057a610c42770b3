"""depdis-export: a checkpoint -> a self-describing, verified model file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy.command import InputError, UsageError, run
from depdis_deploy.sizes import parse_size

_DYNAMIC_BATCH = 2

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def command(
    context: typer.Context,
    checkpoint: Annotated[
        Path,
        typer.Argument(help="A checkpoint of depdis-train, a released file, or an exported model (--triton)."),
    ],
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A .onnx, or .xml for OpenVINO. Default: beside the checkpoint."),
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
    precision: Annotated[str, typer.Option(help="fp32, fp16 or int8.")] = "fp32",
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

    if checkpoint.suffix.lower() in SUFFIXES:
        exported_already(context, checkpoint, triton, exist_ok=exist_ok)
        return
    size = None
    if imgsz is not None:
        given_batch, width, height = parse_size(imgsz)
        size, batch = (width, height), given_batch or batch
    batch = batch or (_DYNAMIC_BATCH if dynamic else 1)
    destination = output or checkpoint.with_suffix(".onnx")
    check_precision(precision, target, destination, half_weights=half_weights, calibrate=calibrate)
    check_files(checkpoint, destination, exist_ok=exist_ok)
    if triton is not None:
        refuse_taken(triton / destination.stem, exist_ok=exist_ok)

    from .exporting import Precision, export
    from .verify import table

    print(f"exporting {checkpoint}: building the graph, then checking it against torch", file=sys.stderr)
    wanted = Precision(
        name=precision, target=target, calibrate=calibrate, pictures=calibration_pictures,
        keep_float=tuple(keep_float or ()),
    )  # fmt: skip
    manifest, figures, search = export(
        checkpoint, destination, size=size, batch=batch, dynamic=dynamic, half_weights=half_weights,
        precision=wanted,
    )  # fmt: skip
    if search:
        print(search, file=sys.stderr)
    print(table(figures), file=sys.stderr)
    files = [destination, *([destination.with_suffix(".bin")] if destination.suffix == ".xml" else [])]
    size_mb = sum(path.stat().st_size for path in files) / 1e6
    shape = f"{manifest.resize.width}x{manifest.resize.height}" + (" and others" if dynamic else "")
    print(f"{destination}: {size_mb:.1f} MB, {len(manifest.taxonomy)} classes, {shape}, {manifest.precision}")
    if triton is not None:
        print(f"{write_repository(destination, triton, exist_ok=exist_ok)}: for the Triton server")


def exported_already(context: typer.Context, model: Path, triton: Path | None, *, exist_ok: bool) -> None:
    """What is to be had of an exported model, without torch; UsageError for what needs its checkpoint."""
    if triton is None:
        raise UsageError(f"{model} is exported already: --triton DIR makes a model repository of it")
    for name in context.params:
        given = context.get_parameter_source(name)
        if (
            name not in ("checkpoint", "triton", "exist_ok")
            and given is not None
            and given.name == "COMMANDLINE"
        ):
            option = "-o" if name == "output" else "--" + name.replace("_", "-")
            raise UsageError(f"{option} needs a checkpoint: {model} is exported already and taken as it is")
    from depdis_deploy.triton import write_repository

    print(f"{write_repository(model, triton, exist_ok=exist_ok)}: for the Triton server")


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
