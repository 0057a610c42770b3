"""What comes out of a run, on the whole validation set: the last and the best snapshot, named as such."""

from __future__ import annotations

from pathlib import Path

from .batch_statistics import reestimated
from .checkpoint import read_checkpoint
from .entries import Opened, of_network, origin
from .evaluated import Options
from .experiment_data import ExperimentData
from .full_evaluation import full_evaluation
from .report.reading import as_text, overview
from .run_folder import METRICS, write_json
from .speech import say
from .training_stage import Surroundings


def final_scores(folder: Path, stage: Path, around: Surroundings, data: ExperimentData) -> None:
    """Evaluate `last` and `best` of a run's last stage and write the report into the run's folder.

    Each snapshot as trained, in its deployed form, and with batch-norm statistics re-estimated on the target's
    pictures; where the last is the best, once. Without a validation set metrics.json is empty, and there is no
    report.
    """
    if data.validation is None:
        say("no validation set: nothing to score")
        write_json(folder / METRICS, {})
        return
    found: list[Opened] = []
    for name in ("last", "best"):
        path = stage / f"{name}.pt"
        if not path.exists():
            continue
        checkpoint = read_checkpoint(path)
        if found and checkpoint.step == found[0].entries[0].about.get("step"):
            say("the last snapshot is the best")
            continue
        network = checkpoint.network.to(around.device)
        about = origin(checkpoint, around.manifest)
        entries = list(
            of_network(name, network, around.manifest, around.config, device=around.device, about=about)
        )
        if data.target is not None:
            entries += of_network(
                f"{name}, statistics of the target", reestimated(network, data.target, around.manifest.resize),
                around.manifest, around.config, device=around.device, about=about, reference=name,
                exports=False,
            )  # fmt: skip
        found.append(Opened(tuple(entries), network))
    metrics = full_evaluation(
        found, data.validation, around.config, Options(), out=folder, quiet=not around.workers.first
    )
    say(*as_text(overview(metrics)).split("\n"))
    say(f"report: {folder / 'report.html'}")
