"""The paper's network on a CPU: speed, accuracy and export of each precision and engine, beside torch eager.

    depdis-train street --variant source_branches --from-scratch --set network.backbone=resnet101 \
        --set network.start=scratch --threads 1 ...        # or any other checkpoint of a ResNet-101
    python benchmarks/resnet_engines.py CHECKPOINT --work DIR [--imgsz 640x320] [--threads 2] [--rounds 9]
        [--data data] [--pictures 40] [--out benchmarks/results/resnet_engines.json]

Exports the checkpoint in fp32 and INT8 into DIR by `depdis-export` with its gate and search, timed; files of
the same checkpoint that are there already are taken with the times noted then, so that a second call needs the
rest alone. Then every way is timed in turn in each round, uint8 frames in, all outputs on the host, up-sampling
and arg-max on both sides; the figures are medians, ratios are to torch eager. mIoU is of the ways' labels on
`--pictures` generated streets of the source's and of the target's look that were not trained on; what is lost
is against fp32 in onnxruntime, whose labels the export compared with torch's. Exit status 1 if a figure in HELD
is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from depdis_deploy import Predictor
from depdis_deploy.backends import open_session
from depdis_deploy.backends.cpu import cores, features, model_name
from depdis_deploy.command import InputError
from depdis_deploy.files import file_sha256, written_whole
from depdis_deploy.sizes import parse_size
from depdis_export.deployable import Deployable
from depdis_export.exporting import LABEL_STRIDE, resized
from depdis_export.streets import street_frames
from depdis_training.checkpoint import read_checkpoint
from depdis_training.evaluation import confusion, mean_iou
from depdis_training.experiment_data import open_data
from depdis_training.settings import Data, StreetData

EAGER, TRUE = "torch eager fp32", "onnxruntime fp32"
# name -> file's precision, engine, arithmetic
WAYS = {
    TRUE: ("fp32", "onnxruntime", "auto"), "openvino fp32": ("fp32", "openvino", "auto"),
    "openvino bf16": ("fp32", "openvino", "bf16"), "onnxruntime int8": ("int8", "onnxruntime", "auto"),
    "openvino int8": ("int8", "openvino", "auto"), "openvino int8, bf16": ("int8", "openvino", "bf16"),
}  # fmt: skip
HELD = {
    "int8_speedup": 4.5, "bf16_speedup": 2.5, "int8_points_lost": 1.0, "export_fp32_s": 120,
    "export_int8_s": 600,
}  # fmt: skip
SETS = {
    "source": Data(layout="synthia", street=StreetData(domain="source", pictures=40, seed=99)),
    "target": Data(layout="cityscapes", split="val", street=StreetData(domain="target", pictures=100, seed=2)),
}


def exported(checkpoint: Path, work: Path, imgsz: str) -> dict[str, dict[str, Any]]:
    """The fp32 and INT8 files in `work`, made where they are not there, and what making them took."""
    work.mkdir(parents=True, exist_ok=True)
    notes = work / "exports.json"
    known: dict[str, dict[str, Any]] = json.loads(notes.read_text()) if notes.is_file() else {}
    given = f"{file_sha256(checkpoint)} at {imgsz}"
    known = {name: note for name, note in known.items() if note["of"] == given}
    for precision in ("fp32", "int8"):
        path = work / f"resnet-{precision}.onnx"
        if precision in known and path.is_file():
            continue
        begun, used = time.perf_counter(), os.times()
        words = [str(checkpoint), "-o", str(path), "--precision", precision, "--imgsz", imgsz, "--exist-ok"]
        subprocess.run([sys.executable, "-m", "depdis_export.cli", *words], check=True)
        after = os.times()
        spent = after.children_user + after.children_system - used.children_user - used.children_system
        known[precision] = {
            "wall_s": round(time.perf_counter() - begun, 1), "cpu_s": round(spent, 1),
            "load": os.getloadavg()[0], "of": given,
        }  # fmt: skip
        with written_whole(notes) as temporary:
            temporary.write_text(json.dumps(known, indent=1) + "\n")
    return known


def eager(checkpoint: Path, size: tuple[int, int]) -> Callable[[np.ndarray], Any]:
    """The network in torch with its preprocessing before, up-sampling and arg-max behind."""
    read = read_checkpoint(checkpoint)
    if read.manifest is None or read.network.backbone != "resnet101":
        raise InputError(f"{checkpoint}: expected a ResNet-101's checkpoint of depdis-train")
    manifest = resized(read.manifest, size, dynamic=False)
    deployable = Deployable(read.network, manifest, LABEL_STRIDE[read.network.backbone])

    def run(frames: np.ndarray) -> Any:
        with torch.inference_mode():
            return deployable(torch.from_numpy(frames))

    return run


def speeds(ways: dict[str, Callable[[np.ndarray], Any]], frames: np.ndarray, rounds: int) -> dict[str, Any]:
    """Median and best seconds of a call, and its median processor seconds, in interleaved rounds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for name, run in ways.items():
            begun, used = time.perf_counter(), time.process_time()
            run(frames)
            if turn:  # the first of each compiles and chooses
                taken[name].append((time.perf_counter() - begun, time.process_time() - used))
    return {
        name: {
            "median_ms": round(1e3 * statistics.median(wall for wall, _ in values), 1),
            "best_ms": round(1e3 * min(wall for wall, _ in values), 1),
            "cpu_ms": round(1e3 * statistics.median(cpu for _, cpu in values), 1),
        }
        for name, values in taken.items()
    }


def accuracy(work: Path, names: list[str], data: Path, pictures: int, threads: int) -> dict[str, Any]:
    """mIoU in points by way and set, and each way's share of labels equal to fp32's."""
    predictors = {}
    for name in names:
        precision, engine, arithmetic = WAYS[name]
        predictors[name] = Predictor(
            work / f"resnet-{precision}.onnx", "cpu", threads=threads, engine=engine, precision=arithmetic
        )
    found: dict[str, Any] = {name: {} for name in names}
    for title, wanted in SETS.items():
        dataset = open_data(wanted, title, "--data", data)
        size = len(dataset.taxonomy)
        counts = {name: np.zeros((size, size), np.int64) for name in names}
        equal: dict[str, list[float]] = {name: [] for name in names}
        for index in range(min(pictures, len(dataset))):
            sample = dataset[index]
            assert sample.labels is not None
            labels = {name: predictor(sample.image).labels for name, predictor in predictors.items()}
            for name, value in labels.items():
                counts[name] += confusion(value, sample.labels, size)
                equal[name].append(float((value == labels[TRUE]).mean()))
        for name in names:
            found[name][title] = {
                "miou": round(100 * mean_iou(counts[name]), 2),
                "points_lost": round(100 * (mean_iou(counts[TRUE]) - mean_iou(counts[name])), 2),
                "labels_equal": round(float(np.mean(equal[name])), 4),
            }
    return found


def judged(rows: dict[str, Any], scores: dict[str, Any], exports: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Each figure in HELD with what was reached. INT8 is that of the faster engine within its bound."""
    lost = {name: max(row["points_lost"] for row in of.values()) for name, of in scores.items()}
    int8 = [name for name in scores if WAYS[name][0] == "int8" and lost[name] <= HELD["int8_points_lost"]]
    best = min(int8, key=lambda name: rows[name]["median_ms"], default="onnxruntime int8")
    reached = {
        "int8_speedup": rows[best]["speedup"], "bf16_speedup": rows.get("openvino bf16", {}).get("speedup"),
        "int8_points_lost": lost[best], "export_fp32_s": exports["fp32"]["wall_s"],
        "export_int8_s": exports["int8"]["wall_s"],
    }  # fmt: skip
    found = {}
    for name, bound in HELD.items():
        value = reached[name]
        met = value is not None and (value >= bound if name.endswith("speedup") else value <= bound)
        found[name] = {"bound": bound, "reached": value, "met": met} | (
            {"in": best} if "int8_" in name[:5] else {}
        )
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--imgsz", default="640x320")
    parser.add_argument("--threads", type=int, default=cores())
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--pictures", type=int, default=40)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    _, width, height = parse_size(given.imgsz)
    torch.set_num_threads(given.threads)
    load = os.getloadavg()[0]
    ways = {EAGER: eager(given.checkpoint, (width, height))}
    exports = exported(given.checkpoint, given.work, given.imgsz)
    names = [name for name in WAYS if WAYS[name][2] != "bf16" or "bf16" in features()]
    for name in names:
        precision, engine, arithmetic = WAYS[name]
        path = given.work / f"resnet-{precision}.onnx"
        ways[name] = open_session(path, "cpu", given.threads, engine=engine, precision=arithmetic).run
    rows = speeds(ways, street_frames(1, width, height), given.rounds)
    for row in rows.values():
        row["speedup"] = round(rows[EAGER]["median_ms"] / row["median_ms"], 2)
        row["speedup_by_cpu"] = round(rows[EAGER]["cpu_ms"] / row["cpu_ms"], 2)
    ways.clear()
    scores = accuracy(given.work, names, given.data, given.pictures, given.threads)
    verdict = judged(rows, scores, exports)
    print(
        f"{'':<22}{'ms':>8}{'best':>8}{'CPU ms':>8}{'speed-up':>9}{'by CPU':>8}  mIoU on source, target (lost)"
    )
    for name, row in rows.items():
        said = ", ".join(f"{of['miou']:.2f} ({of['points_lost']:+.2f})" for of in scores.get(name, {}).values())
        spent = "".join(f"{row[key]:>8.0f}" for key in ("median_ms", "best_ms", "cpu_ms"))
        print(f"{name:<22}{spent}{row['speedup']:>9.2f}{row['speedup_by_cpu']:>8.2f}  {said}")
    for name, row in verdict.items():
        print(f"{name} {row['reached']}, bound {row['bound']}: {'met' if row['met'] else 'MISSED'}")
    if given.out:
        record = {
            "imgsz": given.imgsz, "threads": given.threads, "rounds": given.rounds, "pictures": given.pictures,
            "processor": model_name(), "cores": cores(), "load_before": load, "load_after": os.getloadavg()[0],
            "exports": exports, "speed": rows, "accuracy": scores, "held": verdict,
        }  # fmt: skip
        with written_whole(given.out) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(row["met"] for row in verdict.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
