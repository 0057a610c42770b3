"""`depdis-benchmark`: models in; a table of formats, sizes, accuracy and speed out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy import command

EXAMPLE = """
Example: depdis-benchmark street.onnx street-int8.onnx --imgsz 640x320 --threads 1 --out speeds.json
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def benchmark(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="[MODEL]...",
            help="Exported models; those of one checkpoint are held to its fp32 file, which is looked for "
            "beside them if it is not given. None: the bundled ones.",
            show_default=False,
        ),
    ] = None,
    imgsz: Annotated[
        str | None,
        typer.Option(
            help="The network's input, width first: 640x320, or with a batch 4x640x320.",
            show_default="each model's own",
        ),
    ] = None,
    threads: Annotated[
        int | None, typer.Option(min=1, help="Of one call on the CPU.", show_default="all cores")
    ] = None,
    device: Annotated[str, typer.Option(help="auto (the CPU and GPU 0), cpu, or a GPU's number.")] = "auto",
    source: Annotated[
        Path | None,
        typer.Option(
            help="Pictures or a video: what accuracy and a video's stages are measured on.",
            show_default="the bundled clip",
        ),
    ] = None,
    pictures: Annotated[int, typer.Option(min=1, help="How many of it for the accuracy.")] = 8,
    seconds: Annotated[
        float,
        typer.Option(min=0.0, callback=command.finite, help="To time each row; at least 5 calls, at most 200."),
    ] = 5.0,
    frames: Annotated[
        int, typer.Option(min=0, help="Of the video, for the shares of its stages; 0 leaves that out.")
    ] = 100,
    out: Annotated[
        Path | None, typer.Option(help="A .json for the figures; a picture of them goes beside it (.png).")
    ] = None,
    exist_ok: Annotated[bool, typer.Option("--exist-ok", help="Replace existing files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print the table and errors only.")] = False,
) -> int:
    """Time a model in every engine and precision at hand, beside how far each is from the fp32 file."""
    command.begin()
    from depdis_deploy.install_hint import require

    require("depdis-benchmark", engine=not any(model.suffix.lower() == ".engine" for model in models or ()))
    from .run import Options, run

    return run(
        Options(
            models=tuple(models or ()), imgsz=imgsz, threads=threads, device=device, source=source,
            pictures=pictures, seconds=seconds, frames=frames, out=out, exist_ok=exist_ok, quiet=quiet,
        )
    )  # fmt: skip


def main() -> None:
    """The console command."""
    command.run(app)
