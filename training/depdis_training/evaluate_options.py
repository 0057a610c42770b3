"""The options of `depdis-evaluate` alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy.command import finite

Models = Annotated[
    list[Path],
    typer.Argument(
        metavar="CHECKPOINT|MODEL|RUN...",
        help="Checkpoints (the authors' files too), exported models (.onnx, .engine, .xml), run folders.",
    ),
]
Target = Annotated[
    Path | None, typer.Option(help="Root of the data set to score on, or a drive of depdis-data --drive.")
]
Reestimate = Annotated[
    bool,
    typer.Option(
        "--reestimate",
        help="Take batch-norm statistics anew from the configuration's target (checkpoints only).",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        help="The pictures are a film's frames in order, so many a second: count label flips.",
        min=0.01,
        callback=finite,
    ),
]
Out = Annotated[Path | None, typer.Option(help="A folder for report.html, report.md and metrics.json.")]
Compare = Annotated[
    bool, typer.Option("--compare", help="Show the frames on which the models differ most, boxed where.")
]
JointSpace = Annotated[
    bool,
    typer.Option("--joint-space", help="Map what the discriminator sees of target pixels (figure 4)."),
]
