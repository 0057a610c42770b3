"""The bundled model beside what a user would pick instead: `yolo26n-sem` and `yolo26n-depth` of ultralytics.

ultralytics is AGPL: it is no part of this project and goes into an environment of its own, once:

    python -m venv /tmp/peer && /tmp/peer/bin/pip install 'ultralytics>=8.4.190,<8.5' onnx onnxruntime onnxslim
    cd /tmp && for task in sem depth; do /tmp/peer/bin/python -c "
    from ultralytics import YOLO
    YOLO('yolo26n-$task.yaml').export(format='onnx', imgsz=(320, 640), opset=18)"; done

    depdis-export depdis_deploy/models/depdis-street.safetensors -o /tmp/ours.onnx       # of 640x320 alone, too
    python benchmarks/beside_ultralytics.py /tmp/yolo26n-sem.onnx /tmp/yolo26n-depth.onnx --model /tmp/ours.onnx
        [--threads 1] [--rounds 10] [--out benchmarks/results/beside_ultralytics.json]

(`.yaml` builds them with random weights, which take as long as trained ones.) All are fp32 files of 640x320,
in onnxruntime and in OpenVINO, with the same options; the network alone is timed, from its input to all of its
outputs on the host. Without --model it is the bundled file, which takes any size and is a few percent slower
for it in onnxruntime. Each round runs all in turn. The figures are medians, and of processor time too, which
other work disturbs less, though it does: what waits for memory takes longer. Held to be met: at least 4 times
as fast as both together in either engine; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import openvino

from depdis_deploy.backends.cpu import cores, model_name
from depdis_deploy.backends.onnxruntime_backend import cpu_options
from depdis_deploy.backends.openvino_tail import rows_by_product
from depdis_deploy.files import written_whole
from depdis_deploy.predictor import BUNDLED_MODEL

WIDTH, HEIGHT = 640, 320
HELD = 4.0
RUNS = 8


class InOnnxRuntime:
    """One session with an input of its kind."""

    def __init__(self, path: Path, threads: int) -> None:
        options = cpu_options(onnxruntime, threads)
        # Random weights may lead to numbers so small that they are computed many times slower: no fair loss.
        options.add_session_config_entry("session.set_denormal_as_zero", "1")
        self.session = onnxruntime.InferenceSession(
            path.read_bytes(), options, providers=["CPUExecutionProvider"]
        )
        (given,) = self.session.get_inputs()
        self.feed = {given.name: frames(path, given.shape, given.type == "tensor(uint8)")}

    def run(self) -> Any:
        """All outputs."""
        return self.session.run(None, self.feed)


class InOpenVino:
    """The same, compiled for one size as the package does it; it takes such small numbers as 0 by itself."""

    def __init__(self, path: Path, threads: int) -> None:
        core = openvino.Core()
        model = core.read_model(path)
        (given,) = model.inputs
        sizes = [size.get_length() if size.is_static else None for size in given.partial_shape]
        values = frames(path, sizes, given.element_type == openvino.Type.u8)
        model.reshape({given.any_name: list(values.shape)})
        rows_by_product(model)
        settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
        self.request = core.compile_model(model, "CPU", settings).create_infer_request()
        self.feed = {0: values}

    def run(self) -> Any:
        """All outputs."""
        return self.request.infer(self.feed)


def frames(path: Path, sizes: Sequence[Any], ours: bool) -> Any:
    """One picture as a file takes it. SystemExit: it takes another size."""
    shape = (1, HEIGHT, WIDTH, 3) if ours else (1, 3, HEIGHT, WIDTH)
    if any(isinstance(size, int) and size != wanted for size, wanted in zip(sizes, shape, strict=True)):
        raise SystemExit(f"{path}: takes {sizes}, expected {shape}: export it for 640x320")
    values = np.random.default_rng(0).integers(0, 256, shape)
    return values.astype(np.uint8) if ours else (values / 255).astype(np.float32)


Network = InOnnxRuntime | InOpenVino
ENGINES: dict[str, type[InOnnxRuntime] | type[InOpenVino]] = {
    "onnxruntime": InOnnxRuntime, "openvino": InOpenVino
}  # fmt: skip


def measure(networks: dict[str, Network], rounds: int) -> dict[str, dict[str, float]]:
    """Median wall and processor milliseconds of a call, in interleaved rounds."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in networks}
    for _ in range(rounds):
        for name, network in networks.items():
            network.run()
            for _ in range(RUNS):
                begun, used = time.perf_counter(), time.process_time()
                network.run()
                taken[name].append((time.perf_counter() - begun, time.process_time() - used))
    return {
        name: {
            "median_ms": round(1e3 * statistics.median(wall for wall, _ in values), 2),
            "cpu_ms": round(1e3 * statistics.median(used for _, used in values), 2),
            "best_ms": round(1e3 * min(wall for wall, _ in values), 2),
        }
        for name, values in taken.items()
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sem", type=Path)
    parser.add_argument("depth", type=Path)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    files = {"ours": given.model, "yolo26n-sem": given.sem, "yolo26n-depth": given.depth}
    found: dict[str, Any] = {}
    for engine, network in ENGINES.items():
        rows = measure({name: network(path, given.threads) for name, path in files.items()}, given.rounds)
        found[engine] = {"milliseconds": rows, "ratios": compared(rows)}
        print(engine)
        for name, row in rows.items():
            median, best, used = row["median_ms"], row["best_ms"], row["cpu_ms"]
            print(f"{name:<20}{median:>8.1f} ms, best {best:.1f}, processor {used:.1f}")
        for key, values in found[engine]["ratios"].items():
            print(f"by {key}: " + ", ".join(f"{name} {value}" for name, value in values.items()))
    met = {engine: of["ratios"]["median_ms"]["both_over_ours"] >= HELD for engine, of in found.items()}
    for engine, reached in met.items():
        print(f"{engine}: at least {HELD} times as fast as both: {'met' if reached else 'MISSED'}")
    if given.out:
        record = {
            "model": given.model.name, "size": f"{WIDTH}x{HEIGHT}", "threads": given.threads,
            "versions": {name: version(name) for name in ENGINES}, "processor": model_name(), "cores": cores(),
            "load": os.getloadavg()[0], "date": time.strftime("%Y-%m-%d"), "rounds": given.rounds,
            "runs_a_round": RUNS, "engines": found, "held": HELD, "met": met,
        }  # fmt: skip
        with written_whole(given.out) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(met.values()) else 1


def compared(rows: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    """How many times as long as ours both of theirs take, and theirs of labels alone."""
    ratios = {}
    for key in ("median_ms", "cpu_ms", "best_ms"):
        ours, sem, depth = (rows[name][key] for name in ("ours", "yolo26n-sem", "yolo26n-depth"))
        ratios[key] = {"both_over_ours": round((sem + depth) / ours, 2), "sem_over_ours": round(sem / ours, 2)}
    return ratios


if __name__ == "__main__":
    raise SystemExit(main())
