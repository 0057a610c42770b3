"""A whole training, from street data to weights; it goes on where it was cut off."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.manifest import OUTPUTS, Manifest
from depdis_deploy.progress import tracked

from .checkpoint import read_checkpoint, round_to_half, write_checkpoint, write_weights
from .config import TAXONOMIES, Config, Data, build_config
from .data import open_dataset
from .data.samples import Dataset
from .depth_distribution import DepthDistribution
from .hardware import fast_precision
from .loading import Batches, ahead
from .loop import Hooks, Intervals, Loop
from .network import Network, build_network
from .panel import sheet
from .run_log import RunLog
from .schedule import poly
from .scoring import score, torch_model
from .start import start_from
from .supervised import Rates, SupervisedLearner, class_weights, sampled

PANEL_PICTURES = 4


def say(text: str) -> None:
    """A line of the command's log; on a terminal it takes the place of the progress line."""
    start = "\r\x1b[K" if sys.stderr.isatty() else ""
    print(start + text, file=sys.stderr, flush=True)


def open_data(data: Data, role: str, option: str, cache: Path) -> Dataset:
    """The data set that a config names; a street set without a root is made under `cache` on first use."""
    if data.root is not None:
        root = Path(data.root)
        if not root.is_dir():
            raise InputError(f"the {role} data set: no folder {root}; give its root with {option}")
    elif data.street is not None:
        root = _street(data, cache)
    else:
        raise InputError(f"the {role} data set ({data.layout}) has no root: give it with {option} PATH")
    return open_dataset(data.layout, root, data.split, TAXONOMIES[data.taxonomy])


def _street(data: Data, cache: Path) -> Path:
    from .street.writer import write_street

    street = data.street
    assert street is not None
    width, height = street.size
    name = f"street-{street.domain}-{data.layout}-{street.pictures}x{width}x{height}-s{street.seed}"
    say(f"street data: {cache / name}")
    write_street(
        cache / name, pictures=street.pictures, size=(width, height), domain=street.domain, layout=data.layout,
        seed=street.seed, split=data.split,
    )  # fmt: skip
    return cache / name


def make_manifest(config: Config, distribution: DepthDistribution) -> Manifest:
    """What the trained model says of itself."""
    branches = set(config.network.branches)
    return Manifest(
        taxonomy=TAXONOMIES[config.source.taxonomy],
        resize=config.input.rule(),
        outputs=tuple(name for name in OUTPUTS if name in branches or name not in ("depth", "density")),
        dynamic=config.input.kind == "area",
        canonical_focal_px=config.input.canonical_focal_px,
        density=distribution.to_dict(),
        backbone=config.network.backbone,
    )


class Run:
    """A run folder: `config.json`, `mixtures.json`, `last.pt`, `best.pt`, `log.jsonl`, `tensorboard/`,
    `panels/`, and at the end `weights.safetensors`."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.last, self.best = folder / "last.pt", folder / "best.pt"
        self.weights = folder / "weights.safetensors"
        self.config = self._resolved(config)

    def _resolved(self, config: Config) -> Config:
        path = self.folder / "config.json"
        if path.exists():
            return _same(config, build_config(_json(path)), self.folder)
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(f"{self.folder} holds something else than a run: give another folder with --out")
        training = config.training
        if training.precision == "auto":
            training = training.model_copy(update={"precision": fast_precision()})
        return config.model_copy(update={"training": training})

    def begin(self) -> None:
        """Make the folder; only once the data is known to be there, so that a slip leaves nothing behind."""
        (self.folder / "panels").mkdir(parents=True, exist_ok=True)
        _write_json(self.folder / "config.json", self.config.plain())


def _same(asked: Config, found: Config, folder: Path) -> Config:
    if asked.training.precision == "auto":
        training = asked.training.model_copy(update={"precision": found.training.precision})
        asked = asked.model_copy(update={"training": training})
    differing = sorted(_differences(asked.plain(), found.plain()))
    if differing:
        raise InputError(
            f"{folder} is a run of another configuration (it differs in {', '.join(differing)}): "
            "give another folder with --out, or the configuration that it began with"
        )
    return found


def _differences(one: Mapping[str, Any], other: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key in one.keys() | other.keys():
        mine, yours = one.get(key), other.get(key)
        if isinstance(mine, dict) and isinstance(yours, dict):
            yield from _differences(mine, yours, f"{before}{key}.")
        elif mine != yours:
            yield before + key


def fit_mixtures(path: Path, batches: Batches, network: Network, config: Config) -> DepthDistribution:
    """The class-wise mixtures of the source on the network's own inputs, read from `path` if they are there.

    Fitted on the views that the network will see in training, since density depends on where in the input
    a pixel stands.
    """
    settings = config.mixtures
    if not path.exists():
        rounds = max(1, min(settings.pictures, len(batches.dataset)) // batches.size)
        width, height = config.augment.crop
        grid = network.grid(height, width)

        def pairs() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
            for batch in tracked(ahead(batches, 0, rounds), "mixtures: reading", rounds):
                labels, z = sampled(batch.labels, grid), sampled(batch.inverse_depth, grid)
                yield from zip(labels.numpy(), z.numpy(), strict=True)

        distribution = DepthDistribution.fit(
            pairs(), len(TAXONOMIES[config.source.taxonomy]), components=settings.components,
            per_class=settings.per_class, seed=config.seed, scale=settings.scale,
            variance_floor=settings.variance_floor,
        )  # fmt: skip
        distribution.to_json(path)
    return DepthDistribution.from_json(path)


def class_counts(path: Path, batches: Batches, num_classes: int, pictures: int) -> NDArray[np.int64]:
    """(C,) pixel counts of the training views, read from `path` if they are there."""
    if not path.exists():
        counts = np.zeros(256, np.int64)
        for index in range(max(1, min(pictures, len(batches.dataset)) // batches.size)):
            counts += np.bincount(batches(index).labels.numpy().ravel(), minlength=256)
        _write_json(path, counts[:num_classes].tolist())
    return np.asarray(_json(path), np.int64)


def train(config: Config, folder: Path, cache: Path) -> Path:
    """Train to the end, in `folder`; generated data lies under `cache`. Returns the weights' file."""
    run = Run(folder, config)
    config = run.config
    say(f"run folder: {folder}")
    if run.weights.exists():
        say("this run is finished; --out or another --seed starts a new one")
        return run.weights
    source = open_data(config.source, "source", "--source", cache)
    target = open_data(config.target, "validation", "--target", cache)
    run.begin()
    trainer = _Trainer(run, config, source, target)
    trainer.train()
    return trainer.deliver()


class _Trainer:
    """Wires network, data, losses and run folder together."""

    def __init__(self, run: Run, config: Config, source: Dataset, target: Dataset) -> None:
        self.run, self.config, self.target = run, config, target
        self.fabric = Fabric(
            accelerator="auto", devices=1,
            precision="bf16-mixed" if config.training.precision == "bf16" else "32-true",
        )  # fmt: skip
        torch.manual_seed(config.seed)
        settings, taxonomy = config.network, TAXONOMIES[config.source.taxonomy]
        pretrained = settings.pretrained and settings.init is None
        network = build_network(len(taxonomy), settings.backbone, settings.branches, pretrained)
        if settings.init is not None:
            start_from(network, Path(settings.init))
        augment = config.augment
        self.batches = Batches(
            source, size=config.training.batch, seed=config.seed, crop=augment.crop, scale=augment.scale,
            flip=augment.flip, colour=augment.colour, canonical_focal_px=config.input.canonical_focal_px,
        )  # fmt: skip
        distribution = fit_mixtures(run.folder / "mixtures.json", self.batches, network, config)
        self.manifest = make_manifest(config, distribution)
        self.distribution = distribution
        self.learner = SupervisedLearner(
            self.fabric, network, distribution,
            rates=Rates(
                config.optimizer.backbone_rate, config.optimizer.head_rate, config.optimizer.weight_decay,
                config.optimizer.clip_norm,
            ),
            schedule=partial(
                poly, iterations=config.training.iterations, power=config.optimizer.power,
                warm_up=config.optimizer.warm_up,
            ),
            loss_weights={key: getattr(config.losses, key) for key in ("segmentation", "depth", "density")},
            stride=config.losses.stride, class_weights=self._class_weights(len(taxonomy)),
            average=config.training.average,
        )  # fmt: skip
        self.best_score = -1.0

    def _class_weights(self, num_classes: int) -> torch.Tensor | None:
        losses = self.config.losses
        if losses.class_weights == "none":
            return None
        path = self.run.folder / "class_counts.json"
        counts = class_counts(path, self.batches, num_classes, self.config.mixtures.pictures)
        return class_weights(counts, losses.class_weights, losses.class_weight_cap)

    def train(self) -> None:
        """From the last checkpoint, if there is one, to the last iteration."""
        first = self._restore()
        training = self.config.training
        say(
            f"training: {training.iterations} steps of {training.batch} pictures, {training.precision} on "
            f"{self.fabric.device}, from step {first}"
        )
        with RunLog(self.run.folder, first) as self.log:
            Loop(
                self.learner, self.batches, iterations=training.iterations, seed=self.config.seed,
                every=Intervals(
                    log=training.log_every, checkpoint=training.checkpoint_every,
                    validate=training.validate_every,
                ),
                hooks=Hooks(log=self._log, checkpoint=self._save, validate=self._validate),
            ).run(first, "training")  # fmt: skip

    def _restore(self) -> int:
        if not self.run.last.exists():
            return 0
        found = read_checkpoint(self.run.last)
        self.learner.network.load_state_dict(found.state["weights"])
        self.learner.load_state(found.state["learner"])
        self.best_score = float(found.state["best_score"])
        return found.step

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        self.log.values(step, values, "train")

    def _save(self, step: int) -> None:
        state = {
            "weights": self.learner.network.state_dict(), "learner": self.learner.state(),
            "best_score": self.best_score,
        }  # fmt: skip
        self._write(self.run.last, step, state)

    def _write(self, path: Path, step: int, state: Mapping[str, Any]) -> None:
        network = self.learner.result()
        write_checkpoint(path, network, self.manifest, config=self.config.plain(), step=step, state=state)

    def _validate(self, step: int) -> None:
        model = torch_model(self.learner.result(), self.manifest, self.fabric.device)
        scores = score(
            model, self.target, self.manifest, distribution=self.distribution,
            pictures=self.config.training.validation_pictures,
        )  # fmt: skip
        figures = scores.summary()
        self.log.values(step, figures, "validation")
        rows = [
            (sample, model(sample.image))
            for sample in (self.target[i] for i in range(min(PANEL_PICTURES, len(self.target))))
        ]
        picture = sheet(rows, self.target.taxonomy, self.manifest.taxonomy)
        self.log.picture(step, "validation", picture)
        with written_whole(self.run.folder / "panels" / f"{step:06d}.png") as temporary:
            cv2.imwrite(str(temporary), np.ascontiguousarray(picture[..., ::-1]))
        shown = [key for key in figures if not key.startswith("  ")]
        say(f"step {step}: " + ", ".join(f"{key} {figures[key]:.3f}" for key in shown))
        if scores.miou > self.best_score:
            self.best_score = scores.miou
            self._write(self.run.best, step, {})

    def deliver(self) -> Path:
        """Round the last weights to float16 and write them for release."""
        network = self.learner.result()
        round_to_half(network)
        write_weights(self.run.weights, network, self.manifest)
        say(f"last: {self.run.last}\nbest by validation: {self.run.best}\nweights: {self.run.weights}")
        return self.run.weights


def _json(path: Path) -> Any:
    import json

    return json.loads(path.read_text(encoding="utf-8"))


def _write_json(path: Path, value: Any) -> None:
    import json

    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
