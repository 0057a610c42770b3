"""`depdis-data`: make data sets, check them, and say what their classes are like."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from depdis_deploy import command
from depdis_deploy.install_hint import require
from depdis_deploy.terminal import write_err, write_out

from .options import Changes

app = typer.Typer(
    add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False
)


# Modules of the extra `train` that reading and drawing data sets need.
_READING = ("yaml", "pydantic")
_DRAWING = (*_READING, "numba")
_EXAMPLE = "Example: depdis-data street data/street --pictures 500 --size 640x320 --domain random"


class Domain(StrEnum):
    source = "source"
    target = "target"
    random = "random"
    near = "near"


class Layout(StrEnum):
    synthia = "synthia"
    cityscapes = "cityscapes"
    mapillary_v12 = "mapillary-v1.2"
    mapillary_v20 = "mapillary-v2.0"
    camvid = "camvid"
    own = "own"


class Split(StrEnum):
    both = "both"
    train = "train"
    val = "val"


@app.callback(epilog=_EXAMPLE)
def data() -> None:
    """Make data sets for training, check those at hand, and show what their classes are like."""


@app.command(epilog=_EXAMPLE)
def street(
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", help="Its folder: new, empty, or an unfinished set to go on with."),
    ],
    pictures: Annotated[
        int | None,
        typer.Option(min=1, help="How many; for --drive, frames at 25 a second. [default: 500, 250]"),
    ] = None,
    size: Annotated[str, typer.Option(help="WIDTHxHEIGHT in pixels.")] = "640x320",
    domain: Annotated[
        Domain,
        typer.Option(help="Two fixed appearances, or a new one for every picture (random; near: more posts)."),
    ] = Domain.source,
    layout: Annotated[
        Layout | None,
        typer.Option(help="Whose folders and file formats. [default: cityscapes for target, else synthia]"),
    ] = None,
    split: Annotated[
        Split, typer.Option(help="Where the layout has splits: both (the last sixth is val), or all in one.")
    ] = Split.both,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same pictures.")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes. [default: one a core]")] = None,
    drive: Annotated[
        bool,
        typer.Option(
            "--drive", help="A clip of a moving camera, drive.mp4, with its labels and depth beside it."
        ),
    ] = False,
) -> None:
    """Write a generated street data set with labels and depth, in a real set's own layout.

    Interrupted, the same command goes on where it was.
    """
    command.begin()
    width, height = _size(size)
    require("depdis-data street", "train", _DRAWING)
    if drive:
        if layout is not None or split is not Split.both or workers is not None:
            raise command.UsageError("--drive writes one clip: leave out --layout, --split and --workers")
        from .street.drive_writer import write_drive

        write_drive(out, frames=pictures or 250, size=(width, height), domain=domain.value, seed=seed)
        write_err(f"{out / 'drive.mp4'}, labels and depth beside it")
        return
    from .street.writer import write_street

    chosen = layout or (Layout.cityscapes if domain is Domain.target else Layout.synthia)
    write_street(
        out, pictures=pictures or 500, size=(width, height), domain=domain.value, layout=chosen.value,
        seed=seed, split=split.value, workers=workers,
    )  # fmt: skip
    write_err(f"{out}: a street set in the layout {chosen.value}")


@app.command(epilog="Example: depdis-data check SYNTHIA")
def check(
    root: Annotated[Path, typer.Argument(metavar="ROOT", help="The root of a data set, or a video.")],
    layout: Annotated[str, typer.Option(help="Its layout, where it cannot be told from the folders.")] = "auto",
    workers: Annotated[int | None, typer.Option(min=1, help="Threads. [default: one a core]")] = None,
) -> None:
    """Say what is in a data set, what is missing or corrupt, and which commands can run with it.

    Reads every file. Exit status 0 when nothing is wrong, 1 otherwise.
    """
    command.begin()
    require("depdis-data check", "train", _READING)
    from .data.check import check as checked
    from .data.check_text import as_text

    report = checked(root, layout, workers=workers)
    write_out(as_text(report))
    if report.faults:
        raise typer.Exit(1)


@app.command(epilog="Example: depdis-data statistics street --plot street.png --compare validation")
def statistics(
    config: Annotated[str, typer.Argument(help="A configuration's name, or a .yaml file's path.")],
    source: Annotated[Path | None, typer.Option(help="Root of the source data set.")] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw each class's mixture over the picture and depth.")
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option(
            metavar="PATH|validation",
            help="A target with labels and depth: its root, or the configuration's own validation set.",
        ),
    ] = None,
    settings: Changes = None,
    data: Annotated[Path, typer.Option(help="Where generated sets and what was found are kept.")] = Path(
        "data"
    ),
) -> None:
    """Fit the class-wise depth distributions of a configuration's source, and say what its classes are like.

    --compare measures the method's premise: is each class alike in both domains, and unlike the others?
    """
    command.begin()
    require("depdis-data statistics", "train")
    from .config import load_config

    changes = {} if source is None else {"source.root": str(source)}
    resolved = load_config(config, settings or [], changes)
    target = None
    if compare is not None:
        target = resolved.validation
        if target is None:
            raise command.UsageError(f"{config} has no validation set to compare with; --set validation.layout")
        if compare != "validation":
            target = target.model_copy(update={"root": compare})
    from .statistics_report import report

    write_out(report(resolved, data, plot=plot, target=target))


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if not found:
        raise command.UsageError(f"--size is WIDTHxHEIGHT such as 640x320, got {text!r}")
    return int(found[1]), int(found[2])


def main() -> None:
    """Entry point of `depdis-data`."""
    command.run(app)
