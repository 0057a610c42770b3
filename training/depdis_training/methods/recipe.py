"""Weights and readings that a method's losses are made with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Weights of the losses by name (those that a method lacks are not used), and what they are made of.

    segmentation, depth, balance_source, balance_target, adversarial: eq. 1, 2, 6 on the source, 6 on the
        target, 11; the defaults are section 3's.
    auxiliary, adversarial_auxiliary: of the second level of AdvEnt and MinEnt. entropy, entropy_auxiliary: of
        MinEnt.
    stride: the cross-entropy is taken on every stride-th pixel; 1 is the paper's.
    depth_loss: `berhu` (eq. 2-4) at the input's resolution, or `relative` (`losses.relative_depth`) or
        `abs_rel` (`losses.abs_rel`) on the feature grid, which suit a network that learns log depth.
    density_loss: `berhu` (eq. 6), or `absolute`, the mean error in shares of the 0..255 scale.
    unknown_depth: pixels whose true depth is unknown (0 in their file) are `left_out` of the losses of depth
        and density, or taken for a `zero_distance`, as the release takes those of SYNTHIA.
    source_density: what the source's density map is made of. `paper`: the true depth at every pixel.
        `release`: a pixel that is predicted wrongly is looked up at inverse depth 0, since the release reads
        its map from stored ones that are zeroed outside the true class; the source is sampled at the centres
        of the grid's cells. Where the paper's density is made of predicted depth (S2) both are one.
    density_target: how the maps that density is regressed to take the prediction. `argmax`: its most probable
        class, a constant of the gradient, in both paper and release. `expected`: the mean over all classes by
        their probabilities, through which the balance loss trains segmentation and, on the target, depth too.
    discriminator_density_scale: what density (0..255) is multiplied with in the discriminator's input. 1 is
        the paper's; 1/255 keeps the input of the size of self-information, for rates that suit that.
    """

    segmentation: float = 1.0
    depth: float = 0.005
    balance_source: float = 0.01
    balance_target: float = 0.05
    adversarial: float = 0.05
    auxiliary: float = 0.1
    adversarial_auxiliary: float = 0.0002
    entropy: float = 0.001
    entropy_auxiliary: float = 0.0002
    stride: int = 1
    depth_loss: Literal["berhu", "relative", "abs_rel"] = "berhu"
    density_loss: Literal["berhu", "absolute"] = "berhu"
    unknown_depth: Literal["left_out", "zero_distance"] = "left_out"
    source_density: Literal["paper", "release"] = "paper"
    density_target: Literal["argmax", "expected"] = "argmax"
    discriminator_density_scale: float = 1.0


# The weights that each method was published with, where they differ from DepDis'.
_PUBLISHED: dict[str, dict[str, float]] = {
    "depdis": {},
    "advent": {"adversarial": 0.001},
    "minent": {},
    "dada": {"depth": 0.001, "adversarial": 0.001},
}


def published_recipe(method: str) -> Recipe:
    """The recipe with the weights that a method was published with; KeyError for a method that is none here."""
    return replace(Recipe(), **_PUBLISHED[method])  # type: ignore[arg-type]
