"""One whole step of stage 1 of each protocol at its real size: ResNet-101, generated pictures.

    python benchmarks/protocol_steps.py [PROTOCOL ...]

Takes about 5 minutes a protocol at 1280x760 on two cores. Writes benchmarks/results/protocol_steps.json (or
--out): losses of the step, peak memory of the process or, where there is one, of the GPU.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch

from depdis_deploy.files import written_whole
from depdis_training.config import bundled_names
from depdis_training.experiment import Options, configurations
from depdis_training.hardware import memory_used_gb
from depdis_training.pipeline import train
from depdis_training.run_log import read_log
from depdis_training.street.writer import write_street

RESULT = Path(__file__).parent / "results" / "protocol_steps.json"
# Pictures of the sets: SYNTHIA's and Cityscapes' own sizes, one of Mapillary's many.
SIZES = {"synthia": (1280, 760), "cityscapes": (2048, 1024), "mapillary-v1.2": (1632, 1224)}
ONE_STEP = (
    "network.start=scratch", "training.iterations=1", "training.validation_pictures=1", "mixtures.pictures=2",
)  # fmt: skip


def one_step(protocol: str) -> dict[str, Any]:
    """Losses, seconds and memory of a protocol's first step."""
    ((_, plain),) = configurations(Options(config=protocol)).items()
    assert plain.target is not None
    with tempfile.TemporaryDirectory() as folder:
        roots = {}
        for layout, domain in ((plain.source.layout, "source"), (plain.target.layout, "target")):
            roots[layout] = Path(folder) / layout
            write_street(roots[layout], pictures=6, size=SIZES[layout], domain=domain, layout=layout)  # type: ignore[arg-type]
        options = Options(
            config=protocol,
            settings=ONE_STEP,
            source=roots[plain.source.layout],
            target=roots[plain.target.layout],
        )
        ((_, config),) = configurations(options).items()
        train(config, Path(folder) / "run", Path(folder) / "data", until="stage1")
        entry = next(e for e in read_log(Path(folder) / "run" / "stage1" / "log.jsonl") if e["kind"] == "train")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    return {**entry, "peak_gb": round(memory_used_gb(), 2), "gpu": gpu}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    protocols = [name for name in bundled_names() if name.startswith("synthia-")]
    parser.add_argument("protocols", nargs="*", choices=protocols, metavar="PROTOCOL", help="all of them")
    parser.add_argument("--out", type=Path, default=RESULT)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(one_step(arguments.protocols[0])))
        return
    results = json.loads(arguments.out.read_text()) if arguments.out.exists() else {}
    for protocol in arguments.protocols or protocols:  # in a process of its own, whose peak memory is its own
        done = subprocess.run([sys.executable, __file__, "--one", protocol], stdout=subprocess.PIPE, check=True)
        results[protocol] = json.loads(done.stdout)
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
