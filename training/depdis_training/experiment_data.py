"""The data sets that a configuration names, generated on first use where they can be."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depdis_deploy.address import masked
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.taxonomy import Taxonomy

from .data import open_dataset
from .data.own import describe
from .data.part import Part, held_out
from .data.samples import Dataset
from .data_settings import TAXONOMIES, Data
from .label_folder import require_file_names
from .settings import Config
from .speech import say

# Fewer different views than this teach nothing about a camera, and tell nothing about what was learned.
LEAST_FRAMES = 8


@dataclass(frozen=True)
class ExperimentData:
    """source: with labels (and depth); target: to adapt to; validation: with labels. None where unused.

    held_out: pictures of source and target that are kept from the training, for the verdict.
    """

    source: Dataset
    target: Dataset | None
    validation: Dataset | None
    held_out: tuple[Part, Part] | None = None


def open_experiment(config: Config, cache: Path, *, uses_target: bool) -> ExperimentData:
    """Open all that a training uses. InputError names what is missing, and the option that gives it."""
    if uses_target and config.target is None:
        raise UsageError(
            f"{config.name} has no target to adapt to: give one with --target, or train on the source alone "
            "with --variant source_branches"
        )
    target, wanted = None, config.target
    # without a use for it the target still gives the batch-norm statistics that scores are compared with
    if wanted is not None and (uses_target or wanted.root is not None or wanted.street is not None):
        target = open_data(wanted, "target", "--target", cache)
        if wanted.layout == "frames" and len(target) < LEAST_FRAMES:
            raise InputError(
                f"{wanted.root}: {len(target)} picture{'s' * (len(target) > 1)} to adapt to, at least "
                f"{LEAST_FRAMES} are needed; of a video each half second gives one where the view has changed"
            )
        if uses_target:
            require_file_names(target.names)
    source = open_data(config.source, "source", "--source", cache)
    validation = None
    if config.validation is not None:
        validation = open_data(config.validation, "validation", "--target", cache)
    if target is None or not config.verdict.decide:
        return ExperimentData(source, target, validation)
    source, source_apart = held_out(source, config.verdict.every)
    target, target_apart = held_out(target, config.verdict.every)
    return ExperimentData(source, target, validation, (source_apart, target_apart))


def open_data(data: Data, role: str, option: str, cache: Path) -> Dataset:
    """The data set that a config names; a street set without a root is made under `cache` on first use."""
    if data.root is not None:
        root = Path(data.root)
        if not root.exists():
            raise InputError(f"the {role} data set: no folder {masked(data.root)}; give its root with {option}")
    elif data.street is not None:
        root = _street(data, cache)
    else:
        raise InputError(f"the {role} data set ({data.layout}) has no root: give it with {option} PATH")
    return open_dataset(data.layout, root, data.split, TAXONOMIES.get(data.taxonomy))


def taxonomy_of(data: Data) -> Taxonomy:
    """The classes that a set's labels are read in; those of a user's own set are read from its root."""
    if data.taxonomy in TAXONOMIES:
        return TAXONOMIES[data.taxonomy]
    if data.root is None:
        raise InputError(f"taxonomy {data.taxonomy} is read from a set's root: give it with --source PATH")
    return describe(Path(data.root)).classes


def _street(data: Data, cache: Path) -> Path:
    from .street.writer import write_street

    street = data.street
    assert street is not None
    width, height = street.size
    name = f"{street.domain}-{data.layout}-{data.split}-{street.pictures}x{width}x{height}-s{street.seed}"
    root = cache / f"street-{name}"
    say(f"street data: {root}")
    write_street(
        root, pictures=street.pictures, size=(width, height), domain=street.domain, layout=data.layout,
        seed=street.seed, split=data.split,
    )  # fmt: skip
    return root
