"""Methods with the published settings, by name."""

from typing import Any

from torch import Tensor

from depdis_training.depth_distribution import DepthDistribution
from depdis_training.methods import Method, build_method, find_method, method_config


def made(
    name: str,
    variant: str | None = None,
    classes: int = 16,
    distribution: DepthDistribution | None = None,
    class_weights: Tensor | None = None,
    **changes: Any,
) -> Method:
    """A method with the published settings, but for the changes to those that it has."""
    known = find_method(name).Config.model_fields
    settings = {key: value for key, value in changes.items() if key in known}
    if variant is not None:
        settings["variant"] = variant
    return build_method(method_config(name, **settings), classes, distribution, class_weights)
