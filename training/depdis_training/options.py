"""Options that several of the training's commands have, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Changes = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the configuration; repeatable."),
]
DataFolder = Annotated[Path, typer.Option(help="Where generated data sets are kept.")]
