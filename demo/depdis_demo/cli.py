"""`depdis-demo`: the page in a browser."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy import command
from depdis_deploy.model_options import Device

EXAMPLE = """
Example: depdis-demo --model my_camera.onnx --port 8080
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(epilog=EXAMPLE)
def demo(
    model: Annotated[
        list[Path] | None,
        typer.Option(
            help="An exported model to choose beside the bundled one; repeatable.", show_default=False
        ),
    ] = None,
    device: Device = "auto",
    host: Annotated[
        str, typer.Option(help="Address to serve on. 0.0.0.0 lets others reach it, and needs --auth.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port.")] = 7860,
    auth: Annotated[
        str | None,
        typer.Option(
            metavar="NAME:PASSWORD", show_default=False,
            help="Ask visitors to sign in. Other users of this machine can read the option; the environment "
            "variable DEPDIS_DEMO_AUTH takes the same value.",
        ),
    ] = None,
    root_path: Annotated[
        str,
        typer.Option(
            metavar="PATH", show_default=False,
            help="Serve the page below this path of a reverse proxy, such as /depdis.",
        ),
    ] = "",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", show_default=False,
            help="Accept requests for this host name, such as a reverse proxy's; repeatable.",
        ),
    ] = None,
    max_megabytes: Annotated[int, typer.Option(min=1, help="Of a file that is sent here.")] = 100,
    max_megapixels: Annotated[
        float,
        typer.Option(max=128, callback=command.finite, help="Maximum megapixels of an image or video frame."),
    ] = 40.0,
    max_seconds: Annotated[
        float, typer.Option(callback=command.finite, help="Maximum duration of a video in seconds.")
    ] = 120.0,
    max_frames: Annotated[int, typer.Option(min=1, help="Maximum number of frames in a video.")] = 7200,
    max_minutes: Annotated[
        float,
        typer.Option(
            callback=command.finite,
            help="Maximum time to process one video. The frames done until then are kept.",
        ),
    ] = 15.0,
    max_waiting: Annotated[int, typer.Option(min=0, help="Visitors that may wait for their turn.")] = 8,
    adapt_set: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE", help="A setting for each adaptation, as depdis-train --set; repeatable.",
            show_default=False,
        ),
    ] = None,
) -> None:  # fmt: skip
    """Serve the demo: pictures, videos and the camera, adapting, and what it all means."""
    command.begin()
    from depdis_deploy.install_hint import require

    require("depdis-demo", "demo", engine=True)
    from .app import serve
    from .limits import Limits
    from .settings import Settings, auth_of

    serve(
        Settings(
            models=tuple(model or ()), device=device, host=host, port=port,
            auth=auth_of(auth, os.environ), root_path=root_path.rstrip("/"),
            allow_hosts=tuple(name.lower().strip("[]") for name in allow_host or ()),
            limits=Limits(
                megabytes=max_megabytes, megapixels=max_megapixels, seconds=max_seconds, frames=max_frames,
                minutes=max_minutes, waiting=max_waiting,
            ),
            adapt=tuple(adapt_set or ()),
        )
    )  # fmt: skip


def main() -> None:
    """The console command."""
    command.run(app)


if __name__ == "__main__":
    main()
