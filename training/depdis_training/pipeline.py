"""A whole experiment: statistics, stage 1, rounds of labels and self-training, scores; it resumes anywhere."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path

import torch

from depdis_deploy.command import InputError, UsageError

from .adaptation import AdaptationLearner, Pair
from .batch_statistics import reestimated
from .chain import run_before
from .checkpoint import round_to_half, write_weights
from .experiment_data import ExperimentData, open_experiment, taxonomy_of
from .final_scores import final_scores
from .forecast import Work, forecast
from .label_figures import class_view
from .methods import Method, build_method
from .network import Network, build_network
from .own_camera import decided
from .parts import Parts
from .pseudo_labels import PseudoLabelled, write_pseudo_labels
from .run_folder import WEIGHTS, Run
from .self_description import make_manifest
from .settings import Config
from .speech import say
from .start import start_from
from .statistics import count_classes
from .training_stage import PairBatches, Surroundings, TrainingStage, mixed, together
from .workers import Workers, join_workers

STAGES = ("statistics", "stage1", "labels", "self-training")


def train(config: Config, folder: Path, cache: Path, until: str | None = None) -> None:
    """Train in `folder`, to the end or until a stage's work is done; generated data lies under `cache`.

    until: one of STAGES. With `labels` and a whole network in `network.init` no training comes before.
    """
    if until is not None and until not in STAGES:
        raise UsageError(f"--stage is one of {', '.join(STAGES)}, got {until!r}")
    before = run_before(config, folder)
    if before is not None:
        network = config.network.model_copy(update={"init": str(before[1] / WEIGHTS)})
        config = config.model_copy(update={"network": network})
    workers = join_workers()
    run = Run(folder, config)
    config = run.config
    say(f"run folder: {folder}")
    if run.finished:
        say("this run is finished; --out or another --seed starts a new one")
        return
    method = build_method(config.method, len(taxonomy_of(config.source)))
    _check_start(config)
    if before is None and config.network.init is not None:
        _check_init(config, method)
    if before is not None and not (before[1] / WEIGHTS).exists():
        train(*before, cache)
    if workers.first:
        open_experiment(config, cache, uses_target=method.uses_target)
    workers.wait()
    data = open_experiment(config, cache, uses_target=method.uses_target)
    with run.begun() if workers.first else nullcontext():
        workers.wait()
        Experiment(run, data, cache, workers).carry_out(until)


def _check_start(config: Config) -> None:
    """That there is something to start from, and that all that is counted by classes fits them."""
    settings = config.network
    if settings.start == "file" and settings.init is None:
        raise UsageError(
            f"{config.name} starts from ImageNet weights: give DeepLab_resnet_pretrained_imagenet.pth (or a "
            "checkpoint) with --init, or say --from-scratch"
        )
    sizes, classes = config.labels.minimum_pixels, taxonomy_of(config.source)
    if sizes is not None and len(sizes) != len(classes):
        raise UsageError(f"labels.minimum_pixels has {len(sizes)} numbers for {len(classes)} classes")
    if config.validation is not None:
        class_view(classes, taxonomy_of(config.validation))


def _check_init(config: Config, method: Method) -> None:
    """Load the file that training starts from, so that an unusable one is an error before any data is made."""
    classes = len(taxonomy_of(config.source))
    network = build_network(classes, config.network.backbone, method.branches, fusion=method.fusion)
    start_from(network, Path(str(config.network.init)))


class Experiment:
    """The stages of a run, in their order; each is skipped where its result is there already."""

    def __init__(self, run: Run, data: ExperimentData, cache: Path, workers: Workers) -> None:
        self.run, self.config, self.data, self.workers = run, run.config, data, workers
        self.parts = parts = Parts(run.config, cache, workers)
        self.cache = cache
        self.source_batches = parts.batches(data.source, rule=run.config.input.source_rule())
        self.network = parts.network(parts.method()).to(parts.fabric.device)
        distribution, self.counts = parts.statistics(run, self.source_batches, self.network)
        weights = parts.class_weights(self.counts, run.config.method.class_weights)
        self.method = parts.method(None, distribution, weights)
        self.around = Surroundings(
            config=run.config, manifest=make_manifest(run.config, self.method.branches, distribution),
            distribution=distribution, validation=data.validation, device=parts.fabric.device, workers=workers,
        )  # fmt: skip

    def carry_out(self, until: str | None = None) -> None:
        """All stages that are not done yet, or those up to the work of one of STAGES."""
        if until == "statistics":
            return
        network, last = self.network, self.run.stage("stage1")
        prior = self.method.self_training
        rounds = self.config.self_training.rounds if prior != "none" and self.data.target is not None else 0
        if until == "labels" and not rounds:
            raise UsageError(
                f"{self.config.name} makes no labels: self_training.rounds, the variant or the target"
            )
        if not last.exists():
            self._say_how_long(rounds)
        if until != "labels" or self.config.network.init is None or last.exists():
            network = self._stage1(network)
        if until == "stage1":
            return
        for number in range(1, rounds + 1):
            if self.config.labels.reestimate:  # again where it goes on: the labels are known by their network
                assert self.data.target is not None
                network = reestimated(network, self.data.target, self.config.input.rule())
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

    def _pairs(self) -> PairBatches:
        """The batches of stage 1."""
        target = None
        if self.method.uses_target:
            assert self.data.target is not None
            target = self.parts.batches(self.data.target, labelled=False)
        return PairBatches(self.source_batches, target, self.config.training.accumulate, self.workers)

    def _say_how_long(self, rounds: int) -> None:
        training, settings, target = self.config.training, self.config.self_training, self.data.target
        both = self._pairs()(0)

        def learner(
            method: Method, teacher: torch.Tensor | None = None
        ) -> Callable[[], AdaptationLearner]:  # fmt: skip
            frozen = training.frozen_statistics
            return lambda: self.parts.learner(copy.deepcopy(self.network), method, 10, 1.0, frozen, teacher)

        alone = [pair._replace(target=None) for pair in both]
        works = [Work("stage 1", training.iterations, learner(self.method), both)]
        if target is not None and rounds:
            thresholds = torch.zeros(len(self.parts.taxonomy)) if settings.teacher else None
            second = self.method.second_stage(source=settings.source)
            on_labels = learner(self.parts.method(second, self.around.distribution), thresholds)
            passes = [pair._replace(taught=settings.teacher > 0) for pair in alone]
            if settings.source:
                passes += alone
            labels, (width, height) = self.config.labels, self.config.crop
            sizes = (1 + labels.mirror) * sum(scale**2 for scale in labels.scales)
            crops = sizes * self.config.input.width * self.config.input.height / (width * height)
            crops *= rounds * labels.share * len(target)
            works += [
                Work("labels", round(crops / training.batch), on_labels, alone, share=1 / 3),
                Work("self-training", rounds * settings.iterations, on_labels, passes),
            ]
        say(forecast(works))

    def _stage1(self, network: Network) -> Network:
        """Eq. 1 to 11 on source and target."""
        training = self.config.training
        schedule = training.schedule or training.iterations
        learner = self.parts.learner(network, self.method, schedule, 1.0, training.frozen_statistics)
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
            statistics = write_pseudo_labels(
                network, target, folder, resize=self.config.input.rule(), taxonomy=self.parts.taxonomy,
                confidence=settings.confidence, class_balanced=settings.class_balanced,
                minimum_pixels=self.parts.minimum_pixels(self.counts) if spatial_prior else None,
                share=settings.share, scales=settings.scales, mirror=settings.mirror,
                seed=self.config.seed, device=self.parts.fabric.device,
            )  # fmt: skip
            say(*statistics.table().split("\n"))
            if not statistics.refined.any():
                raise InputError(
                    f"{folder}: no pixel is confident enough to be a label: lower labels.confidence, or set "
                    "labels.class_balanced=true, in a new run"
                )
        self.workers.wait()
        return PseudoLabelled(target, folder)

    def _self_training(self, number: int, network: Network, labelled: PseudoLabelled) -> Network:
        """Cross-entropy of the segmentation alone on the target's own labels."""
        settings = self.config.self_training
        weights = None
        batches = self.parts.batches(labelled, size=settings.batch, colour=settings.colour)
        if settings.class_weights != "none":
            counts = count_classes(
                self.cache, batches, num_classes=len(self.parts.taxonomy), pictures=len(labelled)
            )
            weights = self.parts.class_weights(counts, settings.class_weights)
        accumulate = self.config.training.accumulate
        labels = PairBatches(batches, None, accumulate, self.workers)
        thresholds = None
        if settings.teacher:
            blank = self.parts.batches(labelled.blank(), size=settings.batch, colour=settings.colour)
            labels = PairBatches(blank, None, accumulate, self.workers, taught=True)
            thresholds = torch.from_numpy(labelled.thresholds)
        # Drawn once a step, for the pass on the source and for what is pasted.
        source = lru_cache(maxsize=1)(PairBatches(self.source_batches, None, accumulate, self.workers))
        pairs: list[Callable[[int], Sequence[Pair]]] = [labels]
        if settings.mix:
            pairs = [mixed(labels, source, labels.places, share=settings.mix, seed=self.config.seed + number)]
        if settings.source:
            pairs.append(source)
        second = self.method.second_stage(source=settings.source)
        method = self.parts.method(second, self.around.distribution, weights)
        start = self.parts.empty_network(self.method)  # an average of weights is no network to train
        start.load_state_dict(network.state_dict())
        learner = self.parts.learner(
            start, method, settings.iterations, settings.rate, settings.frozen_statistics, thresholds
        )
        return TrainingStage(
            self.run.stage(f"self-training-{number}"), learner, together(*pairs),
            iterations=settings.iterations, seed=self.config.seed + number, around=self.around,
        ).run()  # fmt: skip

    def _deliver(self, network: Network, last: Path) -> None:
        """Round the last weights to float16, write them for release and score them; those of the start where
        the verdict is against them."""
        if self.data.held_out is not None:
            start = self.parts.network(self.method).to(self.around.device)
            network = decided(
                self.run.folder, start, network, self.data.held_out, self.around.manifest,
                pictures=self.config.verdict.pictures,
            )  # fmt: skip
        round_to_half(network)
        write_weights(self.run.weights, network, self.around.manifest)
        for path in (last / "last.pt", last / "best.pt", self.run.weights):
            if path.exists():
                say(f"{path.name}: {path}")
        final_scores(self.run.folder, last, self.around, self.data)
