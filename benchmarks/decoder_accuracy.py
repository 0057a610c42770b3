"""Which decoder gives the small network the best accuracy per millisecond: the accuracy, after short trainings.

    python benchmarks/decoder_accuracy.py CAMVID --source STREETS --iterations 450 --seed 0

Each variant of decoder.py is trained alike on the same generated streets (`depdis-data street STREETS --domain
random --pictures 1200 --size 512x384 --seed 5`) and scored on CamVid's validation pictures; none of them is
trained on. Adds to benchmarks/results/decoder_accuracy.json. Of one seed, differences under 2 points may be
chance.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from decoder import VARIANTS

import depdis_training.efficientnet
from depdis_deploy.files import written_whole
from depdis_training.config import load_config
from depdis_training.pipeline import train

RESULT = Path(__file__).parent / "results" / "decoder_accuracy.json"
COMPARED = (
    "stride 8, 1 mix, no context (chosen)",
    "stride 8, context, 2 mixes",
    "corrected at stride 4, 48 channels",
)


def trained(name: str, camvid: Path, streets: Path, iterations: int, seed: int) -> dict[str, float]:
    """The last validation of a training with a variant's decoder."""
    depdis_training.efficientnet.DecoderDesign = lambda: VARIANTS[name]  # type: ignore[assignment,misc]
    config = load_config(
        "street-camvid",
        changes={
            "source.root": str(streets), "variant": "source_branches", "seed": seed,
            "target.root": str(camvid), "validation.root": str(camvid), "training.iterations": iterations,
            "training.validate_every": iterations, "training.validation_pictures": 101,
        },
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(config, Path(folder) / "run", Path(folder))
        lines = (Path(folder) / "run" / "stage1" / "log.jsonl").read_text().splitlines()
    last = [entry for entry in map(json.loads, lines) if entry["kind"] == "validation"][-1]
    return {key.strip(): round(value, 1) for key, value in last.items() if isinstance(value, float)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("camvid", type=Path)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--iterations", type=int, default=450)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    results: dict[str, dict[str, object]] = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    for name in COMPARED:
        figures = trained(name, arguments.camvid, arguments.source, arguments.iterations, arguments.seed)
        results.setdefault(name, {})[f"seed {arguments.seed}, {arguments.iterations} steps"] = figures
        with written_whole(RESULT) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
