"""The options of `depdis-infer` alone, which say what it reads, writes and where it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="Pictures, videos, folders, quoted globs, lists of paths (.txt, or - for stdin), a camera's "
        "number, rtsp:// addresses. None: the bundled clip.",
        show_default=False,
    ),
]
Outdir = Annotated[
    Path | None,
    typer.Option(help="Folder for the results.", show_default="a new number under runs/infer"),
]
Save = Annotated[
    list[str] | None,
    typer.Option(
        help="What to write (repeat it): video, overlay, labels, depth, density, confidence, npz, json.",
        show_default="video (overlay for pictures) and json",
    ),
]
Smooth = Annotated[
    bool, typer.Option("--smooth", help="Of a video: hold labels against flicker, where nothing moves.")
]
Duration = Annotated[
    str | None, typer.Option(help="End after this time: 90, 45s, 10m, 1h30m.", show_default="never")
]
Segment = Annotated[
    str | None,
    typer.Option(help="Of a camera: begin new files after this time, such as 10m.", show_default="one file"),
]
Retry = Annotated[
    str | None,
    typer.Option(help="Of a camera: how long a lost one is tried again, or no.", show_default="without end"),
]
Stdout = Annotated[
    bool,
    typer.Option("--stdout", help="NDJSON to stdout, a line at once; files only of what --save names."),
]
Ray = Annotated[
    bool,
    typer.Option("--ray", help="Pictures over a cluster, by Ray; the same command goes on after a kill."),
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        metavar="HOST:PORT",
        help="Of that cluster; local: a new one of this machine alone.",
        show_default="RAY_ADDRESS, one that this machine is a node of, else local",
    ),
]
