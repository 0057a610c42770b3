"""What an experiment is made of, from its configuration: batches, networks, statistics, learners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from numpy.typing import NDArray

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import ResizeRule

from .adaptation import AdaptationLearner
from .checkpoint import read_checkpoint
from .class_weights import class_weights
from .data.samples import Dataset
from .depth_distribution import DepthDistribution
from .experiment_data import taxonomy_of
from .loading import Batches, RandomViews, WholePictures
from .methods import Method, MethodConfig, build_method
from .network import Network, build_network
from .run_folder import Run, write_json
from .settings import Config
from .spatial_prior import minimum_sizes, scaled_sizes
from .speech import say
from .start import start_from
from .statistics import count_classes, fit_source_mixtures, read_counts, without_pixels
from .workers import Workers


class Parts:
    """Makes the parts of a run: the same configuration gives the same ones."""

    def __init__(self, config: Config, cache: Path, workers: Workers) -> None:
        self.config, self.cache, self.workers = config, cache, workers
        self.taxonomy = taxonomy_of(config.source)
        bf16 = config.training.precision == "bf16"
        self.fabric = Fabric(
            accelerator="auto", devices=[workers.local_rank] if torch.cuda.is_available() else 1,
            precision="bf16-mixed" if bf16 else "32-true", plugins=[LightningEnvironment()],
        )  # fmt: skip

    def batches(
        self, dataset: Dataset, *, labelled: bool = True, size: int = 0, colour: float = 0.0,
        rule: ResizeRule | None = None,
    ) -> Batches:  # fmt: skip
        """Training batches of a set; rule: of whole pictures, where it is not the input's."""
        config = self.config
        augment = config.augment
        take = (
            WholePictures(rule or config.input.rule())
            if augment is None
            else RandomViews(augment.crop, augment.scale, augment.flip, max(colour, augment.colour))
        )
        return Batches(
            dataset, size=size or config.training.batch, seed=config.seed, take=take,
            canonical_focal_px=config.input.canonical_focal_px, labelled=labelled,
        )  # fmt: skip

    def empty_network(self, method: Method, pretrained: bool = False) -> Network:
        return build_network(
            len(self.taxonomy), self.config.network.backbone, method.branches, pretrained, fusion=method.fusion
        )

    def network(self, method: Method) -> Network:
        settings = self.config.network
        torch.manual_seed(self.config.seed)
        start = "file" if settings.init is not None else settings.start
        network = self.empty_network(method, start == "package")
        if settings.init is not None:
            start_from(network, Path(settings.init))
        elif start == "bundled":
            start_from(network, bundled_weights())
        return network

    def statistics(
        self, run: Run, source: Batches, network: Network
    ) -> tuple[DepthDistribution | None, NDArray[np.int64]]:
        """The mixtures of eq. 5 and the source's pixel counts, kept in the run's folder.

        A network without a density branch has no use for mixtures, and its source needs no depth: None.
        """
        settings, seed = self.config.mixtures, self.config.seed
        classes, has_density = len(self.taxonomy), "density" in network.branches
        if has_density and self.workers.first and not run.mixtures.exists():
            width, height = self.config.crop
            if settings.kind == "published":
                distribution = DepthDistribution.published(str(settings.published))
            elif settings.kind == "start":
                distribution = self._distribution_of_start()
            else:
                distribution = fit_source_mixtures(
                    self.cache, source, network.grid(height, width), num_classes=classes,
                    components=settings.components, per_class=settings.per_class, pictures=settings.pictures,
                    seed=seed, scale=settings.scale, variance_floor=settings.variance_floor,
                )  # fmt: skip
                if line := without_pixels(distribution.unseen, self.taxonomy.names):
                    say(line)
            distribution.to_json(run.mixtures)
        if self.workers.first and not run.counts.exists():
            counts = count_classes(self.cache, source, num_classes=classes, pictures=settings.pictures)
            write_json(run.counts, counts.tolist())
        self.workers.wait()
        kept = DepthDistribution.from_json(run.mixtures) if has_density else None
        if kept is not None and kept.num_classes != classes:
            raise InputError(
                f"{run.mixtures}: mixtures of {kept.num_classes} classes, expected {classes}; remove the file "
                "to fit them again"
            )
        return kept, read_counts(run.counts, classes)

    def _distribution_of_start(self) -> DepthDistribution:
        """The mixtures that the model which the network starts from was trained with."""
        settings = self.config.network
        if settings.init is None and settings.start != "bundled":
            raise UsageError("mixtures.kind start are those of a trained model: give one with --init")
        path = bundled_weights() if settings.init is None else Path(settings.init)
        manifest = read_checkpoint(path).manifest
        if manifest is None or manifest.density is None:
            raise UsageError(f"{path} names no mixtures: set mixtures.kind=fit")
        try:
            return DepthDistribution.from_dict(manifest.density)
        except ValueError as error:
            raise InputError(f"{path}: {error}; set mixtures.kind=fit") from None

    def class_weights(
        self, counts: NDArray[np.int64], kind: str | tuple[float, ...]
    ) -> torch.Tensor | None:  # fmt: skip
        if isinstance(kind, str):
            return class_weights(counts, kind, self.config.method.class_weight_cap)
        if len(kind) != len(self.taxonomy):
            raise UsageError(f"method.class_weights has {len(kind)} numbers for {len(self.taxonomy)} classes")
        return torch.tensor(kind)

    def method(
        self,
        settings: MethodConfig | None = None,
        distribution: DepthDistribution | None = None,
        weights: torch.Tensor | None = None,
    ) -> Method:
        """Return the configuration's method, or the one that `settings` are of."""
        return build_method(settings or self.config.method, len(self.taxonomy), distribution, weights)

    def learner(
        self, network: Network, method: Method, iterations: int, rate: float, frozen: bool,
        teacher: torch.Tensor | None = None,
    ) -> AdaptationLearner:  # fmt: skip
        """teacher: thresholds of a teacher's labels, whose decay is that of the self-training."""
        config = self.config
        torch.manual_seed(config.seed)  # of heads and discriminators that start at random
        return AdaptationLearner(
            self.fabric, network, method,
            optimizer=config.optimizer.scaled(rate), discriminator=config.discriminator, steps=iterations,
            average=config.training.average if teacher is None else config.self_training.teacher,
            average_start=config.training.average_start, frozen_statistics=frozen, teacher=teacher,
            workers=self.workers, compile_network=config.training.compile,
        )  # fmt: skip

    def minimum_pixels(self, counts: NDArray[np.int64]) -> NDArray[np.int64]:
        """The sizes of the configuration, or eq. 12 on the source's counts at the input's area."""
        settings, shape = self.config.labels, self.config.input
        if settings.minimum_pixels is not None:
            return np.asarray(settings.minimum_pixels, np.int64)
        sizes = minimum_sizes(counts, base=settings.base, span=settings.span)
        return scaled_sizes(sizes, (shape.width, shape.height), settings.reference)


def bundled_weights() -> Path:
    """The weights of the model inside the package."""
    import depdis_deploy

    return Path(depdis_deploy.__file__).parent / "models" / "depdis-street.safetensors"
