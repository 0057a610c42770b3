"""Speed and memory of training beside the plain way (`plain_way.py`), both sides in one run: medians, ratios.

    python benchmarks/training.py [--threads 2] [--repeats 3] [--skip-step] [--cpu-time] [--street] [--compile]
        [--out FILE]

Density and refinement run on one thread and are given in its CPU time, so that what else the machine does
counts little; the iteration of ResNet-101 at 640x320 runs on `--threads`, in wall time or, with `--cpu-time`
on a busy machine, in the process's. Memory of a step at 1280x760 is counted on tensors without content
(`step_memory.py`). On a GPU the iteration at 1280x760 is timed too, with `--compile` by torch.compile besides;
`--street` times a whole run of that configuration. Writes benchmarks/results/training.json; exit status 1 if
something that was measured misses its target.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from plain_way import PlainStep
from plain_way import density as plain_density
from plain_way import refine as plain_refine
from step_memory import Count, MetaFabric, saved_bytes
from torch.utils.flop_counter import FlopCounterMode

from depdis_deploy.backends.cpu import cores
from depdis_deploy.files import written_whole
from depdis_training.adaptation import AdaptationLearner, Pair
from depdis_training.config import load_config
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.grids import sampled
from depdis_training.hardware import fast_precision
from depdis_training.loading import Batch
from depdis_training.methods import build_method
from depdis_training.network import build_network
from depdis_training.spatial_prior import minimum_sizes, refine
from depdis_training.street.generated import picture

RESULTS = Path(__file__).parent / "results" / "training.json"
SMALL, FULL = (640, 320), (1280, 760)
PUBLISHED_SIZES = np.array([3165, 3311, 5000, 89, 89, 219, 50, 61, 1788, 1202, 762, 123, 730, 302, 78, 81])
PACKAGES = ("torch", "lightning-fabric", "numpy", "opencv-python-headless", "connected-components-3d")
# What has to hold: the largest or the smallest value of a row's key.
AT_MOST = {
    "density": {"ours_ms": 6.0}, "memory fp32": {"peak_gb": 10.0}, "memory bf16": {"peak_gb": 6.0},
    "street": {"minutes": 15.0},
}  # fmt: skip
AT_LEAST = {"refine": {"ratio": 15.0}, "step fp32": {"ratio": 1.0}, "step bf16": {"ratio": 2.2}}


def seconds(
    functions: dict[str, Callable[[], Any]], repeats: int, warm_up: int = 1,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:  # fmt: skip
    """Median seconds of each, run in turns so that what else the machine does meets all of them."""
    spent: dict[str, list[float]] = {name: [] for name in functions}
    for turn in range(warm_up + repeats):
        for name, function in functions.items():
            begun = clock()
            function()
            if turn >= warm_up:
                spent[name].append(clock() - begun)
    return {name: statistics.median(values) for name, values in spent.items()}


def row(found: dict[str, float]) -> dict[str, float]:
    """Milliseconds of the plain way and of ours, and how many times as fast ours is."""
    plain, ours = found["plain"], found["ours"]
    return {"plain_ms": round(1e3 * plain, 2), "ours_ms": round(1e3 * ours, 3), "ratio": round(plain / ours, 2)}


def density_row() -> dict[str, float]:
    """The density target of a 161x96 grid and 16 classes, on one thread."""
    distribution = DepthDistribution.published("synthia-cityscapes-16")
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 16, (96, 161))
    component = rng.integers(0, distribution.components, labels.shape)
    z = distribution.means[labels, component, 2].astype(np.float32) + np.float32(0.5)
    tensors = torch.from_numpy(labels)[None], torch.from_numpy(z)[None]
    np.testing.assert_allclose(
        distribution.density(*tensors)[0].numpy(), plain_density(distribution, labels, z), atol=1e-3
    )
    clock = time.thread_time
    found = seconds({"plain": lambda: plain_density(distribution, labels, z)}, 3, clock=clock)
    return row(found | seconds({"ours": lambda: distribution.density(*tensors)}, 50, 5, clock))


def street_labels(size: tuple[int, int]) -> NDArray[np.uint8]:
    """Labels of a generated street as a network's confident ones are: frayed edges, unsure patches."""
    labels = picture("target", 0, 0, size).labels
    height, width = labels.shape
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:height, :width] + np.rint(rng.normal(0, 1.5, (2, height, width))).astype(int)
    labels = labels[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)]
    unsure = cv2.resize(rng.random((height // 16, width // 16)), size, interpolation=cv2.INTER_CUBIC)
    labels[unsure > 0.75] = 255
    return labels


def refine_row() -> dict[str, float]:
    """The refinement of 1280x760 labels of 16 classes, on one thread."""
    labels = street_labels(FULL)
    assert minimum_sizes([0, 1]).tolist() == [PUBLISHED_SIZES.min(), PUBLISHED_SIZES.max()]
    np.testing.assert_array_equal(refine(labels, PUBLISHED_SIZES), plain_refine(labels, PUBLISHED_SIZES))
    return row(
        seconds(
            {
                "plain": lambda: plain_refine(labels, PUBLISHED_SIZES),
                "ours": lambda: refine(labels, PUBLISHED_SIZES),
            },
            repeats=9,
            clock=time.thread_time,
        )
    )


def make_learner(fabric: Any, device: torch.device, *, compiled: bool = False) -> AdaptationLearner:
    """Stage 1 of the paper's method on ResNet-101, 16 classes."""
    config = load_config("synthia-cityscapes-16", ["variant=M2"])
    distribution = DepthDistribution.published("synthia-cityscapes-16")
    method = build_method(config.method, 16, distribution)
    with device:
        return AdaptationLearner(
            fabric, build_network(16), method, optimizer=config.optimizer, discriminator=config.discriminator,
            steps=90_000, average=0.0, compile_network=compiled,
        )  # fmt: skip


def make_pair(size: tuple[int, int], device: torch.device) -> Pair:
    """Random pictures, labels and depth of `size` (width, height)."""
    width, height = size
    generator = torch.Generator().manual_seed(0)
    batches = [
        Batch(
            60 * torch.randn(1, 3, height, width, generator=generator),
            torch.randint(0, 16, (1, height, width), generator=generator, dtype=torch.uint8),
            300 * torch.rand(1, height, width, generator=generator) + 1,
        ).to(device)
        for _ in range(2)
    ]
    return Pair(batches[0], batches[1])


def step_flops(size: tuple[int, int]) -> float:
    """Floating-point operations of one iteration, counted without doing them."""
    meta = torch.device("meta")
    learner, pair = make_learner(MetaFabric("fp32"), meta), make_pair(size, meta)
    with FlopCounterMode(display=False) as counter:
        learner.update(0, [pair])
    return float(counter.get_total_flops())


def matmul_peak(dtype: torch.dtype, device: torch.device, side: int, clock: Callable[[], float]) -> float:
    """The most operations per second of a square matrix product, by the clock that the share is taken with."""
    one = torch.randn(side, side, device=device).to(dtype)
    # What convolutions of float32 are computed in on a GPU.
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32

    def multiply() -> None:
        one @ one
        synchronise(device)

    for _ in range(3):
        multiply()
    best = min(seconds({"": multiply}, repeats=1, warm_up=0, clock=clock)[""] for _ in range(7))
    return 2 * side**3 / best


def has_bf16() -> bool:
    """Whether the hardware knows the format at all, whether it pays or not."""
    return fast_precision("efficientnet_lite0") == "bf16"


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize()


def step_rows(
    size: tuple[int, int], device: torch.device, repeats: int,
    clock: Callable[[], float] = time.perf_counter, *, compiled: bool = False,
) -> dict[str, dict[str, Any]]:  # fmt: skip
    """One iteration: the plain way, ours in float32, ours in bfloat16 where the hardware has it."""
    accelerator = "cuda" if device.type == "cuda" else "cpu"
    kinds = {"fp32": "32-true"} | ({"bf16": "bf16-mixed"} if has_bf16() else {})
    if compiled:
        fastest = list(kinds)[-1]
        kinds[f"{fastest} compiled"] = kinds[fastest]
    torch.manual_seed(0)
    pair = make_pair(size, device)
    assert pair.target is not None
    target = pair.target
    plain = PlainStep(DepthDistribution.published("synthia-cityscapes-16"), 16, device)
    grid = plain.network.grid(size[1], size[0])
    stored = plain.stored_maps(sampled(pair.source.inverse_depth, grid)[0])

    def run_plain() -> None:
        plain(pair.source, target, stored)
        synchronise(device)

    functions: dict[str, Callable[[], Any]] = {"plain": run_plain}
    for name, precision in kinds.items():
        fabric = Fabric(accelerator=accelerator, devices=1, precision=precision)  # type: ignore[arg-type]
        learner = make_learner(fabric, device, compiled=name.endswith("compiled"))

        def run_ours(learner: AdaptationLearner = learner) -> None:
            learner.update(0, [pair])
            synchronise(device)

        functions[name] = run_ours
    found = seconds(functions, repeats, clock=clock)
    flops = step_flops(size)
    rows: dict[str, dict[str, Any]] = {}
    for name in kinds:
        side = 8192 if device.type == "cuda" else 2048
        kind = torch.bfloat16 if name.startswith("bf16") else torch.float32
        peak = matmul_peak(kind, device, side, clock)
        rows[name] = row({"plain": found["plain"], "ours": found[name]}) | {
            "tflop": round(flops / 1e12, 3), "peak_tflops": round(peak / 1e12, 3),
            "share_of_peak": round(flops / found[name] / peak, 3),
        }  # fmt: skip
        if device.type == "cuda":  # with the networks of the other rows
            torch.cuda.reset_peak_memory_stats()
            functions[name]()
            rows[name]["memory_gb"] = round(torch.cuda.max_memory_allocated() / 1e9, 2)
    return rows


def street_row(threads: int) -> dict[str, float]:
    """Minutes of a whole `depdis-train street` from nothing: data, mixtures, both stages, evaluation."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "depdis_training.train_cli", "street", "--threads", str(threads)]
        begun = time.perf_counter()
        subprocess.run([*command, "--out", f"{folder}/run", "--data", f"{folder}/data"], check=True)
        return {"minutes": round((time.perf_counter() - begun) / 60, 2)}


def memory_row(precision: str) -> dict[str, float]:
    """Gigabytes of a step at 1280x760 and 1 + 1 pictures: all live tensors at their most, saved ones apart."""
    meta = torch.device("meta")
    learner, pair = make_learner(MetaFabric(precision), meta), make_pair(FULL, meta)
    learner.update(0, [pair])  # makes the optimizers' state
    optimizers = [learner.optimizer, learner.discriminator_optimizer]
    weights = [*learner.network.state_dict().values(), *learner.discriminators.state_dict().values()]
    parameters = [*learner.network.parameters(), *learner.discriminators.parameters()]
    count = Count()
    count.add(
        [weights, [parameter.grad for parameter in parameters], [vars(batch) for batch in pair if batch]]
        + [list(state.values()) for kind in optimizers if kind for state in kind.state.values()]
    )
    with saved_bytes(weights) as saved, count:
        learner.update(1, [pair])
    return {"peak_gb": round(count.most / 1e9, 2), "saved_gb": round(saved.most / 1e9, 2)}


def machine(threads: int) -> dict[str, Any]:
    """Where and with what this ran."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": names[0] if names else platform.machine(), "cores": cores(),
        "threads": threads, "fast_precision": fast_precision("resnet101"), "python": platform.python_version(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "versions": {name: version(name) for name in PACKAGES},
    }  # fmt: skip


def verdicts(rows: dict[str, Any]) -> dict[str, str]:
    """Of each target whose row was measured: what it is, and whether it is met."""
    found = {}
    for limits, sign in ((AT_MOST, 1), (AT_LEAST, -1)):
        for name, limit in limits.items():
            for key, bound in limit.items():
                if isinstance(rows.get(name), dict):
                    met = sign * rows[name][key] <= sign * bound
                    words = "at most" if sign == 1 else "at least"
                    found[name] = f"{key} {words} {bound:g}: {'met' if met else 'MISSED'}"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=min(2, cores()))
    parser.add_argument("--repeats", type=int, default=3, help="timed iterations of each kind")
    parser.add_argument("--skip-step", action="store_true", help="leave the iteration at 640x320 out")
    parser.add_argument("--street", action="store_true", help="run the street configuration whole, too")
    parser.add_argument("--compile", action="store_true", help="on a GPU, by torch.compile besides")
    parser.add_argument("--cpu-time", action="store_true", help="the iteration's CPU time, not wall time")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    load = [round(os.getloadavg()[0], 2)]
    rows: dict[str, Any] = {}
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    rows["density"], rows["refine"] = density_row(), refine_row()
    rows["memory fp32"], rows["memory bf16"] = memory_row("fp32"), memory_row("bf16")
    torch.set_num_threads(arguments.threads)
    if not arguments.skip_step:
        clock = time.process_time if arguments.cpu_time else time.perf_counter
        for name, found in step_rows(SMALL, torch.device("cpu"), arguments.repeats, clock).items():
            rows[f"step {name}"] = found
    if torch.cuda.is_available():
        found_rows = step_rows(FULL, torch.device("cuda"), arguments.repeats, compiled=arguments.compile)
        for name, found in found_rows.items():
            rows[f"gpu {name}"] = found
    else:
        rows["gpu"] = "not run"
    rows["street"] = street_row(arguments.threads) if arguments.street else "not run"
    load.append(round(os.getloadavg()[0], 2))
    judged = verdicts(rows)
    for name, found in rows.items():
        shown = found if isinstance(found, str) else "  ".join(f"{key} {value}" for key, value in found.items())
        print(f"{name:<12} {shown}" + (f"   [{judged[name]}]" if name in judged else ""))
    report = {
        "machine": machine(arguments.threads),
        "load": load,
        "cpu_time": arguments.cpu_time,
        "rows": rows,
        "targets": judged,
    }
    with written_whole(arguments.out) as temporary:
        temporary.write_text(json.dumps(report, indent=1) + "\n")
    return 1 if any("MISSED" in verdict for verdict in judged.values()) else 0


if __name__ == "__main__":
    raise SystemExit(main())
