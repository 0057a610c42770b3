"""Configuration files: their trees of plain values, before anything is checked."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.json_files import read_text, shortened, shown

from .data_settings import Data
from .yaml_text import LARGEST_YAML, parse_yaml

OLD_LOSSES = " losses"  # no key of a file
_DEFAULTS = "small"  # what a file that extends nothing differs from


def bundled_names() -> list[str]:
    """The names of the configurations inside the package."""
    folder = resources.files(__package__) / "configs"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def data_sections(name: str) -> dict[str, Data | None]:
    """Return source, target and validation set of a bundled configuration."""
    tree, _ = read_tree(name)
    roles = ("source", "target", "validation")
    return {role: None if tree[role] is None else Data(**tree[role]) for role in roles}


def read_tree(name: str, before: tuple[str, ...] = ()) -> tuple[dict[str, Any], str]:
    """The tree of a configuration and its title; before: the configurations that extend it."""
    if name in before:
        raise UsageError(
            f"configurations extend each other in a circle: {shortened(' -> '.join((*before, name)))}"
        )
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        if not path.exists():
            raise UsageError(f"no configuration file {name}")
        try:
            text, title = read_text(path, LARGEST_YAML), path.stem
        except InputError as error:
            raise UsageError(str(error)) from None
    elif name in bundled_names():
        text = (resources.files(__package__) / "configs" / f"{name}.yaml").read_text(encoding="utf-8")
        title = name
    else:
        raise UsageError(
            f"no configuration named {shown(name)}; there are {', '.join(bundled_names())}, or give a .yaml "
            "file"
        )
    tree = parsed(text, name)
    if tree is not None and not isinstance(tree, dict):
        raise UsageError(f"{name}: a configuration is a mapping of keys to values, got {shown(tree)}")
    return _extended({"extends": _DEFAULTS, **(tree or {})}, (*before, name)), title


def _extended(tree: dict[str, Any], before: tuple[str, ...]) -> dict[str, Any]:
    """A configuration's tree over that of the one which it extends."""
    extended = tree.pop("extends", None)
    tree = renamed(tree)
    return tree if extended is None else merged(_part(str(extended), before), tree)


def _part(name: str, before: tuple[str, ...]) -> dict[str, Any]:
    """What several configurations share: one of the package's, or a file of `configs/parts`."""
    parts = resources.files(__package__) / "configs" / "parts"
    if f"{name}.yaml" not in {entry.name for entry in parts.iterdir()}:
        return read_tree(name, before)[0]
    return _extended(dict(parsed((parts / f"{name}.yaml").read_text(encoding="utf-8"), name)), before)


def parsed(text: str, where: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def renamed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with its method as a section, whose keys may have their old places.

    `losses.*`, `variant` and `discriminator.density_scale` became keys of `method`. The losses are those of all
    methods, so they stay apart under OLD_LOSSES until the method is known.
    """
    tree = dict(tree)
    method = tree.pop("method", None)
    if isinstance(method, str):
        method = {"name": method}
    moved = tree.pop("losses", {})
    if not isinstance(moved, dict):
        raise UsageError(f"losses is a mapping of keys to values, now named method; got {shown(moved)}")
    variant = tree.pop("variant", None)
    discriminator = tree.get("discriminator")
    if isinstance(discriminator, dict) and "density_scale" in discriminator:
        moved = {**moved, "density_scale": discriminator["density_scale"]}
        tree["discriminator"] = {key: value for key, value in discriminator.items() if key != "density_scale"}
    if method is not None and not isinstance(method, dict):
        return {**tree, "method": method}
    section = {**({"variant": variant} if variant is not None else {}), **(method or {})}
    if moved:
        section[OLD_LOSSES] = {**section.get(OLD_LOSSES, {}), **moved}
    return {**tree, "method": section} if section else tree


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(base)
    for key, value in changes.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result
