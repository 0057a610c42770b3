"""One training of a run, in a folder of its own: steps, log, validation, checkpoints; it resumes anywhere."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.json_files import shown
from depdis_deploy.manifest import Manifest

from .adaptation import AdaptationLearner, Pair
from .checkpoint import Checkpoint, CheckpointError, read_checkpoint, write_checkpoint
from .data.samples import Dataset
from .depth_distribution import DepthDistribution
from .loading import Batches
from .loop import Hooks, Intervals, Loop
from .mixing import draw_things
from .models import torch_model
from .network import Network
from .panel import sheet
from .run_log import RunLog
from .scoring import score
from .settings import Config
from .speech import say
from .weights import load_weights
from .workers import Workers

PANEL_PICTURES = 4


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all trainings of a run share."""

    config: Config
    manifest: Manifest
    distribution: DepthDistribution | None
    validation: Dataset | None
    device: torch.device
    workers: Workers


class PairBatches:
    """The micro-batches of a step: `accumulate` pairs of source and target for each of the processes.

    Those of one process that accumulates n are those of n processes that accumulate one. taught: their labels
    are made in the step.
    """

    def __init__(
        self, source: Batches, target: Batches | None, accumulate: int, workers: Workers, *,
        taught: bool = False,
    ) -> None:  # fmt: skip
        self.source, self.target, self.accumulate, self.workers = source, target, accumulate, workers
        self.taught = taught

    def __call__(self, step: int) -> list[Pair]:
        """The pairs of step number `step`, counted from 0."""
        return [
            Pair(self.source(place), None if self.target is None else self.target(place), self.taught)
            for place in self.places(step)
        ]

    def places(self, step: int) -> range:
        """Which of all micro-batches of the training this process's are in a step."""
        count = self.workers.count
        first = step * self.accumulate * count + self.workers.rank
        return range(first, first + self.accumulate * count, count)


def together(*batches: Callable[[int], Sequence[Pair]]) -> Callable[[int], list[Pair]]:
    """The pairs of each of several batches in one step."""
    return lambda step: [pair for one in batches for pair in one(step)]


def mixed(
    labelled: Callable[[int], Sequence[Pair]], source: Callable[[int], Sequence[Pair]],
    places: Callable[[int], range], *, share: float, seed: int,
) -> Callable[[int], list[Pair]]:  # fmt: skip
    """The target's pairs of each step, `share` of their pictures with things of that step's source pictures.

    places: a step's micro-batches among those of the training; what is pasted depends on seed and place alone,
    so that it is the same however many processes share a step.
    """

    def pairs(step: int) -> list[Pair]:
        found = []
        for place, target, given in zip(places(step), labelled(step), source(step), strict=True):
            rng = np.random.default_rng([seed, 2, place])
            pasted = draw_things(rng, given.source, len(target.source.labels), share)
            found.append(target._replace(pasted=pasted))
        return found

    return pairs


def _pinned(batches: Callable[[int], Sequence[Pair]]) -> Callable[[int], Sequence[Pair]]:
    return lambda step: [pair.pinned() for pair in batches(step)]


class TrainingStage:
    """`last.pt` (with the snapshots before it, if more are kept), `best.pt`, `log.jsonl`, `tensorboard/` and
    `panels/` in a folder of a run."""

    def __init__(
        self, folder: Path, learner: AdaptationLearner, batches: Callable[[int], Sequence[Pair]], *,
        iterations: int, seed: int, around: Surroundings,
    ) -> None:  # fmt: skip
        self.folder, self.learner = folder, learner
        self.batches = _pinned(batches) if around.device.type == "cuda" else batches
        self.iterations, self.seed, self.around = iterations, seed, around
        self.last, self.best = folder / "last.pt", folder / "best.pt"
        self.best_score = -1.0

    def run(self) -> Network:
        """From the last checkpoint, if there is one, to the last iteration; the network that comes out.

        Each process's batch norm has seen its own pictures: they all come out with the first one's statistics,
        as one that goes on from the checkpoint does.
        """
        first = self._restore()
        name, training = self.folder.name, self.around.config.training
        if first == self.iterations:
            return self.learner.result()
        (self.folder / "panels").mkdir(parents=True, exist_ok=True)
        where = f"{training.precision} on {self.around.device}"
        say(f"{name}: {self.iterations} steps, {where}, from step {first}")
        with RunLog(self.folder, first, writes=self.around.workers.first) as self.log:
            Loop(
                self.learner, self.batches, iterations=self.iterations, seed=self.seed,
                every=Intervals(
                    log=training.log_every, checkpoint=training.checkpoint_every,
                    validate=training.validate_every,
                ),
                hooks=Hooks(log=self._log, checkpoint=self._save, validate=self._validate),
                agree=self.around.workers.agree if self.around.workers.count > 1 else None,
                quiet=not self.around.workers.first,
            ).run(first, name)  # fmt: skip
        self.around.workers.follow_first(self.learner.result().buffers())
        return self.learner.result()

    def _restore(self) -> int:
        if not self.last.exists():
            return 0
        try:
            found = read_checkpoint(self.last)
            self._load(found)
        except ValueError as error:
            where = "" if isinstance(error, CheckpointError) else f"{self.last}: "
            raise InputError(
                f"{where}{error}; this training cannot be resumed from it: remove the file to begin "
                f"{self.folder.name} again, or start a new run with another --out"
            ) from None
        return found.step

    def _load(self, found: Checkpoint) -> None:
        """Take over a checkpoint's state; ValueError names what is not of this stage."""
        if found.step > self.iterations:
            raise ValueError(f"it is of step {found.step}, this stage has {self.iterations} iterations")
        kinds = {"weights": Mapping, "learner": Mapping, "best_score": float}
        for key, kind in kinds.items():
            if not isinstance(found.state.get(key), kind):
                raise ValueError(f"its state has no {key}, or {shown(found.state.get(key))} in its place")
        load_weights(self.learner.network, found.state["weights"])
        self.learner.load_state(found.state["learner"])
        self.best_score = found.state["best_score"]

    def _log(self, step: int, values: Mapping[str, float]) -> None:
        self.log.values(step, values, "train")

    def _save(self, step: int) -> None:
        if not self.around.workers.first:
            return
        state = {
            "weights": self.learner.network.state_dict(), "learner": self.learner.state(),
            "best_score": self.best_score,
        }  # fmt: skip
        self._write(self.last, step, state)
        self._keep(step)

    def _keep(self, step: int) -> None:
        """Older snapshots under their steps' numbers: names for the files that `last.pt` was."""
        keep = self.around.config.training.keep
        if keep == 1:
            return
        name = self.folder / f"step-{step:08d}.pt"
        name.unlink(missing_ok=True)
        os.link(self.last, name)
        for old in sorted(self.folder.glob("step-*.pt"))[:-keep]:
            old.unlink()

    def _write(self, path: Path, step: int, state: Mapping[str, Any]) -> None:
        around = self.around
        write_checkpoint(
            path, self.learner.result(), around.manifest, config=around.config.plain(), step=step, state=state
        )

    def _validate(self, step: int) -> None:
        around = self.around
        if around.validation is None or not around.workers.first:
            return
        network = self.learner.result()
        model = torch_model(network, around.manifest, around.device)
        scores = score(
            model, around.validation, around.manifest, distribution=around.distribution,
            pictures=around.config.training.validation_pictures,
        )  # fmt: skip
        figures = scores.summary()
        self.log.values(step, figures, "validation")
        shown = range(min(PANEL_PICTURES, len(around.validation)))
        rows = [(sample, model(sample.image)) for sample in (around.validation[i] for i in shown)]
        picture = sheet(rows, around.validation.taxonomy, around.manifest.taxonomy)
        self.log.picture(step, "validation", picture)
        with written_whole(self.folder / "panels" / f"{step:06d}.png") as temporary:
            temporary.write_bytes(cv2.imencode(".png", np.ascontiguousarray(picture[..., ::-1]))[1].tobytes())
        short = [key for key in figures if not key.startswith("  ")]
        say(f"step {step}: " + ", ".join(f"{key} {figures[key]:.3f}" for key in short))
        if scores.miou > self.best_score:
            self.best_score = scores.miou
            self._write(self.best, step, {})
