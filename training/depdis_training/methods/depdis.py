"""The paper's method (section 3), with every ablation of its tables 3 and 4 and of section 4.5."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from pydantic import Field, model_validator
from torch import Tensor

from depdis_deploy.json_files import shown
from depdis_deploy.taxonomy import IGNORE
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.grids import centre_sampled, sampled
from depdis_training.loading import Batch

from .method import Method, MethodConfig, Outputs, Step
from .terms import (
    DepthLoss,
    UnknownDepth,
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


class DepDisConfig(MethodConfig):
    """Variant, weights and forms of the losses; the values are those of section 3.

    variant: a key of `VARIANTS`, an ablation of the paper.
    depth, balance_source, balance_target, adversarial: weights of eq. 2, eq. 6 on the source, eq. 6 on the
        target, and eq. 11. Those that a variant lacks are not used.
    depth_loss: `berhu` (eq. 2-4) at the input's resolution, or `relative` (`losses.relative_depth`) or
        `abs_rel` (`losses.abs_rel`) on the feature grid, which suit a network that learns log depth.
    density_loss: `berhu` (eq. 6), or `absolute`, the mean error as a share of the 0..255 scale.
    unknown_depth: pixels whose true depth is unknown (0 in their file) are `left_out` of the losses of depth
        and density, or taken for a `zero_distance`, as the release takes those of SYNTHIA.
    source_density: what the source's density map is made of. `paper`: the true depth at every pixel.
        `release`: a pixel that is predicted wrongly is looked up at inverse depth 0, since the release reads
        its map from stored ones that are zeroed outside the true class; the source is sampled at the centres
        of the grid's cells. Where the paper's density is made of predicted depth (S2) both are the same.
    density_target: how the maps that density is regressed to take the prediction. `argmax`: its most probable
        class, a constant of the gradient, in both paper and release. `expected`: the mean over all classes by
        their probabilities, through which the balance loss trains segmentation and, on the target, depth too.
    density_scale: factor on the density (0..255) in the discriminator's input. 1 is the paper's; 1/255 keeps
        the input of the size of self-information, for learning rates that suit that.
    """

    variant: str = "M4"
    depth: float = Field(default=0.005, ge=0)
    balance_source: float = Field(default=0.01, ge=0)
    balance_target: float = Field(default=0.05, ge=0)
    adversarial: float = Field(default=0.05, ge=0)
    depth_loss: DepthLoss = "berhu"
    density_loss: Literal["berhu", "absolute"] = "berhu"
    unknown_depth: UnknownDepth = "left_out"
    source_density: Literal["paper", "release"] = "paper"
    density_target: Literal["argmax", "expected"] = "argmax"
    density_scale: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _check(self) -> DepDisConfig:
        if self.variant not in VARIANTS:
            raise ValueError(f"no variant {shown(self.variant)} of depdis; there are {', '.join(VARIANTS)}")
        if self.density_target == "expected" and self.source_density == "release":
            raise ValueError(
                "method.density_target expected has no form in the release, whose maps are of one class: set "
                "method.source_density to paper"
            )
        return self


class DepDis(Method):
    """One network with three branches, balanced against the class-wise depth distributions."""

    Config = DepDisConfig

    def __init__(
        self,
        config: DepDisConfig,
        num_classes: int,
        distribution: DepthDistribution | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        super().__init__(config, num_classes, distribution, class_weights)
        if distribution is not None and distribution.num_classes != num_classes:
            raise ValueError(
                f"density is learned from mixtures of {distribution.num_classes} classes, the network has "
                f"{num_classes}: set mixtures.published to those of its classes, or mixtures.kind=fit"
            )
        self.variant = variant = VARIANTS[config.variant]
        self.branches = tuple(branch for branch in ("density", "depth") if getattr(variant, branch))
        self.uses_target = variant.target_balance or variant.discriminator_input is not None
        self.self_training = variant.self_training
        self._distribution = distribution

    def weights(self, step: Step) -> Mapping[str, float]:
        """Return the lambdas of eq. 7, 8 and 11, for the losses that the variant has."""
        variant, config = self.variant, self.config
        weights = {"segmentation": config.segmentation}
        if variant.depth:
            weights["depth"] = config.depth * variant.auxiliary_scale
        if variant.density:
            weights["balance_source"] = config.balance_source * variant.auxiliary_scale
        if variant.target_balance:
            weights["balance_target"] = config.balance_target * variant.auxiliary_scale
        if variant.discriminator_input is not None:
            weights["adversarial"] = config.adversarial
        return weights

    @property
    def discriminators(self) -> Mapping[str, int]:
        if self.variant.discriminator_input is None:
            return {}
        channels, _ = INPUTS[self.variant.discriminator_input]
        return {"main": channels(self.num_classes)}

    def source_losses(self, outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Eq. 7: segmentation (eq. 1), depth (eq. 2), branch balance (eq. 6)."""
        true_z = true_inverse_depth(batch.inverse_depth, self.config.unknown_depth)
        losses = {"segmentation": self.segmentation_loss(outputs.segmentation, batch.labels)}
        if self.variant.depth:
            assert outputs.depth is not None
            losses["depth"] = depth_loss(outputs.depth, true_z, self.config.depth_loss)
        if self.variant.density:
            assert outputs.density is not None
            density, known = self.source_density(outputs, batch.labels, true_z)
            losses["balance_source"] = density_loss(outputs.density, density, known, self.config.density_loss)
        return losses

    def target_losses(self, outputs: Outputs, size: tuple[int, int], step: Step) -> dict[str, Tensor]:
        """Eq. 8: branch balance (eq. 6) on the target."""
        if not self.variant.target_balance:
            return {}
        assert outputs.density is not None
        density = self.target_density(outputs)
        everywhere = torch.ones_like(density, dtype=torch.bool)
        return {"balance_target": density_loss(outputs.density, density, everywhere, self.config.density_loss)}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """Section 3.4: self-information (eq. 9) times density; other products and maps for the ablations."""
        if self.variant.discriminator_input is None:
            return {}
        _, make = INPUTS[self.variant.discriminator_input]
        return {"main": make(DiscriminatorMaps(outputs, size, self.config.density_scale))}

    def second_stage(self, *, source: bool) -> MethodConfig:
        """The segmentation alone learns from the target's own labels; with the source, all branches do."""
        variant = "source_branches" if source else "source_only"
        return DepDisConfig(**{**dict(self.config), "variant": variant})

    def source_density(self, outputs: Outputs, true_labels: Tensor, true_z: Tensor) -> tuple[Tensor, Tensor]:
        """D_s of section 3.3, from the predicted classes and the true depth.

        true_labels, true_z: (B, H, W), the latter inverse depth, 0 where unknown. Returns (B, h, w) on the
        0..255 scale, and (B, h, w) booleans: where the density is known.
        """
        release = self.config.source_density == "release"
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
        if self.config.density_loss == "absolute":
            known = known & (labels != IGNORE)
        if self.config.density_target == "expected" and self.variant.density_labels == "predicted":
            return self.distribution.expected(outputs.segmentation.softmax(dim=1), z), known
        return self.distribution.density(labels, z, zero_invalid=not release), known

    def target_density(self, outputs: Outputs) -> Tensor:
        """D_t of section 3.3, from predicted classes and predicted depth, 0 where that is not positive."""
        assert outputs.depth is not None
        if self.config.density_target == "expected":
            return self.distribution.expected(outputs.segmentation.softmax(dim=1), outputs.depth[:, 0])
        return self.distribution.density(outputs.segmentation.argmax(dim=1), outputs.depth[:, 0])

    @property
    def distribution(self) -> DepthDistribution:
        """The class-wise depth distributions of the source; ValueError where none was given."""
        if self._distribution is None:
            raise ValueError("density is learned from the class-wise depth distributions: give `distribution`")
        return self._distribution
