"""How an experiment's file and `--set` differ from the defaults tree, and the refusal of what does not fit."""

from __future__ import annotations

import difflib
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from depdis_deploy.command import UsageError
from depdis_deploy.json_files import shortened, shown

from .config_files import OLD_LOSSES, merged, parsed, read_tree, renamed
from .methods import METHODS, MethodConfig, find_method, is_in_file
from .settings import Config

_DEFAULT_METHOD = "depdis"
_OLD_KEYS = {"method": "method.name", "variant": "method.variant"}
_ALL_KEYS = frozenset(key for method in METHODS.values() for key in method.Config.model_fields)


def load_config(name: str, settings: Sequence[str] = (), changes: Mapping[str, Any] | None = None) -> Config:
    """The configuration `name` (one of the package's, or a YAML file's path) with `key=value` settings.

    changes: dotted keys with values (what a command's own options say). Over all of them stand the settings.
    A file's `extends` names another configuration that it differs from. Its `methods` maps methods to settings
    that hold where that method is chosen; its `when` maps "key=value" to differences that hold where the key
    has that value. Raises UsageError for an unknown name or key (naming the nearest right one) or a value that
    does not fit.
    """
    tree, title = read_tree(name)
    cases = _cases(name, tree.pop("when", None))
    by_method = tree.pop("methods", {})
    asked: dict[str, Any] = {}
    for key, value in (changes or {}).items():
        asked = merged(asked, _put(key, value))
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes key=value, got {shown(setting)}")
        asked = merged(asked, _put(key.strip(), parsed(text, f"--set {shortened(setting, 60)}")))
    defaults = Config(name=title).model_dump()
    wanted = merged(merged(defaults, tree), asked)
    for condition, differences in cases.items():
        key, _, value = condition.partition("=")
        if str(_get(wanted, _OLD_KEYS.get(key, key))) == value:
            tree = merged(tree, differences)
    wanted = merged(merged(defaults, tree), asked)
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
    return {**by_method.get(name, {}), **_flat(own, name), **_flat(of_command, name), "name": name}


def _flat(section: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A `method` section with the keys that were once losses, except for those that only other methods have."""
    lacking = _ALL_KEYS - find_method(name).Config.model_fields.keys()
    old = {key: value for key, value in section.get(OLD_LOSSES, {}).items() if key not in lacking}
    return {**old, **{key: value for key, value in section.items() if key != OLD_LOSSES}}


def build_config(tree: Mapping[str, Any], asked: Config | None = None) -> Config:
    """A whole tree (as `Config.plain` gives it) as a Config; UsageError names what does not fit.

    asked: what the user asked for, where the tree is of a file that may come from anyone: a Python file that
        holds the method is executed only if that names it too.
    """
    tree = renamed(tree)
    method = tree.get("method")
    name = str(method.get("name", _DEFAULT_METHOD)) if isinstance(method, dict) else ""
    if asked is not None and is_in_file(name) and name != asked.method.name:
        raise UsageError(
            f"the run's method is {shortened(name, 100)}, a Python file that would be executed; "
            "name it with --method"
        )
    if isinstance(method, dict):
        tree["method"] = _flat(method, name)
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


def _cases(name: str, cases: Any) -> dict[str, dict[str, Any]]:
    """The `when` of a configuration: conditions with the differences that hold under them."""
    found = {} if cases is None else cases
    if not isinstance(found, dict) or not all(
        isinstance(condition, str) and isinstance(differences, dict) for condition, differences in found.items()
    ):
        raise UsageError(f"{name}: when maps key=value to keys and values, got {shown(cases)}")
    return found


def _put(key: str, value: Any) -> dict[str, Any]:
    """A tree that holds one value, under a dotted key."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return renamed(value)


def _get(tree: Mapping[str, Any], key: str) -> Any:
    value: Any = tree
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


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
            if issubclass(model, MethodConfig):
                own = ", ".join(sorted(model.model_fields.keys() - {"name"}))
                raise UsageError(f"unknown configuration key {unknown}: this method has {own}")
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
