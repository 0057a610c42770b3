"""Which decoder gives the small network the best accuracy per millisecond: the milliseconds.

    python benchmarks/decoder.py [--rounds 5]

Every variant is exported with random weights as it is deployed (uint8 frames in; labels made in the graph at
half size, then nearest) and timed in onnxruntime in interleaved rounds, so that what else the machine does hits
all alike. Writes benchmarks/results/decoder.json and decoder.md.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime
import torch
import torch.nn.functional as F
import typer
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from depdis_training.decoder import DecoderDesign
from depdis_training.efficientnet import EfficientNetLite

HEIGHT, WIDTH = 320, 640
RESULTS = Path(__file__).parent / "results"
VARIANTS = {
    "stride 8, 1 mix, no context (chosen)": DecoderDesign(),
    "stride 8, context, 2 mixes": DecoderDesign(mixes=2, context=True),
    "corrected at stride 4, 64 channels": DecoderDesign(mixes=2, context=True, detail=64),
    "corrected at stride 4, 48 channels": DecoderDesign(mixes=2, context=True, detail=48),
    "corrected at stride 4, 32 channels": DecoderDesign(mixes=2, context=True, detail=32),
    "corrected at stride 4, 1 mix": DecoderDesign(context=True, detail=48),
    "corrected at stride 4, width 96": DecoderDesign(width=96, mixes=2, context=True, detail=48),
}


class Deployed(nn.Module):
    """(1, H, W, 3) uint8 RGB -> labels (1, H, W) uint8, density and inverse depth on the grid."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        images = frames.permute(0, 3, 1, 2).float().flip(1) - 110.0
        output = self.network(images)
        half = F.interpolate(
            output.segmentation, (HEIGHT // 2, WIDTH // 2), mode="bilinear", align_corners=True
        )
        labels = half.argmax(1, keepdim=True).to(torch.uint8)
        return F.interpolate(labels, scale_factor=2, mode="nearest"), output.density, output.depth


def export(network: nn.Module, path: Path) -> None:
    frames = torch.zeros(1, HEIGHT, WIDTH, 3, dtype=torch.uint8)
    torch.onnx.export(Deployed(network).eval(), (frames,), path, dynamo=True, verbose=False)


def gmac(network: nn.Module) -> float:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(torch.zeros(1, 3, HEIGHT, WIDTH))
    return float(counter.get_total_flops()) / 2e9


def session(path: Path, threads: int) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def measure(paths: dict[str, Path], threads: int, rounds: int, runs: int) -> dict[str, dict[str, float]]:
    """Milliseconds of each variant: the median over all runs, and the best round's median (undisturbed).

    On one thread it is the thread's processor time, which other processes disturb less than the clock.
    """
    clock = time.thread_time if threads == 1 else time.perf_counter
    sessions = {name: session(path, threads) for name, path in paths.items()}
    frames = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), np.uint8)
    times: dict[str, list[list[float]]] = {name: [] for name in paths}
    for _ in range(rounds):
        for name, engine in sessions.items():
            engine.run(None, {"frames": frames})
            laps = []
            for _ in range(runs):
                start = clock()
                engine.run(None, {"frames": frames})
                laps.append((clock() - start) * 1e3)
            times[name].append(laps)
    return {
        name: {
            "median_ms": round(statistics.median([lap for laps in of for lap in laps]), 1),
            "best_round_ms": round(min(statistics.median(laps) for laps in of), 1),
        }
        for name, of in times.items()
    }


def main(rounds: int = 5, runs: int = 8) -> None:
    torch.manual_seed(0)
    rows, paths = {}, {}
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, design) in enumerate(VARIANTS.items()):
            network = EfficientNetLite(16, design=design).eval()
            rows[name] = {
                "gmac": round(gmac(network), 3),
                "decoder_parameters": sum(value.numel() for value in network.decoder.parameters()),
            }
            paths[name] = Path(folder) / f"{number}.onnx"
            export(network, paths[name])
        for threads in (1, 2):
            for name, figures in measure(paths, threads, rounds, runs).items():
                rows[name] |= {f"{key}_{threads}_threads": value for key, value in figures.items()}
    load = os.getloadavg()[0]
    about = {
        "input": f"{WIDTH}x{HEIGHT}",
        "runtime": f"onnxruntime {onnxruntime.__version__}, fp32",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load average {load:.1f} at the end",
        "date": time.strftime("%Y-%m-%d"),
        "rounds": rounds,
        "runs_a_round": runs,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "decoder.json").write_text(json.dumps({"about": about, "variants": rows}, indent=1) + "\n")
    (RESULTS / "decoder.md").write_text(table(about, rows))
    print(table(about, rows))


def table(about: dict[str, object], rows: dict[str, dict[str, float]]) -> str:
    lines = [
        "# The small network's decoder",
        "",
        ", ".join(f"{key.replace('_', ' ')}: {value}" for key, value in about.items()) + ".",
        "",
        "Milliseconds a frame, the best round's median (median over all rounds in brackets): processor time on",
        "one thread, elapsed time on two, which other processes disturb (see the load average).",
        "",
        "| Decoder | GMAC | parameters | 1 thread | 2 threads |",
        "|---|---|---|---|---|",
    ]
    for name, row in rows.items():
        cells = [
            f"{row[f'best_round_ms_{threads}_threads']:.1f} ({row[f'median_ms_{threads}_threads']:.1f})"
            for threads in (1, 2)
        ]
        parameters = f"{row['decoder_parameters'] / 1e3:.0f} K"
        lines.append(f"| {name} | {row['gmac']:.2f} | {parameters} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    typer.run(main)
