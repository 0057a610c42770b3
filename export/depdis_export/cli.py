"""depdis-export: a checkpoint -> a self-describing, verified model file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depdis_deploy.command import begin, run
from depdis_deploy.install_hint import require
from depdis_deploy.terminal import write_err, write_out

if TYPE_CHECKING:
    from .request import Request
    from .verify import Figures

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

_Source = Annotated[
    Path,
    typer.Argument(
        metavar="CHECKPOINT|MODEL.onnx",
        help="A checkpoint of depdis-train or a released file; for --trt and --triton an exported one too.",
    ),
]
_Output = Annotated[
    Path | None,
    typer.Option(
        "-o",
        "--output",
        help="A .onnx, .xml for OpenVINO, .engine with --trt. Default: beside the checkpoint.",
    ),
]
_Imgsz = Annotated[str | None, typer.Option(help="Input size, width first: 640x320.")]
_Batch = Annotated[
    int | None,
    typer.Option(min=1, help="Pictures at a time; with --dynamic the most.", show_default="1; 2 if dynamic"),
]
_Dynamic = Annotated[
    bool, typer.Option("--dynamic", help="Open batch, height and width; checked at the range's corners.")
]
_HalfWeights = Annotated[
    bool, typer.Option("--half-weights", help="Round the weights to fp16 and store them so: half the file.")
]
_Precision = Annotated[
    str | None, typer.Option(help="fp32, fp16 or int8.", show_default="fp32; a .onnx file's own")
]
_Target = Annotated[
    str | None,
    typer.Option(
        "--for",
        help="The form of INT8: onnxruntime (OpenVINO too) or tensorrt.",
        show_default="onnxruntime; tensorrt with --trt",
    ),
]
_Calibrate = Annotated[
    Path | None,
    typer.Option(help="A folder or video of yours for INT8's ranges.", show_default="generated streets"),
]
_CalibrationPictures = Annotated[int | None, typer.Option(min=1, help="How many of them.", show_default="32")]
_KeepFloat = Annotated[
    list[str] | None, typer.Option(help="Keep this layer, or all whose names begin so, in fp32 (repeat it).")
]
_Trt = Annotated[
    bool, typer.Option("--trt", help="Build a TensorRT engine; needs no torch from an .onnx file.")
]
_Workspace = Annotated[
    int | None, typer.Option(min=1, metavar="MIB", help="TensorRT's scratch memory.", show_default="all")
]
_Min = Annotated[
    str | None, typer.Option("--min", help="Smallest frames of an engine of a dynamic file: 1x640x320.")
]
_Opt = Annotated[str | None, typer.Option("--opt", help="Frames that the engine is fastest at.")]
_Max = Annotated[str | None, typer.Option("--max", help="Largest frames of the engine.")]
_ComputeCapability = Annotated[
    list[str] | None,
    typer.Option(help="Build ahead of time for these GPUs, such as 8.6 (repeat it).", show_default="here"),
]
_Triton = Annotated[
    Path | None, typer.Option(help="Also write a model repository for the Triton server into this folder.")
]
_ExistOk = Annotated[bool, typer.Option("--exist-ok", help="Replace an existing file.")]


@app.command()
def command(
    source: _Source, output: _Output = None, imgsz: _Imgsz = None, batch: _Batch = None,
    dynamic: _Dynamic = False, half_weights: _HalfWeights = False, precision: _Precision = None,
    target: _Target = None, calibrate: _Calibrate = None, calibration_pictures: _CalibrationPictures = None,
    keep_float: _KeepFloat = None, trt: _Trt = False, workspace: _Workspace = None, smallest: _Min = None,
    best: _Opt = None, largest: _Max = None, compute_capability: _ComputeCapability = None,
    triton: _Triton = None, exist_ok: _ExistOk = False,
) -> None:  # fmt: skip
    """Export a checkpoint to one file that describes itself, verified against torch in fp32.

    Example: depdis-export runs/street-s0/best.pt -o street-int8.onnx --precision int8 --calibrate drive.mp4
    """
    begin()
    require("depdis-export")
    from .request import EngineOptions, Request

    engine = EngineOptions(
        workspace_mib=workspace,
        min=smallest,
        opt=best,
        max=largest,
        capabilities=tuple(compute_capability or ()),
    )
    request = Request(
        source=source, output=output, imgsz=imgsz, batch=batch, dynamic=dynamic, half_weights=half_weights,
        precision=precision, target=target, calibrate=calibrate, calibration_pictures=calibration_pictures,
        keep_float=tuple(keep_float or ()), trt=trt, engine=engine, triton=triton, exist_ok=exist_ok,
    )  # fmt: skip
    if not request.of_model:
        _require_packages(request)
        _export(request)
    elif trt:
        from .engine_file import from_onnx

        from_onnx(source, request.made, engine.wishes(), precision)
    if triton is not None:
        from depdis_deploy.triton import write_repository

        write_out(f"{write_repository(request.made, triton, exist_ok=exist_ok)}: for the Triton server")


def _require_packages(request: Request) -> None:
    """Check the packages that the export of a checkpoint needs, before it does any work.

    Raises:
        MissingPackageError: One is missing.
    """
    require("depdis-export", "export", engine=True)
    if request.onnx_or_xml.suffix == ".xml":
        require("depdis-export to .xml", "openvino")
    if request.precision not in (None, "fp32"):
        # onnxruntime folds and converts the graph; the parity check takes any engine
        require(f"depdis-export --precision {request.precision}", "cpu")


def _export(request: Request) -> None:
    """A checkpoint to a verified file, and on to an engine where one is asked for."""
    if not request.trt:
        _write(request, request.made)
        return
    from .engine_file import from_checkpoint

    from_checkpoint(
        request.onnx_or_xml, request.made, request.engine.wishes(), request.wanted().name,
        lambda path: _write(request, path),
    )  # fmt: skip


def _write(request: Request, path: Path) -> None:
    """Write the verified file to `path`, which will get its own name, and print its figures."""
    from depdis_deploy.backends.onnx_precision import shares

    from .exporting import export
    from .verify import table

    size, batch = request.input_size()
    manifest, figures, search = export(
        request.source, path, size=size, batch=batch, dynamic=request.dynamic,
        half_weights=request.half_weights, precision=request.wanted(),
    )  # fmt: skip
    if search:
        write_err(search)
    write_err(table(figures))
    shown = ""
    if manifest.precision != "fp32":
        counts = manifest.parity["layers"]["in_graph"]
        _report_layers(counts, figures, manifest.precision)
        shown = f" ({shares(counts)} convolutions)"
    files = [path, *([path.with_suffix(".bin")] if path.suffix == ".xml" else [])]
    size_mb = sum(file.stat().st_size for file in files) / 1e6
    shape = f"{manifest.resize.width}x{manifest.resize.height}" + (" and others" if request.dynamic else "")
    name = request.onnx_or_xml
    write_out(
        f"{name}: {size_mb:.1f} MB, {len(manifest.taxonomy)} classes, {shape}, {manifest.precision}{shown}"
    )


def _report_layers(counts: Mapping[str, int], figures: Sequence[Figures], precision: str) -> None:
    """Print how many convolutions are in which precision, and a warning where few are in the one asked for."""
    from depdis_deploy.backends.onnx_precision import low_share_warning, shares

    write_err(f"convolutions in the graph: {shares(counts)}")
    for one in figures:
        if one.layers is not None:
            write_err(f"convolutions as {one.engine} computes them: {shares(one.layers)}")
    if (warning := low_share_warning(counts, precision)) is not None:
        write_err(warning)


def main() -> None:
    """The console entry point."""
    run(app)


if __name__ == "__main__":
    main()
