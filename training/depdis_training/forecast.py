"""How long a run will take, from steps of its own networks on its own pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from depdis_deploy.progress import duration

from .adaptation import AdaptationLearner, Pair


@dataclass(frozen=True)
class Work:
    """A stage's name and steps, and the learner and batch that one of its steps is like; `share` of its time
    is what a step of this stage takes (a prediction without gradients: a third)."""

    name: str
    steps: int
    learner: Callable[[], AdaptationLearner]
    pairs: Sequence[Pair]
    share: float = 1.0


def forecast(works: Sequence[Work]) -> str:
    """One line: the whole time and each stage's. Each learner is made, does two steps and is thrown away."""
    found = [(work.name, work.steps * work.share * _seconds(work)) for work in works if work.steps]
    parts = ", ".join(f"{name} {duration(seconds)}" for name, seconds in found)
    return f"about {duration(sum(seconds for _, seconds in found))} from here: {parts}"


def _seconds(work: Work) -> float:
    """Of one step: the second, since the first one warms up."""
    learner = work.learner()
    learner.update(0, work.pairs)
    _wait()
    begun = time.monotonic()
    learner.update(1, work.pairs)
    _wait()
    return time.monotonic() - begun


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
