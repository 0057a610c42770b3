"""How logits are brought to the labels' grid in an exported graph: by `Resize`, or its rows by a product.

    python benchmarks/enlarging.py [--rounds 5] [--out benchmarks/results/enlarging.json]

The bundled model's weights are exported both ways, in fp32 and INT8, and run as the package runs them, one
thread a call, in interleaved rounds: milliseconds of the process, and how many times as fast the product makes
it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from torch import Tensor
from torch.nn import functional

from depdis_deploy.backends import Session, open_chosen
from depdis_deploy.backends.cpu import model_name
from depdis_deploy.files import written_whole
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_export.exporting import Precision, export

SIZE = (640, 320)
FORMS = ("Resize", "product")
ENGINES = ("onnxruntime", "openvino")
WANTED = {"all four outputs": None, "labels and depth": ("labels", "depth")}
RUNS = 20


def resized(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """What `enlarged` is outside an export."""
    return functional.interpolate(maps, size=size, mode="bilinear", align_corners=True)


def files(folder: Path, precision: str) -> dict[str, Path]:
    """The bundled weights in both forms."""
    found = {form: folder / f"{form}-{precision}.onnx" for form in FORMS}
    weights = BUNDLED_MODEL.with_suffix(".safetensors")
    for form, path in found.items():
        with mock.patch("depdis_training.deployed.enlarged", resized) if form == "Resize" else mock.MagicMock():
            export(weights, path, dynamic=True, precision=Precision(name=precision))
    return found


def race(sessions: dict[str, Session], outputs: tuple[str, ...] | None, rounds: int) -> dict[str, Any]:
    """Medians of the process's milliseconds a call, and the median ratio of neighbouring calls."""
    frames = np.random.default_rng(0).integers(0, 256, (1, SIZE[1], SIZE[0], 3), np.uint8)
    spent: dict[str, list[float]] = {form: [] for form in sessions}
    for _ in range(rounds):
        for session in sessions.values():
            session.run(frames, outputs)
        for _ in range(RUNS):
            for form, session in sessions.items():
                begun = time.process_time()
                session.run(frames, outputs)
                spent[form].append(1000 * (time.process_time() - begun))
    ratios = [slow / fast for slow, fast in zip(spent["Resize"], spent["product"], strict=True)]
    figures = {form: round(statistics.median(times), 2) for form, times in spent.items()}
    return {**figures, "times_as_fast": round(statistics.median(ratios), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for precision in ("fp32", "int8"):
            found = files(Path(folder), precision)
            for engine in ENGINES:
                sessions = {
                    form: open_chosen(path, "cpu", 1, engine=engine, precision=precision)[0]
                    for form, path in found.items()
                }
                for name, outputs in WANTED.items():
                    key = f"{precision} in {engine}, {name}"
                    rows[key] = race(sessions, outputs, arguments.rounds)
                    print(f"{key}: {rows[key]}", flush=True)
    result = {
        "size": "x".join(map(str, SIZE)), "date": time.strftime("%Y-%m-%d"), "processor": model_name(),
        "load": os.getloadavg()[0], "rounds": arguments.rounds, "runs_a_round": RUNS,
        "versions": {name: version(name) for name in ("onnxruntime", "openvino", "torch")},
        "milliseconds": rows,
    }  # fmt: skip
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
