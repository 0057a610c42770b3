"""The paper's method (section 3), with every ablation of its tables 3 and 4 and of section 4.5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from depdis_deploy.taxonomy import IGNORE
from depdis_training.branches import Network
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.grids import centre_sampled, sampled
from depdis_training.loading import Batch

from .method import Outputs
from .recipe import Recipe
from .terms import (
    SegmentationLoss,
    density_loss,
    depth_loss,
    information,
    true_inverse_depth,
    upsampled,
)


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What an ablation changes; the defaults are M2, the method without self-training.

    depth, density: whether the network has the branch.
    density_labels, density_depth: what the source's density map is made of.
    target_balance: eq. 8. discriminator_input: a key of `INPUTS`, None: nothing adversarial.
    auxiliary_scale: of the weights of depth and of both balance losses.
    self_training: which pseudo-labels stage 2 keeps: those that are confident, and of these the components
        that are large enough for their class (eq. 12).
    """

    depth: bool = True
    density: bool = True
    density_labels: Literal["predicted", "true"] = "predicted"
    density_depth: Literal["predicted", "true"] = "true"
    target_balance: bool = True
    discriminator_input: str | None = "segmentation*density"
    auxiliary_scale: float = 1.0
    self_training: Literal["none", "confidence", "spatial_prior"] = "none"


VARIANTS = {
    "source_only": Variant(depth=False, density=False, target_balance=False, discriminator_input=None),
    "source_branches": Variant(density_labels="true", target_balance=False, discriminator_input=None),
    "M1": Variant(density=False, target_balance=False, discriminator_input="segmentation"),
    "M2": Variant(),
    "M3": Variant(self_training="confidence"),
    "M4": Variant(self_training="spatial_prior"),
    "S1": Variant(density_labels="true", target_balance=False),
    "S2": Variant(density_depth="predicted"),
    "S3": Variant(discriminator_input="segmentation*density*depth"),
    "S4": Variant(discriminator_input="segmentation*depth"),
    "S5": Variant(),
    "D-seg": Variant(discriminator_input="segmentation"),
    "D-density": Variant(discriminator_input="density"),
    "D-depth-seg": Variant(discriminator_input="segmentation+depth"),
    "weights-0.1": Variant(auxiliary_scale=10.0),
    "weights-0.01": Variant(auxiliary_scale=1.0),
    "weights-0.001": Variant(auxiliary_scale=0.1),
}


@dataclass(frozen=True)
class DiscriminatorMaps:
    """What a discriminator may see, at one resolution: (B, C, H, W), (B, 1, H, W), (B, 1, H, W)."""

    outputs: Outputs
    size: tuple[int, int]
    density_scale: float

    @property
    def segmentation(self) -> Tensor:
        return information(self.outputs.segmentation, self.size)

    @property
    def density(self) -> Tensor:
        assert self.outputs.density is not None
        return upsampled(self.outputs.density, self.size) * self.density_scale

    @property
    def depth(self) -> Tensor:
        assert self.outputs.depth is not None
        return upsampled(self.outputs.depth, self.size)


# The discriminator's input (section 3.4 and table 4): channels for C classes, and how it is made of the maps.
INPUTS: dict[str, tuple[Callable[[int], int], Callable[[DiscriminatorMaps], Tensor]]] = {
    "segmentation": (lambda classes: classes, lambda maps: maps.segmentation),
    "segmentation*density": (lambda classes: classes, lambda maps: maps.segmentation * maps.density),
    "segmentation*density*depth": (
        lambda classes: classes,
        lambda maps: maps.segmentation * maps.density * maps.depth,
    ),
    "segmentation*depth": (lambda classes: classes, lambda maps: maps.segmentation * maps.depth),
    "density": (lambda classes: 1, lambda maps: maps.density),
    "segmentation+depth": (
        lambda classes: classes + 1,
        lambda maps: torch.cat((maps.segmentation, maps.depth), dim=1),
    ),
}


class DepDis:
    """One network with three branches, balanced against the class-wise depth distributions."""

    fusion = False

    def __init__(
        self, variant: Variant, recipe: Recipe, num_classes: int, distribution: DepthDistribution | None,
        class_weights: Tensor | None,
    ) -> None:  # fmt: skip
        if distribution is not None and distribution.num_classes != num_classes:
            raise ValueError(
                f"density is learned from mixtures of {distribution.num_classes} classes, the network has "
                f"{num_classes}: set mixtures.published to those of its classes, or mixtures.kind=fit"
            )
        self.variant, self.recipe, self.num_classes = variant, recipe, num_classes
        self.segmentation_loss = SegmentationLoss(recipe.stride, class_weights)
        self._distribution = distribution

    @property
    def branches(self) -> tuple[str, ...]:
        return tuple(branch for branch in ("density", "depth") if getattr(self.variant, branch))

    @property
    def uses_target(self) -> bool:
        return self.variant.target_balance or self.variant.discriminator_input is not None

    @property
    def weights(self) -> Mapping[str, float]:
        """The lambdas of eq. 7, 8 and 11, for the losses that the variant has."""
        variant, recipe = self.variant, self.recipe
        weights = {"segmentation": recipe.segmentation}
        if variant.depth:
            weights["depth"] = recipe.depth * variant.auxiliary_scale
        if variant.density:
            weights["balance_source"] = recipe.balance_source * variant.auxiliary_scale
        if variant.target_balance:
            weights["balance_target"] = recipe.balance_target * variant.auxiliary_scale
        if variant.discriminator_input is not None:
            weights["adversarial"] = recipe.adversarial
        return weights

    @property
    def discriminators(self) -> Mapping[str, int]:
        if self.variant.discriminator_input is None:
            return {}
        channels, _ = INPUTS[self.variant.discriminator_input]
        return {"main": channels(self.num_classes)}

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        return nn.ModuleDict()

    def source_losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """Eq. 7: segmentation (eq. 1), depth (eq. 2), branch balance (eq. 6)."""
        true_z = true_inverse_depth(batch.inverse_depth, self.recipe.unknown_depth)
        losses = {"segmentation": self.segmentation_loss(outputs.segmentation, batch.labels)}
        if self.variant.depth:
            assert outputs.depth is not None
            losses["depth"] = depth_loss(outputs.depth, true_z, self.recipe.depth_loss)
        if self.variant.density:
            assert outputs.density is not None
            density, known = self.source_density(outputs, batch.labels, true_z)
            losses["balance_source"] = density_loss(outputs.density, density, known, self.recipe.density_loss)
        return losses

    def target_losses(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """Eq. 8: branch balance (eq. 6) on the target."""
        if not self.variant.target_balance:
            return {}
        assert outputs.density is not None
        density = self.target_density(outputs)
        everywhere = torch.ones_like(density, dtype=torch.bool)
        return {"balance_target": density_loss(outputs.density, density, everywhere, self.recipe.density_loss)}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """Section 3.4: self-information (eq. 9) times density; other products and maps for the ablations."""
        if self.variant.discriminator_input is None:
            return {}
        _, make = INPUTS[self.variant.discriminator_input]
        return {"main": make(DiscriminatorMaps(outputs, size, self.recipe.discriminator_density_scale))}

    def source_density(self, outputs: Outputs, true_labels: Tensor, true_z: Tensor) -> tuple[Tensor, Tensor]:
        """D_s of section 3.3, from the predicted classes and the true depth.

        true_labels, true_z: (B, H, W), the latter inverse depth, 0 where unknown. Returns (B, h, w) on the
        0..255 scale, and (B, h, w) booleans: where the density is known.
        """
        release = self.recipe.source_density == "release"
        take = centre_sampled if release else sampled
        grid = (outputs.segmentation.shape[2], outputs.segmentation.shape[3])
        truth, z = take(true_labels, grid).long(), take(true_z, grid)  # (B, h, w)
        labels = truth if self.variant.density_labels == "true" else outputs.segmentation.argmax(dim=1)
        known = z > 0
        if self.variant.density_depth == "predicted":
            assert outputs.depth is not None
            z, known = outputs.depth[:, 0], torch.ones_like(known)
            release = False
        elif release:
            z = torch.where(labels == truth, z, 0.0)
        if self.recipe.density_loss == "absolute":
            known = known & (labels != IGNORE)
        if self.recipe.density_target == "expected" and self.variant.density_labels == "predicted":
            return self.distribution.expected(outputs.segmentation.softmax(dim=1), z), known
        return self.distribution.density(labels, z, zero_invalid=not release), known

    def target_density(self, outputs: Outputs) -> Tensor:
        """D_t of section 3.3, from predicted classes and predicted depth, 0 where that is not positive."""
        assert outputs.depth is not None
        if self.recipe.density_target == "expected":
            return self.distribution.expected(outputs.segmentation.softmax(dim=1), outputs.depth[:, 0])
        return self.distribution.density(outputs.segmentation.argmax(dim=1), outputs.depth[:, 0])

    @property
    def distribution(self) -> DepthDistribution:
        """The class-wise depth distributions of the source; ValueError where none was given."""
        if self._distribution is None:
            raise ValueError("density is learned from the class-wise depth distributions: give `distribution`")
        return self._distribution
