"""What the training step asks of a method; it knows none by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from depdis_training.branches import Network
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.loading import Batch
from depdis_training.section import Section

from .terms import SegmentationLoss

SOURCE, TARGET = 0.0, 1.0  # a discriminator's labels of the domains


class Outputs(NamedTuple):
    """A network's maps in float32 on the feature grid (h, w), and those of a method's extra heads by name.

    segmentation: (B, C, h, w) logits; density: (B, 1, h, w) on the 0..255 scale; depth: (B, 1, h, w) inverse
    depth. A branch that the network lacks is None.
    """

    segmentation: Tensor
    density: Tensor | None
    depth: Tensor | None
    extra: Mapping[str, Tensor]

    def detached(self) -> Outputs:
        """Return the same without gradients."""
        density = None if self.density is None else self.density.detach()
        depth = None if self.depth is None else self.depth.detach()
        extra = {name: maps.detach() for name, maps in self.extra.items()}
        return Outputs(self.segmentation.detach(), density, depth, extra)


class Step(NamedTuple):
    """Number of an optimizer step, counted from 0, and the number of steps of the schedule."""

    number: int
    total: int

    @property
    def progress(self) -> float:
        """Share of the schedule that is done, in [0, 1)."""
        return self.number / self.total


class MethodConfig(Section):
    """Settings that all methods have. A method's own class adds its weights, as published.

    name: of the method, as `--method` takes it.
    segmentation: weight of the cross-entropy (eq. 1).
    class_weights: of the cross-entropy: `balanced` is N/(C N_i), `sqrt` its square root, at most
        `class_weight_cap`; or one number for each class.
    stride: the cross-entropy is taken on every stride-th pixel; 1 is the paper's.
    """

    name: str = ""
    segmentation: float = Field(default=1.0, ge=0)
    class_weights: Literal["none", "balanced", "sqrt"] | tuple[float, ...] = "none"
    class_weight_cap: float = Field(default=3.0, gt=0)
    stride: int = Field(default=1, ge=1)

    @property
    def label(self) -> str:
        """Return the method's name and, where it has variants, the variant's: a part of file names."""
        name = self.name.rpartition(":")[2]
        return "-".join(filter(None, (name, getattr(self, "variant", None))))


class Method:
    """A published method: what its network has, its losses, and what its discriminators see.

    A subclass overrides what it changes. `Config` holds its settings with the published values; an experiment
    changes them under `method`.

    Attributes:
        branches: Those of the network besides the segmentation: `density`, `depth`.
        fusion: Whether depth's hidden features weight those of the segmentation.
        uses_target: Whether target images are learned from in stage 1.
        self_training: Which pseudo-labels the second stage keeps: `none` (no second stage), those that are
            confident (`confidence`), or of these the large components (`spatial_prior`, eq. 12).
    """

    Config: ClassVar[type[MethodConfig]] = MethodConfig
    branches: tuple[str, ...] = ()
    fusion: bool = False
    uses_target: bool = True
    self_training: Literal["none", "confidence", "spatial_prior"] = "none"

    def __init__(
        self,
        config: MethodConfig,
        num_classes: int,
        distribution: DepthDistribution | None = None,
        class_weights: Tensor | None = None,
    ) -> None:
        """Make a method.

        Args:
            config: An instance of the method's `Config`.
            num_classes: Number of classes C of the segmentation.
            distribution: Class-wise depth distributions, which density is learned from.
            class_weights: (C,) weights of the cross-entropy.
        """
        self.config: Any = config
        self.num_classes = num_classes
        self.segmentation_loss = SegmentationLoss(config.stride, class_weights)

    def weights(self, step: Step) -> Mapping[str, float]:
        """Return the weight of each named loss at a step; the network minimises the weighted sum."""
        return {"segmentation": self.config.segmentation}

    @property
    def discriminators(self) -> Mapping[str, int]:
        """Channels that each discriminator sees, by its name; nothing is adversarial without any.

        The loss of fooling the one named `main` is `adversarial`, else `adversarial_<name>`.
        """
        return {}

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        """Return heads besides the network's own, from `Features` to a map each: trained, not exported."""
        return nn.ModuleDict()

    def source_losses(self, outputs: Outputs, batch: Batch, step: Step) -> dict[str, Tensor]:
        """Return the losses of a labelled batch."""
        return {"segmentation": self.segmentation_loss(outputs.segmentation, batch.labels)}

    def target_losses(self, outputs: Outputs, size: tuple[int, int], step: Step) -> dict[str, Tensor]:
        """Return the losses of target images of `size` (H, W), besides the adversarial ones."""
        return {}

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """Return the (B, channels, H, W) map of `size` that each discriminator sees, not detached."""
        return {}

    def adversarial_loss(
        self, name: str, logits: Tensor, domain: float, outputs: Outputs, step: Step
    ) -> Tensor:
        """Return the loss of a discriminator's logits: binary cross-entropy to `domain` (eq. 10 and 11).

        Args:
            name: Of the discriminator.
            logits: (B, 1, H', W').
            domain: SOURCE or TARGET, the label that the logits are compared with.
            outputs: Maps of the images that the discriminator saw.
            step: Number of the step.
        """
        return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, domain))

    def second_stage(self, *, source: bool) -> MethodConfig:
        """Return the settings of the method that learns from pseudo-labels in the second stage.

        source: whether every step has a pass on the source too.
        """
        raise NotImplementedError(f"{self.config.name} has no second stage")


def adversarial_name(discriminator: str) -> str:
    """Return the name of the loss of fooling a discriminator."""
    return "adversarial" if discriminator == "main" else f"adversarial_{discriminator}"
