"""What is given to be evaluated, opened: checkpoints with their deployed form, exported models, runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import file_sha256
from depdis_deploy.manifest import Manifest

from .batch_statistics import reestimated
from .checkpoint import Checkpoint, read_checkpoint
from .data.samples import Dataset
from .depth_distribution import DepthDistribution
from .evaluated import Entry
from .experiment_data import taxonomy_of
from .models import exported_model, torch_models
from .network import Network
from .run_folder import SNAPSHOTS, snapshots
from .self_description import make_manifest
from .settings import Config

EXPORTED = (".onnx", ".engine", ".xml")


@dataclass(frozen=True)
class Opened:
    """One thing that was given: its entries, the first of which stands for it; the network of a checkpoint."""

    entries: tuple[Entry, ...]
    network: Network | None = None


def expanded(paths: Iterable[Path]) -> list[tuple[str, Path]]:
    """Titles and files; a run folder stands for the last and the best snapshot of its furthest stage.

    Titles differ: a name that comes again is preceded by its folder's, or numbered. InputError for a folder
    that is no run.
    """
    found: list[tuple[str, Path]] = []
    for path in paths:
        if path.is_dir():
            those = snapshots(path)
            if not those:
                raise InputError(f"{path}: no run folder, it holds no stage with a last.pt")
            found += [(_of_run(one), one) for one in those]
        else:
            found.append((_of_run(path) if path.name in SNAPSHOTS else path.name, path))
    titles: list[str] = []
    for title, path in found:
        if title in titles:
            title = f"{path.resolve().parent.name}/{title}"
        number = 1
        while title in titles:
            number += 1
            title = f"{title.removesuffix(f' ({number - 1})')} ({number})"
        titles.append(title)
    return [(title, path) for title, (_, path) in zip(titles, found, strict=True)]


def _of_run(snapshot: Path) -> str:
    """RUN/STAGE/last, or best."""
    whole = snapshot.resolve()
    return f"{whole.parent.parent.name}/{whole.parent.name}/{whole.stem}"


def opened(
    title: str, path: Path, config: Config, *, size: tuple[int, int] | None = None,
    statistics: Dataset | None = None,
) -> Opened:  # fmt: skip
    """The entries of a file; torch's networks run on the GPU where there is one.

    size: another (width, height) of the input than the model's own, where it takes any; statistics: pictures to
    take batch-norm statistics anew from, for checkpoints. InputError or UsageError where the file cannot be
    evaluated under `config`.
    """
    if path.suffix.lower() in EXPORTED:
        if statistics is not None:
            raise UsageError("--reestimate is for checkpoints only")
        model, manifest = exported_model(path, imgsz=size)
        about = {"file": path.name, "precision": manifest.precision, "source_sha256": manifest.source_sha256}
        entry = Entry(
            title=title, model=model, manifest=manifest, kind="exported", about={**about, **_input(manifest)}
        )
        return Opened((entry, *_padded(entry, config)))
    checkpoint = read_checkpoint(path)
    manifest = checkpoint.manifest or described(checkpoint, config, path)
    if size is not None:
        manifest = replace(manifest, resize=replace(manifest.resize, width=size[0], height=size[1]))
    about = {"file": path.name, "sha256": file_sha256(path), **origin(checkpoint, manifest)}
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network = checkpoint.network.to(device)
    if statistics is not None:
        network = reestimated(network, statistics, manifest.resize)
    return Opened(of_network(title, network, manifest, config, device=device, about=about), network)


def of_network(
    title: str, network: Network, manifest: Manifest, config: Config, *, device: torch.device | None,
    about: dict[str, Any], reference: str | None = None, exports: bool = True,
) -> tuple[Entry, ...]:  # fmt: skip
    """The entries of a network: as the paper evaluates, and, with `exports`, as its export makes its maps."""
    evaluated, as_exported = torch_models(network, manifest, device)
    entry = Entry(
        title=title, model=evaluated, manifest=manifest, kind="checkpoint", about=about, reference=reference
    )
    found = [entry]
    if exports:  # before the padded ones, which take another pass: these two share one
        found.append(
            replace(entry, title=f"{title}, deployed", model=as_exported, kind="deployed", reference=title)
        )
    return (*found, *_padded(entry, config))


def compared(entries: Sequence[Entry]) -> list[Entry]:
    """The same with a reference each but the first: an exported model's is its own checkpoint's deployed form,
    where that is among them; what has none is compared with the first."""
    deployed = {
        entry.about["sha256"]: entry.title
        for entry in entries
        if entry.kind == "deployed" and "sha256" in entry.about
    }
    found = []
    for place, entry in enumerate(entries):
        reference = entry.reference or deployed.get(str(entry.about.get("source_sha256")))
        if reference is None and place > 0:
            reference = entries[0].title
        found.append(replace(entry, reference=reference))
    return found


def described(checkpoint: Checkpoint, config: Config, path: Path) -> Manifest:
    """What a file that says nothing of its input is taken for: a network of the configuration.

    UsageError where its classes are not those of the configuration.
    """
    taxonomy, network = taxonomy_of(config.source), checkpoint.network
    if network.num_classes != len(taxonomy):
        raise UsageError(
            f"{path.name} has {network.num_classes} classes and does not say how its input is made; "
            f"{config.name} has {len(taxonomy)}: give the configuration that it was trained with by --config"
        )
    published = config.mixtures.published if config.mixtures.kind == "published" else None
    distribution = None if published is None else DepthDistribution.published(published)
    return make_manifest(config, network.branches, distribution)


def _padded(entry: Entry, config: Config) -> list[Entry]:
    """The release scores Mapillary's pictures at the network's padded size, others at their own."""
    validation = config.validation
    if validation is None or not validation.layout.startswith("mapillary"):
        return []
    if entry.manifest.resize.kind != "fit":
        return []
    return [replace(entry, title=f"{entry.title}, padded size", padded=True, reference=entry.title)]


def origin(checkpoint: Checkpoint, manifest: Manifest) -> dict[str, Any]:
    """What is known of a checkpoint's training and input."""
    config = checkpoint.config
    method = config.get("method")
    of_method = method if isinstance(method, dict) else {"name": method, "variant": config.get("variant")}
    named = {
        "name": config.get("name"), "method": of_method.get("name"), "variant": of_method.get("variant"),
        "seed": config.get("seed"),
    }  # fmt: skip
    known = {key: value for key, value in named.items() if isinstance(value, str | int)}
    if checkpoint.step:
        known["step"] = checkpoint.step
    if checkpoint.notes:
        known["notes"] = "; ".join(checkpoint.notes)
    return {"origin": checkpoint.kind, "backbone": checkpoint.network.backbone, **known, **_input(manifest)}


def _input(manifest: Manifest) -> dict[str, Any]:
    rule = manifest.resize
    return {"input": f"{rule.width}x{rule.height}, {rule.kind}"}
