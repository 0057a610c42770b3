"""The training loop: steps, log, validation, checkpoints and signals, for any learner."""

from __future__ import annotations

import math
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

from depdis_deploy.command import Terminated
from depdis_deploy.progress import Progress

from .hardware import memory_used_gb
from .loading import ahead

BatchType = TypeVar("BatchType")
BatchIn = TypeVar("BatchIn", contravariant=True)


class DivergedError(ValueError):
    """A loss is no longer a finite number."""


# A discriminator's loss (2 ln 2 where it is at a loss) below which it tells the domains apart without fail, and
# for how many log entries in a row it may be there.
_COLLAPSED_BELOW, _COLLAPSED_ENTRIES = 1e-3, 20


class Learner(Protocol[BatchIn]):
    """What is trained: one optimizer step from a batch to named losses. The loop knows no method by name."""

    def update(self, step: int, batch: BatchIn) -> Mapping[str, Tensor]:
        """Do step number `step`, counted from 0; the losses are detached, `total` is what was minimised."""

    def rate(self) -> float:
        """The present learning rate."""


@dataclass(frozen=True, kw_only=True)
class Intervals:
    """After how many steps something happens."""

    log: int
    checkpoint: int
    validate: int


@dataclass(frozen=True, kw_only=True)
class Hooks:
    """What happens then; `step` counts the steps that are done."""

    log: Callable[[int, Mapping[str, float]], None]
    checkpoint: Callable[[int], None]
    validate: Callable[[int], None]


@dataclass
class _Stop:
    reason: BaseException | None = None


class Loop(Generic[BatchType]):
    """Steps `first` to `iterations` of a learner. Batch k is `batch_at(k)`, made ahead in threads.

    Randomness inside a step depends on the seed and the step alone, so that a run that goes on from a
    checkpoint does what an undisturbed one does. agree: whether any of several processes wants to stop;
    they ask each other at the steps that are logged, and stop together.
    """

    def __init__(
        self, learner: Learner[BatchType], batch_at: Callable[[int], BatchType], *, iterations: int, seed: int,
        every: Intervals, hooks: Hooks, agree: Callable[[bool], bool] | None = None, quiet: bool = False,
    ) -> None:  # fmt: skip
        self.learner, self.batch_at = learner, batch_at
        self.iterations, self.seed, self.every, self.hooks = iterations, seed, every, hooks
        self.agree, self.quiet = agree, quiet

    def run(self, first: int, what: str) -> None:
        """Go on from step `first` to the end.

        Ctrl-C and SIGTERM end it after the step in hand, with a checkpoint, as KeyboardInterrupt and
        Terminated. A loss that is not finite raises DivergedError before a checkpoint is touched.
        """
        progress = Progress(what, self.iterations, unit="steps", done=first, quiet=self.quiet)
        pending: list[Mapping[str, Tensor]] = []
        note, waited, begun, self.collapsed = "", 0.0, time.monotonic(), 0
        # One thread keeps up with a CPU's steps, whose cores more would take away; a GPU's are shorter.
        threads, depth = (4, 8) if torch.cuda.is_available() else (1, 3)
        batches = ahead(self.batch_at, first, self.iterations, threads=threads, depth=depth)
        with _stop_requests() as stop:
            for step in range(first, self.iterations):
                asked = time.monotonic()
                batch = next(batches)
                waited += time.monotonic() - asked
                torch.manual_seed((self.seed << 32) + step)
                pending.append(self.learner.update(step, batch))
                done = step + 1
                stopping, last = self._stopping(stop, done), done == self.iterations
                saves = last or stopping is not None or done % self.every.checkpoint == 0
                validates = last or done % self.every.validate == 0
                if saves or validates or done % self.every.log == 0:
                    means = self._means(pending, done)
                    pending = []
                    share = waited / (time.monotonic() - begun)
                    self.hooks.log(done, {**means, "rate": self.learner.rate(), "waiting_share": share})
                    note = ", ".join(f"{name} {value:.3f}" for name, value in means.items())
                    note += f", waiting for data {share:.0%}, {memory_used_gb():.1f} GB"
                    self._refuse_collapse(means, done)
                progress.advance(note=note)
                if validates:
                    self.hooks.validate(done)
                if saves:
                    self.hooks.checkpoint(done)
                if stopping is not None:
                    progress.close(note)
                    batches.close()
                    raise stopping
        progress.close(note)

    def _stopping(self, stop: _Stop, done: int) -> BaseException | None:
        """Asked once a turn: a signal that comes later in it is for the next one, which then saves."""
        if self.agree is None:
            return stop.reason
        if done % self.every.log or not self.agree(stop.reason is not None):
            return None
        return stop.reason or Terminated()

    def _refuse_collapse(self, means: Mapping[str, float], done: int) -> None:
        """A discriminator that is always right teaches nothing: what follows would not be adaptation."""
        judged = [value for name, value in means.items() if name.startswith("discriminator")]
        collapsed = bool(judged) and min(judged) < _COLLAPSED_BELOW
        self.collapsed = self.collapsed + 1 if collapsed else 0
        if self.collapsed == _COLLAPSED_ENTRIES:
            raise DivergedError(
                f"the discriminator has told source and target apart without fail up to step {done} "
                f"(its loss stays below {_COLLAPSED_BELOW:g}); start a new run with a lower discriminator.rate "
                "or a higher method.adversarial. The last checkpoint is unchanged"
            )

    @staticmethod
    def _means(pending: list[Mapping[str, Tensor]], done: int) -> dict[str, float]:
        means = {name: float(torch.stack([losses[name] for losses in pending]).mean()) for name in pending[0]}
        bad = [name for name, value in means.items() if not math.isfinite(value)]
        if bad:
            raise DivergedError(
                f"the {bad[0]} loss became infinite or NaN before step {done}; start a new run with lower "
                "optimizer.backbone_rate and optimizer.head_rate, or with training.precision=fp32. The last "
                "checkpoint is unchanged"
            )
        return means


@contextmanager
def _stop_requests() -> Iterator[_Stop]:
    """Within the block the first SIGINT or SIGTERM is noted, a second one of a kind acts as ever."""
    stop = _Stop()
    reasons: dict[int, BaseException] = {signal.SIGINT: KeyboardInterrupt(), signal.SIGTERM: Terminated()}

    def request(signum: int, frame: Any) -> None:
        stop.reason = reasons[signum]
        signal.signal(signum, before[signum])

    before = {signum: signal.signal(signum, request) for signum in reasons}
    try:
        yield stop
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
