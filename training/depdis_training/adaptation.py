"""Stage 1: one optimizer step of any method on source and target (eq. 7, 8, 10 and 11)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from depdis_deploy.taxonomy import IGNORE

from .average import Average
from .branches import Network, NetworkOutput
from .deeplab import DeepLab
from .depthwise import quicken
from .discriminator import Discriminator, DiscriminatorConfig
from .loading import Batch
from .methods import Method, Outputs, Step, adversarial_name
from .methods.method import SOURCE, TARGET
from .methods.terms import upsampled
from .mixing import Pasted
from .optimizers import OptimizerConfig, build_optimizer, load_moments
from .schedule import poly
from .weights import load_module
from .workers import ALONE, Workers

__all__ = ["AdaptationLearner", "Pair"]


class Pair(NamedTuple):
    """What is normalised together: a labelled batch, and pictures of the target where a method uses them (their
    labels and depth are not looked at).

    taught: the batch's labels are a teacher's, made in the step (255 stays 255). pasted: what comes into it
    then.
    """

    source: Batch
    target: Batch | None = None
    taught: bool = False
    pasted: Pasted | None = None

    def pinned(self) -> Pair:
        """The same in memory that a GPU copies from without halting the host."""
        return Pair(
            self.source.pinned(), None if self.target is None else self.target.pinned(), self.taught,
            None if self.pasted is None else self.pasted.pinned(),
        )  # fmt: skip


class AdaptationLearner:
    """A network with its method, discriminators and optimizers; knows nothing of files, logs or intervals.

    steps: of the learning rate's decay. average: decay of the averaged network that is delivered, 0
    none, 1 the plain mean, in which the start counts as `average_start` steps. frozen_statistics: batch norm
    keeps and uses its running statistics, for a start that is trained.
    teacher: (C,) thresholds; the averaged network labels what is `taught`, where its probability reaches them.
    workers: the processes that share the gradients. compile_network: by torch.compile, for a GPU.
    The network, extra heads and discriminators are put on the fabric's device; the latter two start at random
    from torch's generator, which has to be seeded alike in every process.
    """

    def __init__(
        self, fabric: Fabric, network: Network, method: Method, *, optimizer: OptimizerConfig,
        discriminator: DiscriminatorConfig, steps: int, average: float,
        average_start: int = 0, frozen_statistics: bool = False, teacher: Tensor | None = None,
        workers: Workers = ALONE, compile_network: bool = False,
    ) -> None:  # fmt: skip
        if teacher is not None and not average:
            raise ValueError("a teacher is the averaged network: give `average` above 0")
        self.teacher = None if teacher is None else teacher.to(fabric.device, torch.float32)
        self.workers = workers
        self.fabric, self.method, self.steps = fabric, method, steps
        self.settings, self.compared = optimizer, discriminator
        self.frozen_statistics = frozen_statistics
        self.network = network.to(fabric.device)
        self.heads = method.extra_heads(network).to(fabric.device)
        self.discriminators = nn.ModuleDict(
            {
                name: Discriminator(channels, discriminator.layers)
                for name, channels in method.discriminators.items()
            }
        ).to(fabric.device)
        # The faster layout, but of the paper's network in full precision the release's: sums in another order
        # change a first step by several per cent, so ill-conditioned is its batch norm over one small picture.
        exact = isinstance(network, DeepLab) and not isinstance(fabric.autocast(), torch.autocast)
        self.layout = torch.contiguous_format if exact else torch.channels_last
        for module in (self.network, self.heads, self.discriminators):
            module.to(memory_format=self.layout)  # type: ignore[call-overload]
        if fabric.device.type == "cpu":
            quicken(network)
        self.optimizer = build_optimizer(optimizer, network, self.heads)
        self.discriminator_optimizer = self._discriminator_optimizer()
        self.average = Average(network, average, average_start) if average else None
        self.maps = torch.compile(self._maps) if compile_network else self._maps

    def _discriminator_optimizer(self) -> torch.optim.Optimizer | None:
        if not self.discriminators:
            return None
        rate = self.compared.rate
        group = {"params": list(self.discriminators.parameters()), "rate": rate, "lr": rate}
        return torch.optim.Adam([group], betas=self.compared.betas)

    def update(self, step: int, pairs: Sequence[Pair]) -> dict[str, Tensor]:
        """One step of both optimizers, number `step` from 0, on the mean of the pairs' losses.

        Every pair goes through the network on its own, its source and its target each normalised by their
        own statistics. Returns the detached losses by name, of each discriminator `discriminator` (or
        `discriminator_<name>`: 2 ln 2 where it cannot tell the domains apart, 0 where it always can), and
        `total`, the weighted sum that the network minimised.
        """
        self._set_rates(step)
        self._set_modes()
        for optimizer in self._optimizers():
            optimizer.zero_grad()
        losses: dict[str, Tensor] = defaultdict(lambda: torch.zeros((), device=self.fabric.device))
        for pair in pairs:
            for name, loss in self._accumulate(pair, 1 / len(pairs), Step(step, self.steps)).items():
                losses[name] = losses[name] + loss
        self._share_gradients()
        if self.settings.clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(self._trained(), self.settings.clip_norm)
        for optimizer in self._optimizers():
            optimizer.step()
        if self.average is not None:
            self.average.update(self.network, step)
        return dict(losses)

    def _accumulate(self, pair: Pair, share: float, step: Step) -> dict[str, Tensor]:
        """The gradients of `share` of a pair's losses, added up; the losses times `share`, detached."""
        method = self.method
        source = self._labelled(pair)
        on_source = self._forward(source.images)
        losses = method.source_losses(on_source, source, step)
        total = self._minimise(losses, share, step)
        if method.uses_target:
            if pair.target is None:
                raise ValueError("this method learns from target pictures too: the pair has none")
            images = pair.target.images.to(self.fabric.device)
            on_target = self._forward(images)
            with torch.no_grad():
                seen_source = method.discriminator_inputs(
                    on_source, self._compared_size(on_source, source.images)
                )
            seen_target = method.discriminator_inputs(on_target, self._compared_size(on_target, images))
            adapting = method.target_losses(on_target, _size(images), step)
            with _frozen(self.discriminators):
                adapting |= {
                    adversarial_name(name): self._adversarial(name, seen, SOURCE, on_target, step)  # eq. 11
                    for name, seen in seen_target.items()
                }
            total = total + self._minimise(adapting, share, step)
            losses |= adapting
            domains = (SOURCE, seen_source, on_source), (TARGET, seen_target, on_target)
            losses |= self._discriminate(domains, share, step)
        return {
            **{name: loss.detach() * share for name, loss in losses.items()},
            "total": total,
        }

    def _labelled(self, pair: Pair) -> Batch:
        """A pair's labelled batch on the device, as it is learned from."""
        batch = pair.source.to(self.fabric.device)
        if pair.taught:
            labels = self._taught(batch.images)
            batch = replace(batch, labels=labels.masked_fill(batch.labels == IGNORE, IGNORE))
        return batch if pair.pasted is None else pair.pasted.to(self.fabric.device).over(batch)

    @torch.no_grad()
    def _taught(self, images: Tensor) -> Tensor:
        """(B, H, W) uint8: what the averaged network is sure of, 255 elsewhere."""
        if self.average is None or self.teacher is None:
            raise ValueError("the pair's labels are a teacher's, and this learner has none")
        with self.fabric.autocast():
            logits = self.average.network(images.contiguous(memory_format=self.layout)).segmentation
        probability, labels = upsampled(logits.float(), _size(images)).softmax(dim=1).max(dim=1)
        return labels.to(torch.uint8).masked_fill(probability < self.teacher[labels], IGNORE)

    def _discriminate(
        self, domains: Sequence[tuple[float, Mapping[str, Tensor], Outputs]], share: float, step: Step
    ) -> dict[str, Tensor]:
        """Eq. 10 on detached maps, with gradients for the discriminators alone; its losses by name.

        domains: (label, what each discriminator sees, outputs) of source and target.
        """
        losses = {}
        for name in self.discriminators:
            source, target = (
                self._adversarial(name, seen[name].detach(), domain, outputs.detached(), step)
                for domain, seen, outputs in domains
            )
            loss = source + target
            (loss * share).backward()  # type: ignore[no-untyped-call]
            losses["discriminator" if name == "main" else f"discriminator_{name}"] = loss.detach()
        return losses

    def _adversarial(self, name: str, maps: Tensor, domain: float, outputs: Outputs, step: Step) -> Tensor:
        """The method's adversarial loss of a discriminator that sees (B, C, H, W) maps."""
        with self.fabric.autocast():
            logits = self.discriminators[name](maps)
        return self.method.adversarial_loss(name, logits.float(), domain, outputs, step)

    def _maps(self, images: Tensor) -> tuple[NetworkOutput, dict[str, Tensor]]:
        features = self.network.features(images)
        return self.network.heads(features), {name: head(features) for name, head in self.heads.items()}

    def _forward(self, images: Tensor) -> Outputs:
        with self.fabric.autocast():
            found, extra = self.maps(images.contiguous(memory_format=self.layout))
        return Outputs(
            found.segmentation.float(),
            None if found.density is None else found.density.float(),
            None if found.depth is None else found.depth.float(),
            {name: maps.float() for name, maps in extra.items()},
        )

    def _minimise(self, losses: Mapping[str, Tensor], share: float, step: Step) -> Tensor:
        """Add the gradients of the weighted sum of the losses, times `share`, which is returned detached."""
        weights = self.method.weights(step)
        total = torch.stack([weights[name] * loss for name, loss in losses.items()]).sum() * share
        total.backward()  # type: ignore[no-untyped-call]
        return total.detach()

    def _compared_size(self, outputs: Outputs, images: Tensor) -> tuple[int, int]:
        return _size(outputs.segmentation if self.compared.scale == "grid" else images)

    def _share_gradients(self) -> None:
        """The mean of every process's gradients."""
        parameters = [*self._trained(), *self.discriminators.parameters()]
        self.workers.average(parameter.grad for parameter in parameters if parameter.grad is not None)

    def _set_rates(self, step: int) -> None:
        factor = poly(step, self.steps, power=self.settings.power, warm_up=self.settings.warm_up)
        for optimizer in self._optimizers():
            for group in optimizer.param_groups:
                group["lr"] = group["rate"] * factor

    def _set_modes(self) -> None:
        self.network.train()
        if self.frozen_statistics:
            for module in self.network.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()

    def _optimizers(self) -> list[torch.optim.Optimizer]:
        both = (self.optimizer, self.discriminator_optimizer)
        return [optimizer for optimizer in both if optimizer is not None]

    def _trained(self) -> list[nn.Parameter]:
        return [
            parameter
            for module in (self.network, self.heads)
            for parameter in module.parameters()
            if parameter.requires_grad
        ]

    def result(self) -> Network:
        """The network to validate and deliver: the averaged one where there is an average."""
        return self.network if self.average is None else self.average.network

    def rate(self) -> float:
        """The present rate of the backbone."""
        return float(self.optimizer.param_groups[0]["lr"])

    def state(self) -> dict[str, Any]:
        """All that a resumed run needs beside the network's own weights: tensors and plain values."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "heads": self.heads.state_dict(),
            "discriminators": self.discriminators.state_dict(),
            "discriminator_optimizer": (
                None if self.discriminator_optimizer is None else self.discriminator_optimizer.state_dict()
            ),
            "average": None if self.average is None else self.average.network.state_dict(),
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Load what `state` returned.

        Raises:
            ValueError: It is the state of another learner; the message names the first difference.
        """
        missing = self.state().keys() - state.keys()
        if missing:
            raise ValueError(f"the training's state lacks {', '.join(sorted(missing))}")
        load_moments(self.optimizer, state["optimizer"])
        load_module(self.heads, state["heads"], "the method's extra heads")
        load_module(self.discriminators, state["discriminators"], "the discriminators")
        if self.discriminator_optimizer is not None:
            load_moments(self.discriminator_optimizer, state["discriminator_optimizer"])
        if self.average is not None:
            load_module(self.average.network, state["average"], "the averaged network")


def _size(maps: Tensor) -> tuple[int, int]:
    return maps.shape[2], maps.shape[3]


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Within the block gradients pass through a module and leave none in it."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)
