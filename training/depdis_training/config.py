"""How an experiment's file and `--set` differ from the defaults tree, and the refusal of what does not fit."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.json_files import read_text, shortened, shown

from .methods import METHODS, MethodConfig, find_method, is_in_file
from .settings import Config
from .yaml_text import LARGEST_YAML, parse_yaml

_DEFAULTS = "small"  # what a file that extends nothing differs from
_DEFAULT_METHOD = "depdis"
_OLD_KEYS = {"method": "method.name", "variant": "method.variant"}
_OLD_LOSSES = frozenset(
    key for method in METHODS.values() for key in method.Config.model_fields if key not in ("name",)
)


def bundled_names() -> list[str]:
    """The names of the configurations inside the package."""
    folder = resources.files(__package__) / "configs"
    return sorted(
        entry.name.removesuffix(".yaml") for entry in folder.iterdir() if entry.name.endswith(".yaml")
    )


def load_config(name: str, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None) -> Config:
    """The configuration `name` (one of the package's, or a YAML file's path) with `key=value` settings.

    changes: dotted keys with values (what a command's own options say). Over all of them stand the settings.
    A file's `extends` names another configuration that it differs from. Its `methods` maps methods to settings
    that hold where that method is chosen; its `when` maps "key=value" to differences that hold where the key
    has that value. Raises UsageError for an unknown name or key (naming the nearest right one) or a value that
    does not fit.
    """
    tree, title = _read(name, ())
    cases = _cases(name, tree.pop("when", None))
    by_method = tree.pop("methods", {})
    asked: dict[str, Any] = {}
    for key, value in (changes or {}).items():
        asked = _merged(asked, _put(key, value))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes key=value, got {shown(setting)}")
        asked = _merged(asked, _put(key.strip(), _parsed(text, f"--set {shortened(setting, 60)}")))
    defaults = Config(name=title).model_dump()
    wanted = _merged(_merged(defaults, tree), asked)
    for condition, differences in cases.items():
        key, _, value = condition.partition("=")
        if str(_get(wanted, _OLD_KEYS.get(key, key))) == value:
            tree = _merged(tree, differences)
    wanted = _merged(_merged(defaults, tree), asked)
    return build_config({**wanted, "method": _method(title, by_method, tree, asked)})


def _method(title: str, by_method: Any, tree: Mapping[str, Any], asked: Mapping[str, Any]) -> Any:
    """The `method` section: as published, then by the file's `methods`, its `method`, and the command line."""
    sections = [one.get("method", {}) for one in (tree, asked)]
    if wrong := next((section for section in sections if not isinstance(section, dict)), None):
        return wrong
    if not isinstance(by_method, dict) or not all(isinstance(one, dict) for one in by_method.values()):
        raise UsageError(f"{title}: methods maps names of methods to their settings, got {shown(by_method)}")
    of_file, of_command = sections
    named = str(of_file.get("name", _DEFAULT_METHOD))
    if is_in_file(named):
        raise UsageError(
            f"{title}: a configuration file cannot name a Python file ({shortened(named, 100)}), which would "
            "be executed; give it with --method"
        )
    name = of_command.get("name", named)
    own = of_file if name == named else {}  # the file's are those of another method
    return {**by_method.get(name, {}), **own, **of_command, "name": name}


def build_config(tree: Mapping[str, Any], asked: Config | None = None) -> Config:
    """A whole tree (as `Config.plain` gives it) as a Config; UsageError names what does not fit.

    asked: what the user asked for, where the tree is of a file that may come from anyone: a Python file that
        holds the method is executed only if that names it too.
    """
    tree = _renamed(tree)
    method = tree.get("method")
    name = str(method.get("name", "")) if isinstance(method, dict) else ""
    if asked is not None and is_in_file(name) and name != asked.method.name:
        raise UsageError(
            f"the run is of the method {shortened(name, 100)}, which would be executed: give --method"
        )
    _refuse_unknown(tree, Config, "")
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        if first["type"] != "value_error":
            message = f"configuration key {where}: {message}, got {shown(first['input'])}"
        raise UsageError(shortened(message)) from None


def _read(name: str, before: tuple[str, ...]) -> tuple[dict[str, Any], str]:
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
    tree = _parsed(text, name)
    if tree is not None and not isinstance(tree, dict):
        raise UsageError(f"{name}: a configuration is a mapping of keys to values, got {shown(tree)}")
    return _extended({"extends": _DEFAULTS, **(tree or {})}, (*before, name)), title


def _extended(tree: dict[str, Any], before: tuple[str, ...]) -> dict[str, Any]:
    """A configuration's tree over that of the one which it extends."""
    extended = tree.pop("extends", None)
    tree = _renamed(tree)
    return tree if extended is None else _merged(_part(str(extended), before), tree)


def _part(name: str, before: tuple[str, ...]) -> dict[str, Any]:
    """What several configurations share: one of the package's, or a file of `configs/parts`."""
    parts = resources.files(__package__) / "configs" / "parts"
    if f"{name}.yaml" not in {entry.name for entry in parts.iterdir()}:
        return _read(name, before)[0]
    return _extended(dict(_parsed((parts / f"{name}.yaml").read_text(encoding="utf-8"), name)), before)


def _cases(name: str, cases: Any) -> dict[str, dict[str, Any]]:
    """The `when` of a configuration: conditions with the differences that hold under them."""
    found = {} if cases is None else cases
    if not isinstance(found, dict) or not all(
        isinstance(condition, str) and isinstance(differences, dict) for condition, differences in found.items()
    ):
        raise UsageError(f"{name}: when maps key=value to keys and values, got {shown(cases)}")
    return found


def _parsed(text: str, where: str) -> Any:
    try:
        return parse_yaml(text)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from None


def _put(key: str, value: Any) -> dict[str, Any]:
    """A tree that holds one value, under a dotted key."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return _renamed(value)


def _renamed(tree: Mapping[str, Any]) -> dict[str, Any]:
    """A tree with its method as a section, whose keys may have their old places.

    `losses.*`, `variant` and `discriminator.density_scale` became keys of `method`. Whole trees of old runs
    have those of all methods under `losses`: the ones that their method lacks are left out.
    """
    tree = dict(tree)
    method = tree.pop("method", None)
    if isinstance(method, str):
        method = {"name": method}
    moved: dict[str, Any] = {}
    losses = tree.pop("losses", {})
    if not isinstance(losses, dict):
        raise UsageError(f"losses is a mapping of keys to values, now named method; got {shown(losses)}")
    moved |= losses
    if tree.get("variant") is not None:
        moved["variant"] = tree["variant"]
    tree.pop("variant", None)
    discriminator = tree.get("discriminator")
    if isinstance(discriminator, dict) and "density_scale" in discriminator:
        moved["density_scale"] = discriminator["density_scale"]
        tree["discriminator"] = {key: value for key, value in discriminator.items() if key != "density_scale"}
    if method is not None and not isinstance(method, dict):
        return {**tree, "method": method}
    if moved and isinstance(method, dict) and (known := METHODS.get(str(method.get("name")))):
        lacking = _OLD_LOSSES - known.Config.model_fields.keys()
        moved = {key: value for key, value in moved.items() if key not in lacking}
    section = {**moved, **(method or {})}
    return {**tree, "method": section} if section else tree


def _get(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return merged


def _section(annotation: Any) -> type[BaseModel] | None:
    if get_origin(annotation) in (Union, types.UnionType):
        return next((found for found in map(_section, get_args(annotation)) if found), None)
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _keys(model: type[BaseModel], before: str = "") -> list[str]:
    keys = []
    for name, field in model.model_fields.items():
        inner = _section(field.annotation)
        keys += [before + name] if inner is None else [before + name, *_keys(inner, f"{before}{name}.")]
    return keys


def _refuse_unknown(tree: Mapping[str, Any], model: type[BaseModel], before: str) -> None:
    for key, value in tree.items():
        if key not in model.model_fields:
            unknown = shortened(f"{before}{key}", 100)
            raise UsageError(f"unknown configuration key {unknown}; nearest: {_nearest(unknown)}")
        inner = _section(model.model_fields[key].annotation)
        if inner is MethodConfig and isinstance(value, Mapping):
            inner = find_method(str(value.get("name", _DEFAULT_METHOD))).Config
        if inner is not None and isinstance(value, Mapping):
            _refuse_unknown(value, inner, f"{before}{key}.")


def _nearest(key: str) -> str:
    own = {f"method.{name}" for method in METHODS.values() for name in method.Config.model_fields}
    keys = [*_keys(Config), *sorted(own)]
    leaf = key.rsplit(".", 1)[-1]
    found = [known for known in keys if known.rsplit(".", 1)[-1] == leaf]
    found = found or difflib.get_close_matches(key, keys, 1, 0.0)
    by_leaf = difflib.get_close_matches(leaf, [known.rsplit(".", 1)[-1] for known in keys], 1, 0.8)
    if not any(known.rsplit(".", 1)[-1] == leaf for known in found) and by_leaf:
        found = [known for known in keys if known.rsplit(".", 1)[-1] == by_leaf[0]]
    return " or ".join(found)
