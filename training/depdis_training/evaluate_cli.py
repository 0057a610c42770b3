"""`depdis-evaluate`: checkpoints, exported models and runs through one evaluation, with a report."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depdis_deploy import command
from depdis_deploy.install_hint import require
from depdis_deploy.model_options import InputSize
from depdis_deploy.terminal import write_err, write_out

from .evaluate_options import Compare, Fps, JointSpace, Models, Out, Reestimate, Target
from .options import Changes, DataFolder

if TYPE_CHECKING:
    from .data.samples import Dataset
    from .settings import Config

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command(epilog="Example: depdis-evaluate runs/street-depdis-M4-s0 --config street --out evaluation")
def evaluate(
    models: Models,
    config: Annotated[str, typer.Option(help="The configuration whose validation set is scored on.")],
    target: Target = None,
    split: Annotated[str | None, typer.Option(help="Its split.  [default: the configuration's]")] = None,
    settings: Changes = None,
    pictures: Annotated[int | None, typer.Option(help="Score on the first N pictures only.", min=1)] = None,
    imgsz: InputSize = None,
    reestimate: Reestimate = False,
    cap: Annotated[
        float | None,
        typer.Option(help="Leave out depths beyond so many metres.", min=0, callback=command.finite),
    ] = None,
    align: Annotated[str, typer.Option(help="Depth alignment: none or median.")] = "none",
    fps: Fps = None,
    out: Out = None,
    compare: Compare = False,
    joint_space: JointSpace = False,
    data: DataFolder = Path("data"),
) -> None:
    """Evaluate models on labelled pictures. The table goes to stdout, the report into --out."""
    if align not in ("none", "median"):
        raise command.UsageError(f"--align is none or median, got {align!r}")
    if out is None and (compare or joint_space):
        raise command.UsageError(
            "--compare and --joint-space are parts of the report: give its folder with --out"
        )
    if out is not None and out.exists() and not out.is_dir():
        raise command.UsageError(f"--out {out} is a file: give a folder's name")
    from depdis_deploy.sizes import parse_sides

    wanted = parse_sides(imgsz)
    command.begin()
    require("depdis-evaluate", "train")
    resolved = _resolved(config, settings or [], target, split, reestimate=reestimate)

    from .entries import expanded, opened
    from .evaluated import Options
    from .experiment_data import open_data
    from .full_evaluation import Extras, full_evaluation

    assert resolved.validation is not None  # `_resolved` has looked
    files = expanded(models)
    if any(path.suffix.lower() in (".onnx", ".xml") for _, path in files):
        require("depdis-evaluate with an exported model", engine=True)
    dataset = open_data(resolved.validation, "validation", "--target", data)
    anew = _statistics_of(resolved, data) if reestimate else None
    found = [opened(title, path, resolved, size=wanted, statistics=anew) for title, path in files]
    if compare and len(found) < 2:
        raise command.UsageError("--compare needs two models or more")
    if joint_space and all(one.network is None for one in found):
        raise command.UsageError("--joint-space needs a checkpoint: exported models do not show their features")
    metrics = full_evaluation(
        found, dataset, resolved,
        Options(pictures=pictures, cap_m=cap, align=align, rate=fps or getattr(dataset, "rate", None)), out=out,
        extras=Extras(compare=compare, joint_space=joint_space or (compare and len(found) > 1)),
    )  # fmt: skip
    _say(metrics, out)


def _statistics_of(config: Config, data: Path) -> Dataset:
    """The pictures to take batch-norm statistics from."""
    from .experiment_data import open_data

    if config.target is None:
        raise command.UsageError(f"{config.name} names no target: leave out --reestimate")
    return open_data(config.target, "target", "--target", data)


def _say(metrics: Mapping[str, Any], out: Path | None) -> None:
    from .report.reading import as_text, by_class, depth_table, overview, published_table

    tables = (published_table(metrics), overview(metrics), by_class(metrics), depth_table(metrics))
    write_out("\n\n".join(as_text(table) for table in tables if table is not None))
    if out is not None:
        write_err(f"report: {out / 'report.html'}")


def _resolved(
    config: str, settings: list[str], target: Path | None, split: str | None, *, reestimate: bool
) -> Config:
    from .config import load_config
    from .data.drive import is_drive

    changes: dict[str, Any] = {}
    if target is not None:
        changes["validation.root"] = str(target)
        if is_drive(target):
            changes["validation.layout"] = "drive"
        if reestimate:
            changes["target.root"] = str(target)
            if is_drive(target):
                changes |= {"target.layout": "drive", "target.split": "all"}
    changes |= {} if split is None else {"validation.split": split}
    resolved = load_config(config, settings, changes)
    if resolved.validation is None:
        raise command.UsageError(f"{config} names no validation set to score on")
    return resolved


def main() -> None:
    """Entry point."""
    command.run(app)


if __name__ == "__main__":
    main()
