"""depdis-export: a checkpoint -> a self-describing, verified ONNX model."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy.command import InputError, UsageError, run

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


def parse_size(text: str) -> tuple[int | None, int, int]:
    """`640x320` or, with a batch, `1x640x320` -> (batch or None, width, height)."""
    match = re.fullmatch(r"(?:(\d+)x)?(\d+)x(\d+)", text)
    if match is None or any(int(part) < 1 for part in match.groups() if part):
        raise UsageError(f"--imgsz takes WIDTHxHEIGHT or BATCHxWIDTHxHEIGHT, such as 640x320, got {text!r}")
    batch, width, height = match.groups()
    return (int(batch) if batch else None), int(width), int(height)


@app.command()
def command(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint of depdis-train, or a released file.")],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Default: beside the checkpoint.")
    ] = None,
    imgsz: Annotated[str | None, typer.Option(help="Input size, width first: 640x320.")] = None,
    batch: Annotated[int, typer.Option(min=1, help="Pictures at a time.")] = 1,
    dynamic: Annotated[bool, typer.Option("--dynamic", help="Any batch, height and width.")] = False,
    half_weights: Annotated[
        bool, typer.Option("--half-weights", help="Round the weights to fp16 and store them so: half the file.")
    ] = False,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Replace an existing file.")] = False,
) -> None:
    """Export a checkpoint to one ONNX file that describes itself, verified against torch.

    Example: depdis-export runs/street-s0/best.pt -o street.onnx --dynamic
    """
    size = None
    if imgsz is not None:
        given_batch, width, height = parse_size(imgsz)
        size, batch = (width, height), given_batch or batch
    if dynamic and batch != 1:
        raise UsageError("--dynamic opens the batch: leave --batch out")
    destination = output or checkpoint.with_suffix(".onnx")
    if destination.suffix != ".onnx":
        raise UsageError(f"the output's name ends in .onnx, got {destination.name}")
    if destination.exists() and not exist_ok:
        raise UsageError(f"{destination} exists: give another -o, or --exist-ok to replace it")
    if not destination.parent.is_dir():
        raise InputError(f"{destination.parent} is not a folder: make it first or give another -o")
    if not checkpoint.is_file():
        raise InputError(f"{checkpoint}: no such checkpoint")

    from .exporting import export
    from .verify import table

    print(f"exporting {checkpoint}: building the graph, then checking it against torch", file=sys.stderr)
    manifest, figures = export(
        checkpoint, destination, size=size, batch=batch, dynamic=dynamic, half_weights=half_weights
    )
    print(table(figures), file=sys.stderr)
    size_mb = destination.stat().st_size / 1e6
    shape = f"{manifest.resize.width}x{manifest.resize.height}" + (" and others" if dynamic else "")
    print(f"{destination}: {size_mb:.1f} MB, {len(manifest.taxonomy)} classes, {shape}, {manifest.precision}")


def main() -> None:
    """The console entry point."""
    run(app)


if __name__ == "__main__":
    main()
