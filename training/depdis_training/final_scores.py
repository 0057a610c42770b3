"""What comes out of a run, on the whole validation set: the last and the best snapshot, named as such."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

from depdis_deploy.progress import Progress

from .batch_statistics import reestimate
from .checkpoint import load_network
from .data.samples import Dataset
from .evaluation import as_table
from .experiment_data import ExperimentData
from .loading import Batches
from .network import Network
from .scoring import figures, score, torch_model
from .speech import say
from .training_stage import Surroundings

# Pictures from which batch-norm statistics are taken anew.
REESTIMATED_PICTURES = 200


def final_scores(
    stage: Path, around: Surroundings, data: ExperimentData, batches: Callable[..., Batches]
) -> dict[str, Any]:
    """Figures of `last` and `best` of a run's last stage, each as trained and with batch-norm statistics
    re-estimated on the target's pictures; empty without a validation set. The table goes to stderr."""
    validation = data.validation
    if validation is None:
        say("no validation set: nothing to score")
        return {}
    results: dict[str, Any] = {}
    for name in ("last", "best"):
        path = stage / f"{name}.pt"
        if not path.exists():
            continue
        network = load_network(path).to(around.device)
        results[name] = _scored(network, around, validation, name)
        if data.target is not None:
            taken_anew = reestimated(network, batches(data.target, labelled=False))
            title = f"{name}, statistics of the target"
            results[title] = _scored(taken_anew, around, validation, title)
    say(as_table({}, {title: result["figures"] for title, result in results.items()}))
    return results


def reestimated(network: Network, batches: Batches) -> Network:
    """A copy of a network with the batch-norm statistics of a set's pictures."""
    network = copy.deepcopy(network)
    rounds = max(1, min(REESTIMATED_PICTURES, len(batches.dataset)) // batches.size)
    progress = Progress("batch-norm statistics", rounds, unit="batches")
    device = next(network.parameters()).device

    def images() -> Any:
        for index in range(rounds):
            yield batches(index).images.to(device)
            progress.advance()

    reestimate(network, images())
    progress.close()
    return network


def _scored(network: Network, around: Surroundings, validation: Dataset, title: str) -> dict[str, Any]:
    scores = score(
        torch_model(network, around.manifest, around.device), validation, around.manifest,
        distribution=around.distribution, what=title, quiet=not around.workers.first,
    )  # fmt: skip
    return figures(scores)
