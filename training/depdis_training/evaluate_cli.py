"""`depdis-evaluate`: class IoU, depth and density errors of checkpoints, exported models and runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from depdis_deploy import command

if TYPE_CHECKING:
    from depdis_deploy.manifest import Manifest

    from .data.samples import Dataset
    from .scoring import Model

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)

_EXPORTED = (".onnx", ".engine", ".xml")


@app.command(epilog="Example: depdis-evaluate runs/street-depdis-M4-s0 --config street")
def evaluate(
    models: Annotated[list[Path], typer.Argument(help="Checkpoints, exported models or run folders.")],
    config: Annotated[str, typer.Option(help="The configuration whose validation set is scored on.")],
    target: Annotated[Path | None, typer.Option(help="Root of the data set to score on.")] = None,
    split: Annotated[str | None, typer.Option(help="Its split.  [default: the configuration's]")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the configuration; repeatable."),
    ] = None,
    pictures: Annotated[int | None, typer.Option(help="Score on the first N pictures only.", min=1)] = None,
    size: Annotated[
        str | None, typer.Option(help="Another input size than the model's own, as 640x320 (checkpoints only).")
    ] = None,
    reestimate: Annotated[
        bool,
        typer.Option(
            "--reestimate",
            help="Take batch-norm statistics anew from the configuration's target (checkpoints only).",
        ),
    ] = False,
    cap: Annotated[float | None, typer.Option(help="Leave out depths beyond so many metres.", min=0)] = None,
    align: Annotated[str, typer.Option(help="Depth alignment: none or median.")] = "none",
    out: Annotated[Path | None, typer.Option(help="A folder for scores.json and scores.txt.")] = None,
    data: Annotated[Path, typer.Option(help="Where generated data sets are kept.")] = Path("data"),
) -> None:
    """Score models on labelled pictures. The table goes to stdout."""
    from .config import load_config

    if align not in ("none", "median"):
        raise command.UsageError(f"--align is none or median, got {align!r}")
    changes: dict[str, Any] = {} if target is None else {"validation.root": str(target)}
    if reestimate and target is not None:
        changes["target.root"] = str(target)
    changes |= {} if split is None else {"validation.split": split}
    resolved = load_config(config, settings or [], changes)
    if resolved.validation is None:
        raise command.UsageError(f"{config} names no validation set to score on")

    import json

    from depdis_deploy.files import written_whole

    from .depth_distribution import DepthDistribution
    from .evaluation import as_table
    from .experiment_data import open_data
    from .scoring import figures, score

    dataset = open_data(resolved.validation, "validation", "--target", data)
    pictures_of_target = None
    if reestimate:
        if resolved.target is None:
            raise command.UsageError(f"{config} names no target: leave out --reestimate")
        pictures_of_target = open_data(resolved.target, "target", "--target", data)
    results: dict[str, Any] = {}
    for title, path in _expanded(models):
        model, manifest = _open(path, size, pictures_of_target)
        distribution = DepthDistribution.from_dict(manifest.density) if manifest.density else None
        scores = score(
            model, dataset, manifest, distribution=distribution, pictures=pictures, cap_m=cap, align=align,
            what=title, quiet=False,
        )  # fmt: skip
        results[title] = figures(scores)
    table = as_table({}, {title: result["figures"] for title, result in results.items()})
    print(table)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        for name, text in (("scores.json", json.dumps(results, indent=1)), ("scores.txt", table)):
            with written_whole(out / name) as temporary:
                temporary.write_text(text + "\n", encoding="utf-8")


def _expanded(models: list[Path]) -> list[tuple[str, Path]]:
    """Titles and files; a run folder stands for the last and the best snapshot of its furthest stage."""
    from .run_folder import snapshots

    found = []
    for path in models:
        if path.is_dir():
            those = snapshots(path)
            if not those:
                raise command.InputError(f"{path}: no run folder, it holds no stage with a last.pt")
            found += [(f"{path.name}/{one.parent.name}/{one.stem}", one) for one in those]
        else:
            found.append((path.name, path))
    return found


def _open(path: Path, size: str | None, statistics: Dataset | None) -> tuple[Model, Manifest]:
    from dataclasses import replace

    from .scoring import exported_model, torch_model

    if path.suffix in _EXPORTED:
        if size is not None or statistics is not None:
            raise command.UsageError("--size and --reestimate are for checkpoints only")
        return exported_model(path)
    import torch

    from .checkpoint import read_checkpoint

    checkpoint = read_checkpoint(path)
    if checkpoint.manifest is None:
        raise command.InputError(
            f"{path} does not say how its input is made: export it with depdis-export --imgsz and score "
            "the exported model"
        )
    manifest = checkpoint.manifest
    if size is not None:
        width, height = _size(size)
        manifest = replace(manifest, resize=replace(manifest.resize, width=width, height=height))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = checkpoint.network.to(device)
    if statistics is not None:
        from .batch_statistics import reestimated

        network = reestimated(network, statistics, manifest.resize)
    return torch_model(network, manifest, device), manifest


def _size(text: str) -> tuple[int, int]:
    parts = text.split("x")
    if len(parts) != 2 or not all(part.isdigit() and int(part) > 0 for part in parts):
        raise command.UsageError(f"--size is WIDTHxHEIGHT as 640x320, got {text!r}")
    return int(parts[0]), int(parts[1])


def main() -> None:
    """Entry point."""
    command.run(app)


if __name__ == "__main__":
    main()
