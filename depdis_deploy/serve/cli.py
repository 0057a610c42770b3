"""Command line of the HTTP server, `depdis-serve`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from depdis_deploy import command
from depdis_deploy.model_options import (
    CameraFov,
    CameraHeight,
    Device,
    Engine,
    InputSize,
    ModelFile,
    Precision,
    TrustEngine,
)

_WAITING = 8  # images per worker
_MAX_SECONDS = 86400
EXAMPLE = """
Example: depdis-serve --port 8000, then: curl -H 'Content-Type: image/jpeg' --data-binary @street.jpg
http://127.0.0.1:8000/predict
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def serve(
    model: ModelFile = None,
    host: Annotated[
        str,
        typer.Option(help="Address to listen on. One that other machines can reach requires DEPDIS_API_KEY."),
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects a free one.")] = 8000,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH", help="Path prefix at which a proxy publishes the server.", show_default=False
        ),
    ] = "",
    device: Device = "auto",
    engine: Engine = "auto",
    precision: Precision = "auto",
    trust_engine: TrustEngine = False,
    imgsz: InputSize = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=64, help="Images predicted in parallel.", show_default="one per core"),
    ] = None,
    queue: Annotated[
        int | None,
        typer.Option(min=0, help="Images that may wait; further ones get 429.", show_default="8 per worker"),
    ] = None,
    max_mib: Annotated[int, typer.Option(min=1, help="Largest request body, in MiB.")] = 32,
    max_megapixels: Annotated[
        float, typer.Option(min=0.1, max=128, callback=command.finite, help="Largest image.")
    ] = 16.0,
    timeout: Annotated[
        float,
        typer.Option(
            min=0.1,
            max=_MAX_SECONDS,
            callback=command.finite,
            help="Seconds for a request to arrive, and for an idle or slow client.",
        ),
    ] = 20.0,
    drain: Annotated[
        float,
        typer.Option(
            min=0,
            max=_MAX_SECONDS,
            callback=command.finite,
            help="Seconds to finish requests in progress after SIGTERM.",
        ),
    ] = 30.0,
    camera_fov: CameraFov = None,
    camera_height: CameraHeight = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
) -> int:
    """Serve predictions over HTTP. POST an image to /predict; /docs describes the API."""
    command.begin()
    from depdis_deploy.install_hint import require
    from depdis_deploy.sizes import parse_sides

    from .settings import Settings, key_from, most_at_once

    require("depdis-serve", "serve", engine=model is None or model.suffix.lower() != ".engine")
    from .start import start

    count = workers or most_at_once(device)
    settings = Settings(
        host=host, port=port, root_path=root_path.rstrip("/"), api_key=key_from(os.environ), workers=count,
        queue=_WAITING * count if queue is None else queue, max_bytes=max_mib * 2**20,
        max_pixels=int(max_megapixels * 1e6), timeout_s=timeout, drain_s=drain,
    )  # fmt: skip
    return start(
        settings, model=model, device=device, camera_fov=camera_fov, engine=engine, precision=precision,
        trust_engine=trust_engine, log_level=log_level, camera_height=camera_height,
        imgsz=parse_sides(imgsz),
    )  # fmt: skip


def main() -> None:
    """Run the console command."""
    command.run(app)
