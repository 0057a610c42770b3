"""What the training step asks of a method; it knows none by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from depdis_training.branches import Network
from depdis_training.loading import Batch


class Outputs(NamedTuple):
    """A network's maps in float32 on the feature grid (h, w), and those of a method's extra heads by name.

    segmentation: (B, C, h, w) logits; density: (B, 1, h, w) on the 0..255 scale; depth: (B, 1, h, w) inverse
    depth. A branch that the network lacks is None.
    """

    segmentation: Tensor
    density: Tensor | None
    depth: Tensor | None
    extra: Mapping[str, Tensor]


class Method(Protocol):
    """A published method: what its network has, its losses, and what its discriminators see.

    branches, fusion: of the network (`build_network`).
    uses_target: whether it learns from target pictures.
    weights: of each named loss; what is minimised is the sum of weight times loss.
    discriminators: the channels that each sees, by name; with none, nothing is adversarial. The loss of
        fooling the one named `main` is `adversarial`, else `adversarial_<name>`.
    """

    @property
    def branches(self) -> tuple[str, ...]: ...

    @property
    def fusion(self) -> bool: ...

    @property
    def uses_target(self) -> bool: ...

    @property
    def weights(self) -> Mapping[str, float]: ...

    @property
    def discriminators(self) -> Mapping[str, int]: ...

    def extra_heads(self, network: Network) -> nn.ModuleDict:
        """Heads beside the network's own, from `Features` to a map each: trained with it, not exported."""

    def source_losses(self, outputs: Outputs, batch: Batch) -> dict[str, Tensor]:
        """The losses of a labelled batch."""

    def target_losses(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """The losses of target pictures of `size` (H, W), besides the adversarial ones."""

    def discriminator_inputs(self, outputs: Outputs, size: tuple[int, int]) -> dict[str, Tensor]:
        """(B, channels, H, W) of `size` for each discriminator, not detached."""


def adversarial_name(discriminator: str) -> str:
    """The name of the loss of fooling a discriminator."""
    return "adversarial" if discriminator == "main" else f"adversarial_{discriminator}"
