"""What comes out of a run, on the whole validation set: the last and the best snapshot, named as such."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .batch_statistics import reestimated
from .checkpoint import load_network
from .data.samples import Dataset
from .evaluation import as_table
from .experiment_data import ExperimentData
from .network import Network
from .scoring import figures, score, torch_model
from .speech import say
from .training_stage import Surroundings


def final_scores(stage: Path, around: Surroundings, data: ExperimentData) -> dict[str, Any]:
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
            taken_anew = reestimated(network, data.target, around.manifest.resize)
            title = f"{name}, statistics of the target"
            results[title] = _scored(taken_anew, around, validation, title)
    say(as_table({}, {title: result["figures"] for title, result in results.items()}))
    return results


def _scored(network: Network, around: Surroundings, validation: Dataset, title: str) -> dict[str, Any]:
    scores = score(
        torch_model(network, around.manifest, around.device), validation, around.manifest,
        distribution=around.distribution, what=title, quiet=not around.workers.first,
    )  # fmt: skip
    return figures(scores)
