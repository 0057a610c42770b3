"""A whole experiment: statistics, stage 1, rounds of labels and self-training, scores; it resumes anywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from numpy.typing import NDArray

from depdis_deploy.command import UsageError
from depdis_deploy.manifest import OUTPUTS, Manifest

from .adaptation import AdaptationLearner, DiscriminatorSettings, OptimizerSettings
from .checkpoint import round_to_half, write_weights
from .class_weights import class_weights
from .config import Config
from .data.samples import Dataset
from .depth_distribution import DepthDistribution
from .experiment_data import ExperimentData, open_experiment, taxonomy_of
from .final_scores import final_scores, reestimated
from .forecast import Work, forecast
from .loading import Batches, RandomViews, WholePictures
from .methods import VARIANTS, Method, Recipe, build_method
from .network import Network, build_network
from .pseudo_labels import PseudoLabelled, write_pseudo_labels
from .run_folder import Run, read_json, write_json
from .schedule import poly
from .spatial_prior import minimum_sizes
from .speech import say
from .start import start_from
from .statistics import count_classes, fit_source_mixtures, without_pixels
from .training_stage import PairBatches, Surroundings, TrainingStage
from .workers import Workers, join_workers

# Self-training is a training of the segmentation alone, on labels of the target.
_ON_LABELS = {"method": "depdis", "variant": "source_only"}
STAGES = ("statistics", "stage1", "labels", "self-training")


def train(config: Config, folder: Path, cache: Path, until: str | None = None) -> None:
    """Train in `folder`, to the end or until a stage's work is done; generated data lies under `cache`.

    until: one of STAGES. With `labels` and a whole network in `network.init` no training comes before.
    """
    if until is not None and until not in STAGES:
        raise UsageError(f"--stage is one of {', '.join(STAGES)}, got {until!r}")
    workers = join_workers()
    run = Run(folder, config)
    config = run.config
    say(f"run folder: {folder}")
    if run.finished:
        say("this run is finished; --out or another --seed starts a new one")
        return
    method = recipe_method(config)  # a wrong method or variant is said before any data is made
    _check_start(config)
    if workers.first:
        open_experiment(config, cache, uses_target=method.uses_target)
    workers.wait()
    data = open_experiment(config, cache, uses_target=method.uses_target)
    if workers.first:
        run.begin()
    workers.wait()
    Experiment(run, data, cache, workers).carry_out(until)


def recipe_method(
    config: Config, distribution: DepthDistribution | None = None, weights: torch.Tensor | None = None
) -> Method:
    """The method that a configuration names, with its settings as values."""
    fields = set(Recipe.__dataclass_fields__) & set(type(config.losses).model_fields)
    recipe = Recipe(
        **{name: getattr(config.losses, name) for name in fields},
        discriminator_density_scale=config.discriminator.density_scale,
    )
    return build_method(
        config.method, config.variant, num_classes=len(taxonomy_of(config.source)), recipe=recipe,
        distribution=distribution, class_weights=weights,
    )  # fmt: skip


def _check_start(config: Config) -> None:
    """That there is something to start from, of the configuration's network."""
    settings = config.network
    if settings.start == "file" and settings.init is None:
        raise UsageError(
            f"{config.name} starts from ImageNet weights: give DeepLab_resnet_pretrained_imagenet.pth (or a "
            "checkpoint) with --init, or say --from-scratch"
        )


class Experiment:
    """The stages of a run, in their order; each is skipped where its result is there already."""

    def __init__(self, run: Run, data: ExperimentData, cache: Path, workers: Workers) -> None:
        self.run, self.config, self.data, self.cache, self.workers = run, run.config, data, cache, workers
        self.taxonomy = taxonomy_of(self.config.source)
        bf16 = self.config.training.precision == "bf16"
        self.fabric = Fabric(
            accelerator="auto", devices=[workers.local_rank] if torch.cuda.is_available() else 1,
            precision="bf16-mixed" if bf16 else "32-true", plugins=[LightningEnvironment()],
        )  # fmt: skip
        self.source_batches = self._batches(data.source)
        network = self._network(recipe_method(self.config))
        distribution, self.counts = self._statistics(network)
        weights = self._class_weights(self.counts, self.config.losses.class_weights)
        self.method = recipe_method(self.config, distribution, weights)
        self.around = Surroundings(
            config=self.config, manifest=make_manifest(self.config, self.method, distribution),
            distribution=distribution, validation=data.validation, device=self.fabric.device, workers=workers,
        )  # fmt: skip
        self.network = network

    def carry_out(self, until: str | None = None) -> None:
        """All stages that are not done yet, or those up to the work of one of STAGES."""
        if until == "statistics":
            return
        network, last = self.network, self.run.stage("stage1")
        prior = VARIANTS[str(self.config.variant)].self_training if self.config.method == "depdis" else "none"
        rounds = self.config.self_training.rounds if prior != "none" and self.data.target is not None else 0
        if self.workers.count == 1 and not last.exists():
            self._say_how_long(rounds)
        if until != "labels" or self.config.network.init is None or last.exists():
            network = self._stage1(network)
        if until == "stage1":
            return
        if until == "labels" and not rounds:
            raise UsageError(
                f"{self.config.name} makes no labels: self_training.rounds, the variant or the target"
            )
        for number in range(1, rounds + 1):
            labelled = self._labels(number, network, spatial_prior=prior == "spatial_prior")
            last = self.run.stage(f"self-training-{number}")
            if until == "labels" and not last.exists():
                return
            network = self._self_training(number, network, labelled)
        if until == "self-training":
            return
        if self.workers.first:
            self._deliver(network, last)
        self.workers.wait()

    def _batches(
        self, dataset: Dataset, *, labelled: bool = True, size: int = 0, colour: float = 0.0
    ) -> Batches:
        config = self.config
        augment = config.augment
        take = (
            WholePictures(config.input.rule())
            if augment is None
            else RandomViews(augment.crop, augment.scale, augment.flip, max(colour, augment.colour))
        )
        return Batches(
            dataset, size=size or config.training.batch, seed=config.seed, take=take,
            canonical_focal_px=config.input.canonical_focal_px, labelled=labelled,
        )  # fmt: skip

    def _empty_network(self, method: Method, pretrained: bool = False) -> Network:
        return build_network(
            len(self.taxonomy), self.config.network.backbone, method.branches, pretrained, fusion=method.fusion
        )

    def _network(self, method: Method) -> Network:
        settings = self.config.network
        torch.manual_seed(self.config.seed)
        start = "file" if settings.init is not None else settings.start
        network = self._empty_network(method, start == "package")
        if settings.init is not None:
            start_from(network, Path(settings.init))
        elif start == "bundled":
            start_from(network, bundled_weights())
        return network

    def _statistics(self, network: Network) -> tuple[DepthDistribution, NDArray[np.int64]]:
        """The mixtures of eq. 5 and the source's pixel counts, kept in the run's folder."""
        settings, seed = self.config.mixtures, self.config.seed
        run, classes = self.run, len(self.taxonomy)
        if self.workers.first and not run.mixtures.exists():
            width, height = self.config.crop
            if settings.kind == "published":
                distribution = DepthDistribution.published(str(settings.published))
            else:
                distribution = fit_source_mixtures(
                    self.cache, self.source_batches, network.grid(height, width), num_classes=classes,
                    components=settings.components, per_class=settings.per_class, pictures=settings.pictures,
                    seed=seed, scale=settings.scale, variance_floor=settings.variance_floor,
                )  # fmt: skip
                if line := without_pixels(distribution.unseen, self.taxonomy.names):
                    say(line)
            distribution.to_json(run.mixtures)
        if self.workers.first and not run.counts.exists():
            counts = count_classes(
                self.cache, self.source_batches, num_classes=classes, pictures=settings.pictures
            )
            write_json(run.counts, counts.tolist())
        self.workers.wait()
        return DepthDistribution.from_json(run.mixtures), np.asarray(read_json(run.counts), np.int64)

    def _class_weights(
        self, counts: NDArray[np.int64], kind: str | tuple[float, ...]
    ) -> torch.Tensor | None:  # fmt: skip
        if isinstance(kind, str):
            return class_weights(counts, kind, self.config.losses.class_weight_cap)
        if len(kind) != len(self.taxonomy):
            raise UsageError(f"losses.class_weights has {len(kind)} numbers for {len(self.taxonomy)} classes")
        return torch.tensor(kind)

    def _learner(self, network: Network, method: Method, iterations: int, rate: float, frozen: bool) -> (
        AdaptationLearner
    ):  # fmt: skip
        config = self.config
        optimizer, discriminator = config.optimizer, config.discriminator
        torch.manual_seed(config.seed)  # of heads and discriminators that start at random
        return AdaptationLearner(
            self.fabric, network, method,
            optimizer=OptimizerSettings(
                kind=optimizer.kind, backbone_rate=rate * optimizer.backbone_rate,
                head_rate=rate * optimizer.head_rate, momentum=optimizer.momentum,
                weight_decay=optimizer.weight_decay, clip_norm=optimizer.clip_norm,
            ),
            discriminator=DiscriminatorSettings(
                rate=discriminator.rate, betas=discriminator.betas, scale=discriminator.scale,
                layers=discriminator.layers,
            ),
            schedule=partial(poly, iterations=iterations, power=optimizer.power, warm_up=optimizer.warm_up),
            average=config.training.average, frozen_statistics=frozen, workers=self.workers,
            compile_network=config.training.compile,
        )  # fmt: skip

    def _pairs(self) -> PairBatches:
        """The batches of stage 1."""
        target = None
        if self.method.uses_target:
            assert self.data.target is not None
            target = self._batches(self.data.target, labelled=False)
        return PairBatches(self.source_batches, target, self.config.training.accumulate, self.workers)

    def _say_how_long(self, rounds: int) -> None:
        training, settings, target = self.config.training, self.config.self_training, self.data.target
        both = self._pairs()(0)

        def learner(method: Method) -> Callable[[], AdaptationLearner]:
            frozen = training.frozen_statistics
            return lambda: self._learner(copy.deepcopy(self.network), method, 10, 1.0, frozen)

        alone = [pair._replace(target=None) for pair in both]
        on_labels = learner(recipe_method(self.config.model_copy(update=_ON_LABELS)))
        works = [Work("stage 1", training.iterations, learner(self.method), both)]
        if target is not None and rounds:
            pictures = rounds * self.config.labels.share * len(target)
            works += [
                Work("labels", round(pictures / training.batch), on_labels, alone, share=1 / 3),
                Work("self-training", rounds * settings.iterations, on_labels, alone),
            ]
        say(forecast(works))

    def _stage1(self, network: Network) -> Network:
        """Eq. 1 to 11 on source and target."""
        training = self.config.training
        schedule = training.schedule or training.iterations
        learner = self._learner(network, self.method, schedule, 1.0, training.frozen_statistics)
        return TrainingStage(
            self.run.stage("stage1"), learner, self._pairs(),
            iterations=training.iterations, seed=self.config.seed, around=self.around,
        ).run()  # fmt: skip

    def _labels(self, number: int, network: Network, *, spatial_prior: bool) -> PseudoLabelled:
        """Eq. 12 and algorithm 1 on the target's pictures."""
        settings, target = self.config.labels, self.data.target
        assert target is not None
        folder = self.run.stage(f"labels-{number}")
        if self.workers.first:
            labeller = network
            if settings.reestimate:
                labeller = reestimated(network, self._batches(target, labelled=False))
            write_pseudo_labels(
                labeller, target, folder, resize=self.config.input.rule(), taxonomy=self.taxonomy,
                confidence=settings.confidence, class_balanced=settings.class_balanced,
                minimum_pixels=self._minimum_pixels() if spatial_prior else None, share=settings.share,
                seed=self.config.seed, device=self.fabric.device,
            )  # fmt: skip
        self.workers.wait()
        return PseudoLabelled(target, folder)

    def _minimum_pixels(self) -> NDArray[np.int64]:
        """The sizes of the configuration, or eq. 12 on the source's counts at the input's area."""
        settings, shape = self.config.labels, self.config.input
        if settings.minimum_pixels is not None:
            return np.asarray(settings.minimum_pixels, np.int64)
        area = shape.width * shape.height / (settings.reference[0] * settings.reference[1])
        return minimum_sizes(self.counts, base=settings.base * area, span=settings.span * area)

    def _self_training(self, number: int, network: Network, labelled: PseudoLabelled) -> Network:
        """Cross-entropy of the segmentation alone on the target's own labels."""
        settings = self.config.self_training
        weights = None
        batches = self._batches(labelled, size=settings.batch, colour=settings.colour)
        if settings.class_weights != "none":
            counts = count_classes(self.cache, batches, num_classes=len(self.taxonomy), pictures=len(labelled))
            weights = self._class_weights(counts, settings.class_weights)
        config = self.config.model_copy(update=_ON_LABELS)
        start = self._empty_network(self.method)  # an average of weights is no network to train
        start.load_state_dict(network.state_dict())
        learner = self._learner(
            start, recipe_method(config, None, weights), settings.iterations, settings.rate,
            settings.frozen_statistics,
        )  # fmt: skip
        return TrainingStage(
            self.run.stage(f"self-training-{number}"), learner,
            PairBatches(batches, None, self.config.training.accumulate, self.workers),
            iterations=settings.iterations, seed=self.config.seed + number, around=self.around,
        ).run()  # fmt: skip

    def _deliver(self, network: Network, last: Path) -> None:
        """Round the last weights to float16, write them for release and score them."""
        round_to_half(network)
        write_weights(self.run.weights, network, self.around.manifest)
        for path in (last / "last.pt", last / "best.pt", self.run.weights):
            if path.exists():
                say(f"{path.name}: {path}")
        write_json(self.run.scores, final_scores(last, self.around, self.data, self._batches))


def make_manifest(config: Config, method: Method, distribution: DepthDistribution) -> Manifest:
    """What the trained model says of itself."""
    branches = set(method.branches)
    return Manifest(
        taxonomy=taxonomy_of(config.source),
        resize=config.input.rule(),
        outputs=tuple(name for name in OUTPUTS if name in branches or name not in ("depth", "density")),
        dynamic=config.input.kind == "area",
        canonical_focal_px=config.input.canonical_focal_px,
        density=distribution.to_dict(),
        backbone=config.network.backbone,
    )


def bundled_weights() -> Path:
    """The weights of the model inside the package."""
    import depdis_deploy

    return Path(depdis_deploy.__file__).parent / "models" / "depdis-street.safetensors"
