"""Does the verdict on an adaptation to one's own camera tell better from worse? (docs/adapting.md)

    python benchmarks/adaptation.py --work WORK [--source SET] [--only NAME ...]

Adapts the model inside the package to street targets whose truth is known but not shown, some as a user would
and some so that it goes wrong, and compares the verdict with the truth. Each run takes about a minute of a
core; what is in the results file already is left, so the same command goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from adaptation_targets import TARGETS, TUNING, standing, test_samples, write_pictures

from depdis_deploy.files import written_whole
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.checkpoint import load_network, read_checkpoint
from depdis_training.config import load_config
from depdis_training.data.samples import Sample
from depdis_training.models import torch_model
from depdis_training.network import Network
from depdis_training.parts import bundled_weights
from depdis_training.pipeline import train
from depdis_training.scoring import score
from depdis_training.settings import Config
from depdis_training.verdict import Figures, Verdict, judge

ALL_TARGETS = TARGETS | TUNING
RESULTS = Path(__file__).parent / "results"
# Shorter and with smaller views than the command's own, so that the series takes 12 minutes of a core.
SHORT = (
    "augment.crop=[256,192]", "augment.scale=[0.6,1.8]", "mixtures.pictures=32",
    "training.iterations=15", "self_training.iterations=45", "self_training.rounds=1", "training.average=0.95",
    "training.log_every=50", "training.checkpoint_every=1000", "verdict.every=4", "verdict.pictures=14",
)  # fmt: skip


def _rate(factor: float) -> tuple[str, ...]:
    return f"optimizer.backbone_rate={1e-4 * factor}", f"optimizer.head_rate={3e-4 * factor}"


_TARGET_ALONE = ("self_training.source=false", "training.iterations=1", "labels.confidence=0.3")
_HASTY = ("training.iterations=8", "self_training.iterations=16")


@dataclass(frozen=True)
class Case:
    """A target, what differs from SHORT, and whether the camera stands still."""

    target: str
    settings: tuple[str, ...] = ()
    still: bool = False


CASES = {
    "dusk": Case("dusk"),
    "rate x30, bright": Case("bright", (*_rate(30), *_HASTY)),
    "cast": Case("cast"),
    "target alone, dark": Case("dark", (*_TARGET_ALONE, *_rate(4))),
    "dull": Case("dull"),
    "standing, wide": Case("wide", (*_TARGET_ALONE, *_rate(4)), still=True),
    "fog": Case("fog"),
    "rate x10, dusk": Case("dusk", (*_rate(10), *_HASTY)),
    "lorry": Case("lorry"),
    "dark": Case("dark"),
    "target alone, lorry": Case("lorry", (*_TARGET_ALONE, *_rate(4))),
    "bright": Case("bright"),
    "rate x100, fog": Case("fog", (*_rate(100), *_HASTY)),
    "wide": Case("wide"),
    "standing, dull": Case("dull", (*_TARGET_ALONE, *_rate(10)), still=True),
    "rate x30, cast": Case("cast", (*_rate(30), *_HASTY)),
}
# What the settings and the verdict's limits were chosen on.
TUNING_CASES = {
    "dim": Case("dim"),
    "van": Case("van"),
    "haze": Case("haze"),
    "glare": Case("glare"),
    "night": Case("night"),
    "rate x3, van": Case("van", ("optimizer.backbone_rate=3e-4", "optimizer.head_rate=9e-4")),
    "rate x10, haze": Case("haze", (*_rate(10), *_HASTY)),
    "rate x30, glare": Case("glare", (*_rate(30), *_HASTY)),
    "target alone, night": Case("night", (*_TARGET_ALONE, *_rate(4))),
    "target alone, van": Case("van", (*_TARGET_ALONE, *_rate(4))),
    "standing, dim": Case("dim", (*_TARGET_ALONE, *_rate(4)), still=True),
}


class Held:
    """Samples in memory, as a data set."""

    taxonomy = CITYSCAPES_16

    def __init__(self, samples: list[Sample]) -> None:
        self.samples, self.names = samples, [sample.name for sample in samples]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Sample:
        return self.samples[index]


class Series:
    """The runs in a work folder."""

    def __init__(self, work: Path, source: Path | None) -> None:
        self.work, self.source = work, source
        work.mkdir(parents=True, exist_ok=True)
        self.start = work / "start.safetensors"
        if not self.start.exists():  # one start for the whole series, whatever the package's becomes
            self.start.write_bytes(bundled_weights().read_bytes())
        manifest = read_checkpoint(self.start).manifest
        assert manifest is not None
        self.manifest = replace(manifest, resize=self.config(Case("dull")).input.rule())
        self.truth: dict[str, Held] = {}
        self.before: dict[str, float] = {}

    def pictures(self, case: Case) -> Path:
        """The folder of the pictures to adapt to."""
        return self.work / f"{case.target}{'-standing' if case.still else ''}"

    def config(self, case: Case) -> Config:
        """The configuration of the command, as the case changes it."""
        frames = {"layout": "frames", "split": "train", "root": str(self.pictures(case)), "street": None}
        changes: dict[str, Any] = {"target": frames, "validation": None, "network.init": str(self.start)}
        if self.source is not None:
            changes["source.root"] = str(self.source)
        return load_config("street", [*SHORT, *case.settings], changes)

    def run(self, name: str, case: Case) -> dict[str, Any]:
        """Adapt, and compare with the truth."""
        target = standing(ALL_TARGETS[case.target]) if case.still else ALL_TARGETS[case.target]
        write_pictures(target, self.pictures(case))
        config = self.config(case)
        folder = self.work / "runs" / name.replace(" ", "-").replace(",", "")
        begun = time.process_time()
        train(config, folder, self.work / "data")
        cpu_s = time.process_time() - begun
        if case.target not in self.before:
            self.before[case.target] = self.miou(case.target, load_network(self.start))
        result = load_network(folder / "self-training-1" / "last.pt")
        verdict = json.loads((folder / "verdict.json").read_text())
        return {
            "target": case.target, "settings": case.settings, "still": case.still, "cpu_s": round(cpu_s, 1),
            "miou": [self.before[case.target], self.miou(case.target, result)],
            "figures": [verdict["start"], verdict["result"]],
            "agreement": verdict["agreement"],
        }  # fmt: skip

    def miou(self, target: str, network: Network) -> float:
        """On labelled frames of the same camera in other streets, in %."""
        if target not in self.truth:
            self.truth[target] = Held(list(test_samples(ALL_TARGETS[target])))
        return 100 * score(torch_model(network, self.manifest), self.truth[target], self.manifest).miou


def verdict_of(run: dict[str, Any]) -> Verdict:
    """The verdict on a run's stored figures."""
    before, after = (Figures(**figures) for figures in run["figures"])
    return judge(before, after, run["agreement"])


def summary(runs: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What the verdict, on the stored figures, gains and gets right."""
    starts, results, answers, kept = [], [], [], []
    for run in runs.values():
        start, result = run["miou"]
        kept.append(verdict_of(run).keep)
        starts.append(start)
        results.append(result)
        answers.append(result if kept[-1] else start)
    worse = [keep for keep, start, result in zip(kept, starts, results, strict=True) if result < start]
    better = [keep for keep, start, result in zip(kept, starts, results, strict=True) if result > start]
    return {
        "runs": len(runs), "targets": len({run["target"] for run in runs.values()}),
        "mean mIoU of starts": float(np.mean(starts)), "of results": float(np.mean(results)),
        "of answers": float(np.mean(answers)), "got worse": len(worse), "of these rejected": worse.count(False),
        "improved": len(better), "of these kept": better.count(True),
    }  # fmt: skip


def table(runs: dict[str, dict[str, Any]]) -> str:
    """The runs as a table in Markdown: truth, then what the verdict can know, then the verdict."""
    lines = [
        "| run | mIoU before | after | in look | retained | consistency | agreement | delivered |",
        "|---" * 8 + "|",
    ]
    for name, run in runs.items():
        one, other = (Figures(**figures) for figures in run["figures"])
        verdict = verdict_of(run)
        gains = [getattr(other, key) - getattr(one, key) for key in ("in_look", "retained", "consistency")]
        shown = " | ".join(f"{gain:+.1f}" for gain in gains)
        right = verdict.keep == (run["miou"][1] > run["miou"][0])
        lines.append(
            f"| {name} | {run['miou'][0]:.1f} | {run['miou'][1]:.1f} | {shown} | {run['agreement']:.0f} | "
            f"{'result' if verdict.keep else 'start'}{'' if right else ' (wrong)'} |"
        )
    lines += ["", *(f"- {key}: {value:.4g}" for key, value in summary(runs).items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run what is missing, and write the results after each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="for pictures and runs; kept")
    parser.add_argument(
        "--source", type=Path, help="a generated set to adapt with; default: drawn, as users do"
    )
    parser.add_argument(
        "--tuning", action="store_true", help="the runs that limits are chosen on, not the test"
    )
    parser.add_argument("--only", nargs="+", help="these runs alone")
    parser.add_argument(
        "--json", type=Path, help="default: adaptation.json or adaptation_tuning.json in results"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    cases, targets = (TUNING_CASES, TUNING) if arguments.tuning else (CASES, TARGETS)
    path: Path = arguments.json or RESULTS / f"adaptation{'_tuning' if arguments.tuning else ''}.json"
    found = json.loads(path.read_text()) if path.exists() else {"runs": {}}
    series = Series(arguments.work, arguments.source)
    for name in arguments.only or cases:
        if name not in found["runs"]:
            found["runs"][name] = series.run(name, cases[name])
        found |= {
            "machine": f"{platform.machine()}, one thread beside other work", "torch": torch.__version__,
            "start_sha256": hashlib.sha256(series.start.read_bytes()).hexdigest(), "short": SHORT,
            "targets": {key: asdict(target) for key, target in targets.items()},
            "summary": summary(found["runs"]),
        }  # fmt: skip
        for file, text in (
            (path, json.dumps(found, indent=1) + "\n"),
            (path.with_suffix(".md"), table(found["runs"])),
        ):
            with written_whole(file) as temporary:
                temporary.write_text(text)
        print(table({name: found["runs"][name]}), flush=True)


if __name__ == "__main__":
    main()
