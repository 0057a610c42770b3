"""Published methods by name: what each learns from, with which heads, losses and discriminators."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from torch import Tensor

from depdis_deploy.command import UsageError, one_line
from depdis_deploy.json_files import shown
from depdis_training.depth_distribution import DepthDistribution

from .advent import AdvEnt
from .dada import Dada
from .depdis import VARIANTS, DepDis, Variant
from .method import Method, MethodConfig, Outputs, Step, adversarial_name
from .minent import MinEnt

__all__ = [
    "ENTRY_POINTS",
    "METHODS",
    "VARIANTS",
    "Method",
    "MethodConfig",
    "Outputs",
    "Step",
    "Variant",
    "adversarial_name",
    "build_method",
    "find_method",
    "is_in_file",
    "method_config",
]

METHODS: dict[str, type[Method]] = {"depdis": DepDis, "advent": AdvEnt, "minent": MinEnt, "dada": Dada}
ENTRY_POINTS = "depdis.methods"  # group in which other packages name theirs


def is_in_file(name: str) -> bool:
    """Whether a method's name is that of a class in a Python file, which is executed to find it."""
    return name.rpartition(":")[0].endswith(".py")


def find_method(name: str) -> type[Method]:
    """Return the class of a method.

    Args:
        name: A key of METHODS, the name of an entry point in the group `depdis.methods`, or a class in a
            Python file, as `path/to/file.py:MyMethod`.

    Raises:
        UsageError: There is none of that name, or it is no subclass of `Method`.
    """
    if name in METHODS:
        return METHODS[name]
    found: Any = None
    if is_in_file(name):
        path, _, attribute = name.rpartition(":")
        found = getattr(_module(path), attribute, None)
    else:
        for entry in entry_points(group=ENTRY_POINTS, name=name):
            found = entry.load()
    if found is None:
        raise UsageError(
            f"no method {shown(name)}; there are {', '.join(METHODS)}, or a class in a file: file.py:MyMethod"
        )
    if not isinstance(found, type) or not issubclass(found, Method):
        raise UsageError(f"{name}: expected a subclass of depdis_training.methods.Method, got {shown(found)}")
    return found


def method_config(name: str, **values: Any) -> MethodConfig:
    """Return the settings of a method: as published, except for `values`."""
    return find_method(name).Config(name=name, **values)


def build_method(
    config: MethodConfig,
    num_classes: int,
    distribution: DepthDistribution | None = None,
    class_weights: Tensor | None = None,
) -> Method:
    """Return the method that `config` is of; arguments as for `Method`.

    Raises:
        UsageError: There is no such method.
        ValueError: The distribution is of other classes.
    """
    return find_method(config.name)(config, num_classes, distribution, class_weights)


@cache
def _module(path: str) -> Any:
    """Return the module in a file, which is executed once."""
    file = Path(path).resolve()
    name = f"depdis_method_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise UsageError(f"{path}: no such Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise UsageError(f"{path}: {type(error).__name__}: {one_line(error)}") from error
    return module
