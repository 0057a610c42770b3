"""`depdis-infer`: pictures and videos in; labels, depth and density out."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from . import command
from .infer_options import Duration, Outdir, Ray, RayAddress, Retry, Save, Segment, Smooth, Sources, Stdout
from .model_options import CameraFov, CameraHeight, Device, Engine, InputSize, ModelFile, Precision, TrustEngine

EXAMPLE = """
Example: depdis-infer drive.mp4 --panel quad --save video --save json
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def infer(
    sources: Sources = None,
    model: ModelFile = None,
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "auto",
    trust_engine: TrustEngine = False,
    imgsz: InputSize = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, help="Of one call; as many calls at once as fill all cores.", show_default="1"),
    ] = None,
    outdir: Outdir = None,
    exist_ok: Annotated[
        bool, typer.Option("--exist-ok", help="Write into a folder that holds files already.")
    ] = False,
    batch: Annotated[int, typer.Option(min=1, help="Frames given to the network at once.")] = 1,
    stride: Annotated[int, typer.Option(min=1, help="Take every N-th frame of a video.")] = 1,
    save: Save = None,
    panel: Annotated[str, typer.Option(help="overlay, side-by-side or quad.")] = "overlay",
    camera_fov: CameraFov = None,
    camera_height: CameraHeight = None,
    smooth: Smooth = False,
    duration: Duration = None,
    segment: Segment = None,
    retry: Retry = None,
    stdout: Stdout = False,
    ray: Ray = False,
    ray_address: RayAddress = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print errors only.")] = False,
) -> int:
    """Segment street pictures and videos, with depth in metres and a density of how usual that depth is."""
    command.begin()
    from .durations import parse_duration
    from .infer import run
    from .install_hint import require
    from .job import Options
    from .sizes import parse_sides

    if ray:
        require("depdis-infer --ray", "ray", engine=True)
    # a TensorRT engine's own packages are checked where it is opened
    require("depdis-infer", engine=model is None or model.suffix.lower() != ".engine")

    def seconds(text: str | None, option: str) -> float | None:
        return None if text is None else parse_duration(text, option)

    return run(
        Options(
            sources=tuple(sources or ()), model=model, device=device, outdir=outdir, exist_ok=exist_ok,
            batch=batch, stride=stride, save=tuple(save or ()), panel=panel, camera_fov=camera_fov, quiet=quiet,
            engine=engine, precision=precision, threads=threads, trust_engine=trust_engine,
            imgsz=parse_sides(imgsz),
            duration_s=seconds(duration, "--duration"), segment_s=seconds(segment, "--segment"),
            retry_s=math.inf if retry is None else 0.0 if retry == "no" else parse_duration(retry, "--retry"),
            stdout=stdout, camera_height=camera_height, smooth=smooth, ray=ray, ray_address=ray_address,
        )
    )  # fmt: skip


def main() -> None:
    """The console command."""
    command.run(app)
