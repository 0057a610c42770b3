"""From the command's options to the configurations of one run or of a sweep's runs, by their folders' names."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from depdis_deploy.address import masked
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.terminal import plain_name

from .config import load_config
from .settings import Config


@dataclass(frozen=True, kw_only=True)
class Options:
    """What was asked for on the command line."""

    config: str = "street"
    method: str | None = None
    variants: tuple[str, ...] = ()
    seeds: tuple[int, ...] = ()
    settings: tuple[str, ...] = ()
    source: Path | None = None
    target: Path | None = None
    init: Path | None = None
    from_scratch: bool = False


def configurations(options: Options) -> dict[str, Config]:
    """Run folder names to configurations: one for each variant and seed.

    UsageError for options that contradict each other, a target that is neither a set nor frames, or an
    unknown name.
    """
    if options.init is not None and options.from_scratch:
        raise UsageError("--init and --from-scratch contradict each other: give one of them")
    found = {}
    for variant, seed in product(options.variants or (None,), options.seeds or (None,)):
        config = _configuration(options, variant, seed)
        found[run_name(config)] = config
    return found


def run_name(config: Config) -> str:
    """CONFIG-METHOD-VARIANT-sSEED; without the variant where the method has none, with the name of frames."""
    frames = config.target is not None and config.target.layout == "frames"
    own = plain_name(Path(str(config.target.root)).stem) if frames and config.target else ""
    parts = [config.name, own, config.method.label, f"s{config.seed}"]
    return "-".join(part for part in parts if part)


def _configuration(options: Options, variant: str | None, seed: int | None) -> Config:
    changes: dict[str, Any] = {}
    if seed is not None:
        changes["seed"] = seed
    if options.method is not None:
        changes["method.name"] = options.method
    if variant is not None:
        changes["method.variant"] = variant
    if options.source is not None:
        changes["source.root"] = str(options.source)
    if options.init is not None:
        changes["network.init"] = str(options.init)
    if options.from_scratch:
        changes["network.start"] = "scratch"
    if options.target is not None:
        changes |= _target(options, options.target)
    return load_config(options.config, options.settings, changes)


def _target(options: Options, root: Path) -> dict[str, Any]:
    """What a target's root changes: a set of the configuration's layout, or frames without labels."""
    if not root.exists():
        raise InputError(f"--target {masked(str(root))}: no such file or folder")
    plain = load_config(options.config, options.settings)
    if not root.is_dir() or _holds_frames(root):
        frames = {"layout": "frames", "split": "train", "root": str(root), "street": None}
        taxonomy = plain.source.taxonomy
        return {"target": {**frames, "taxonomy": taxonomy}, "validation": None}
    changes = {}
    for role, data in (("target", plain.target), ("validation", plain.validation)):
        if data is not None:
            changes[f"{role}.root"] = str(root)
    return changes


def _holds_frames(folder: Path) -> bool:
    from depdis_deploy.sources import PICTURE_SUFFIXES, VIDEO_SUFFIXES

    return any(
        path.suffix.lower() in PICTURE_SUFFIXES | VIDEO_SUFFIXES for path in folder.iterdir() if path.is_file()
    )
