"""`depdis-train`: from a configuration to a trained network in a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from depdis_deploy import command

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

# The supervised training of the three branches on the source, in the names of the method's variants.
METHOD, VARIANT = "depdis", "source_branches"


@app.command(
    epilog="Example: depdis-train street --set training.iterations=200 --out runs/first. "
    "The same command goes on with an unfinished run."
)
def train(
    config: Annotated[str, typer.Argument(help="A configuration's name, or a .yaml file's path.")] = "street",
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the configuration; repeatable."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The seed of everything random.", min=0)] = None,
    source: Annotated[Path | None, typer.Option(help="Root of the source data set, to train on.")] = None,
    target: Annotated[Path | None, typer.Option(help="Root of the target data set, to validate on.")] = None,
    init: Annotated[
        Path | None, typer.Option(help="Start from a checkpoint, or from the backbone's ImageNet weights.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The run folder.  [default: runs/CONFIG-...-sSEED]")] = None,
    data: Annotated[Path, typer.Option(help="Where generated data sets are kept.")] = Path("data"),
    threads: Annotated[
        int | None, typer.Option(help="Threads of the computation.  [default: all cores]", min=1)
    ] = None,
) -> None:
    """Train segmentation, depth and density on labelled pictures; generated streets by default."""
    from .config import load_config

    changes: dict[str, Any] = {} if seed is None else {"seed": seed}
    changes |= {f"{key}.root": str(root) for key, root in (("source", source), ("target", target)) if root}
    changes |= {} if init is None else {"network.init": str(init)}
    resolved = load_config(config, settings or [], changes)
    folder = out or Path("runs") / f"{resolved.name}-{METHOD}-{VARIANT}-s{resolved.seed}"
    command.raise_on_sigterm()

    import logging

    import cv2
    import torch

    from .pipeline import train as run

    if threads is not None:
        torch.set_num_threads(threads)
    # pictures are small and read in a thread of their own: OpenCV's threads would only take the cores away
    cv2.setNumThreads(0)
    # what Fabric has to say about precision is in the run's own first lines
    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)
    run(resolved, folder, data)


def main() -> None:
    """Entry point."""
    command.run(app)


if __name__ == "__main__":
    main()
