"""`depdis-infer`: pictures and videos in; labels, depth and density out."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

import typer

from . import command
from .model_options import CameraFov, CameraHeight, Device, Engine, ModelFile, Precision, TrustEngine

EXAMPLE = """
Example: depdis-infer drive.mp4 --panel quad --save video --save json
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def infer(
    sources: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SOURCE]...",
            help="Pictures, videos, folders, quoted globs, lists of paths (.txt, or - for stdin), a camera's "
            "number, rtsp:// addresses. None: the bundled clip.",
            show_default=False,
        ),
    ] = None,
    model: ModelFile = None,
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "auto",
    trust_engine: TrustEngine = False,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Of one call; as many calls at once as fill all cores.", show_default="1"),
    ] = None,
    outdir: Annotated[
        Path | None,
        typer.Option(help="Folder for the results.", show_default="a new number under runs/infer"),
    ] = None,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="Write into a folder that holds files already.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Frames given to the network at once.")] = 1,
    stride: Annotated[int, typer.Option(min=1, help="Take every N-th frame of a video.")] = 1,
    save: Annotated[
        list[str] | None,
        typer.Option(
            help="What to write (repeat it): video, overlay, labels, depth, density, confidence, npz, json.",
            show_default="video (overlay for pictures) and json",
        ),
    ] = None,
    panel: Annotated[str, typer.Option(help="overlay, side-by-side or quad.")] = "overlay",
    camera_fov: CameraFov = None,
    camera_height: CameraHeight = None,
    smooth: Annotated[
        bool, typer.Option("--smooth", help="Of a video: hold labels against flicker, where nothing moves.")
    ] = False,
    duration: Annotated[
        str | None, typer.Option(help="End after this time: 90, 45s, 10m, 1h30m.", show_default="never")
    ] = None,
    segment: Annotated[
        str | None,
        typer.Option(
            help="Of a camera: begin new files after this time, such as 10m.", show_default="one file"
        ),
    ] = None,
    retry: Annotated[
        str | None,
        typer.Option(
            help="Of a camera: how long a lost one is tried again, or no.", show_default="without end"
        ),
    ] = None,
    stdout: Annotated[
        bool,
        typer.Option("--stdout", help="NDJSON to stdout, a line at once; files only of what --save names."),
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> int:
    """Segment street pictures and videos, with depth in metres and a density of how usual that depth is."""
    command.raise_on_sigterm()
    from .durations import parse_duration
    from .infer import run
    from .job import Options

    def seconds(text: str | None, option: str) -> float | None:
        return None if text is None else parse_duration(text, option)

    return run(
        Options(
            sources=tuple(sources or ()), model=model, device=device, outdir=outdir, exist_ok=exist_ok,
            batch=batch, stride=stride, save=tuple(save or ()), panel=panel, camera_fov=camera_fov, quiet=quiet,
            engine=engine, precision=precision, threads=threads, trust_engine=trust_engine,
            duration_s=seconds(duration, "--duration"), segment_s=seconds(segment, "--segment"),
            retry_s=math.inf if retry is None else 0.0 if retry == "no" else parse_duration(retry, "--retry"),
            stdout=stdout, camera_height=camera_height, smooth=smooth,
        )
    )  # fmt: skip


def main() -> None:
    """The console command."""
    command.run(app)
