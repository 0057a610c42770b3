"""A training that goes on from another one, and what of its own configuration that other one has too."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from depdis_deploy.command import UsageError
from depdis_deploy.json_files import shortened

from .config import load_config
from .config_files import bundled_names
from .settings import Config

_SHARED = ("seed", "source", "target", "validation", "input", "augment")
# So that this run's streets can be new to the network.
_OWN = "source.street.seed"


def run_before(config: Config, folder: Path) -> tuple[Config, Path] | None:
    """The run whose result this one goes on from, and its folder; None where there is none.

    It is of `network.after`, on this one's network and arithmetic. Of a configuration of the package what was
    given beside it (data, seed, input, views) holds for both, and what it says itself for this run alone; of a
    file of one's own both count as given. A generated source keeps its own seed.
    """
    name, network = config.network.after, config.network
    if name is None or network.init is not None:
        return None
    _check_ends(config)
    asked = {key: value for key, value in _given(config, name).items() if key != _OWN}
    asked |= {"network.backbone": network.backbone, "training.precision": config.training.precision}
    if network.start == "scratch":
        asked["network.start"] = "scratch"
    return load_config(name, changes=asked), folder.resolve().with_name(f"{folder.name}-before")


def _check_ends(config: Config) -> None:
    """Check that the runs which come before a run do not go on from each other in a circle."""
    names: list[str] = []
    network = config.network
    while network.after is not None and network.init is None:
        if network.after in names:
            circle = shortened(" -> ".join((*names, network.after)))
            raise UsageError(f"network.after: configurations go on from each other in a circle: {circle}")
        names.append(network.after)
        network = load_config(network.after).network


def _given(config: Config, after: str) -> dict[str, Any]:
    """What of the shared sections the configuration of the package that goes on from `after` does not say."""
    ours = dict(_leaves({key: config.plain()[key] for key in _SHARED}))
    for name in bundled_names():
        packaged = load_config(name)
        if packaged.network.after == after:
            said = dict(_leaves(packaged.plain()))
            return {key: value for key, value in ours.items() if key not in said or said[key] != value}
    return ours


def _leaves(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield before + key, value
