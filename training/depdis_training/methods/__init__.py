"""Published methods by name: what each learns from, with which heads, losses and discriminators."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from depdis_training.depth_distribution import DepthDistribution

from .advent import AdvEnt
from .dada import Dada
from .depdis import VARIANTS, DepDis, Variant
from .method import Method, Outputs, adversarial_name
from .minent import MinEnt
from .recipe import Recipe, published_recipe

__all__ = [
    "DEFAULT_VARIANT",
    "METHODS",
    "VARIANTS",
    "Method",
    "Outputs",
    "Recipe",
    "Variant",
    "adversarial_name",
    "build_method",
    "published_recipe",
]

DEFAULT_VARIANT = "M4"

Builder = Callable[[Recipe, str | None, int, DepthDistribution | None, Tensor | None], Method]


def _depdis(
    recipe: Recipe, variant: str | None, num_classes: int, distribution: DepthDistribution | None,
    class_weights: Tensor | None,
) -> Method:  # fmt: skip
    name = DEFAULT_VARIANT if variant is None else variant
    if name not in VARIANTS:
        raise ValueError(f"no variant {name!r} of depdis; there are {', '.join(VARIANTS)}")
    return DepDis(VARIANTS[name], recipe, num_classes, distribution, class_weights)


# Each from (recipe, variant, number of classes, distribution, class weights).
METHODS: dict[str, Builder] = {
    "depdis": _depdis,
    "advent": lambda recipe, _, classes, __, weights: AdvEnt(recipe, classes, weights),
    "minent": lambda recipe, _, __, ___, weights: MinEnt(recipe, weights),
    "dada": lambda recipe, _, classes, __, weights: Dada(recipe, classes, weights),
}


def build_method(
    name: str, variant: str | None = None, *, num_classes: int, recipe: Recipe,
    distribution: DepthDistribution | None = None, class_weights: Tensor | None = None,
) -> Method:  # fmt: skip
    """The method `name`; `depdis` has variants (`VARIANTS`), of which M4 is the default.

    recipe: weights and readings (`published_recipe(name)`: as published). distribution: what density is
    learned from, needed where the method has that branch. class_weights: (C,), of the cross-entropy.
    Raises ValueError for an unknown method or variant, a variant of another method than depdis, or a
    distribution that is missing.
    """
    if name not in METHODS:
        raise ValueError(f"no method {name!r}; there are {', '.join(METHODS)}")
    if variant is not None and name != "depdis":
        raise ValueError(f"variants are depdis' ablations; {name} has none, got {variant!r}")
    return METHODS[name](recipe, variant, num_classes, distribution, class_weights)
