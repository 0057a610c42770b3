"""One model on an NVIDIA GPU in torch, onnxruntime and TensorRT: parity, latency, throughput, memory.

    python benchmarks/gpu.py [--model last.pt] [--imgsz 640x320] [--batch 8] [--only WAY ...] [--exports DIR]
        [--out benchmarks/results/gpu.json]

Needs a GPU and `pip install '.[export,tensorrt]'` with `onnxruntime-gpu` in place of `onnxruntime`.
A way that cannot be run is listed as "not run" with its reason. Every way takes uint8 frames in host memory and
gives labels, depth and density there, in a process of its own; parity is against torch in fp32 on the CPU, in
the export's own terms. TF32 is off in all. Memory is what the whole GPU uses more than before,
so leave it alone meanwhile. `--exports` keeps the ONNX files, and takes those that lie there: exporting needs
no GPU, and may be done where time costs less (`--exports-only`). Exit status 0 if every way that ran kept its
bounds, 1 if one did not.
"""

from __future__ import annotations

import argparse
import json
import pickle
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.predictor import BUNDLED_MODEL

PRECISIONS = ("fp32", "fp16", "int8")
WAYS = ("torch eager", "torch.compile", "onnxruntime-gpu", *(f"tensorrt {name}" for name in PRECISIONS))
PACKAGES = ("torch", "onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "cuda-bindings")
WARM_UP, RUNS = 20, 200
LONGEST_S = 1800
OUT = Path(__file__).parent / "results" / "gpu.json"
Run = Callable[[NDArray[np.uint8]], dict[str, NDArray[Any]]]


def torch_way(model: Path, size: tuple[int, int], device: str, *, compiled: bool) -> Run:
    """The network in fp32 with its preprocessing and arg-max on the device."""
    import torch

    torch.backends.cudnn.allow_tf32 = False
    deployable = read_deployable(model, size).to(device)
    names = deployable_names(deployable)
    call = torch.compile(deployable) if compiled else deployable

    def run(frames: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        with torch.inference_mode():
            given = torch.from_numpy(frames).pin_memory() if device != "cpu" else torch.from_numpy(frames)
            found = call(given.to(device, non_blocking=True))
            return {name: value.cpu().numpy() for name, value in zip(names, found, strict=True)}

    return run


def session_way(path: Path, device: str) -> Run:
    """A file in onnxruntime or TensorRT."""
    from depdis_deploy.backends import open_session

    return open_session(path, device).run


def read_deployable(model: Path, size: tuple[int, int]) -> Any:
    """The network of a checkpoint with what is exported around it."""
    from depdis_export.deployable import Deployable
    from depdis_export.exporting import LABEL_STRIDE, resized
    from depdis_training.checkpoint import read_checkpoint

    checkpoint = read_checkpoint(model)
    if checkpoint.manifest is None:
        raise InputError(f"{model}: needs a checkpoint that describes its input")
    manifest = resized(checkpoint.manifest, size, dynamic=True)
    return Deployable(checkpoint.network, manifest, LABEL_STRIDE[checkpoint.network.backbone])


def deployable_names(deployable: Any) -> tuple[str, ...]:
    from depdis_export.deployable import output_names

    return output_names(deployable.network)


def precision_of(way: str) -> str:
    """Of the file that a way runs."""
    return way.split()[-1] if way.startswith("tensorrt") else "fp32"


def make_exports(
    model: Path, size: tuple[int, int], folder: Path, precisions: Iterable[str] = PRECISIONS
) -> dict[str, str]:
    """ONNX files of the precisions that the folder lacks; why one could not be made."""
    from depdis_export.exporting import Precision, export

    missing = {}
    folder.mkdir(parents=True, exist_ok=True)
    for name in precisions:
        path = folder / f"{name}.onnx"
        if path.exists():
            continue
        try:
            export(model, path, size=size, dynamic=True, precision=Precision(name=name, target="tensorrt"))
        except (ValueError, OSError, RuntimeError) as error:
            missing[name] = str(error)
    return missing


def make_engines(name: str, size: tuple[int, int], batch: int, exports: Path, folder: Path) -> str | None:
    """An engine of that precision for each batch; why there is none."""
    from depdis_deploy.backends.tensorrt_engine import Wishes, make_engine
    from depdis_export.bounds import BOUNDS

    try:
        for number in (1, batch):
            shape = (number, size[1], size[0], 3)
            wishes = Wishes(min=shape, opt=shape, max=shape)
            made = folder / f"{name}-{number}.engine"
            make_engine(exports / f"{name}.onnx", made, asdict(BOUNDS[name]), wishes)
    except (ValueError, OSError, RuntimeError) as error:
        return str(error)
    return None


def measure(
    way: str, folder: Path, exports: Path, model: Path, size: tuple[int, int], batch: int, device: str
) -> dict[str, Any]:
    """The figures of one way; called in a process of its own."""
    from depdis_export.verify import compare

    kind = precision_of(way)
    row: dict[str, Any] = {"parity": [], "held": True}
    for number in (1, batch):
        begun = time.perf_counter()
        if way.startswith("torch"):
            run = torch_way(model, size, device, compiled=way == "torch.compile")
        elif way == "onnxruntime-gpu":
            run = session_way(exports / "fp32.onnx", "cpu" if device == "cpu" else "0")
        else:
            run = session_way(folder / f"{kind}-{number}.engine", "auto")
        reference = pickle.loads(
            (folder / f"reference-{number}.pickle").read_bytes()
        )  # written by this program
        parity = compare(reference, run(reference.frames), kind)
        row[f"start_s_batch_{number}"] = round(time.perf_counter() - begun, 2)
        row["parity"].append(asdict(parity))
        row["held"] = row["held"] and not parity.breaches()
        row |= timed(run, reference.frames, number)
    if device != "cpu":
        row["used_mib"] = used_mib()
    return row


def timed(run: Run, frames: NDArray[np.uint8], number: int) -> dict[str, float]:
    """Milliseconds of a call, median and 95th percentile, and frames a second."""
    spent = []
    for _ in range(WARM_UP + RUNS):
        begun = time.perf_counter()
        run(frames)
        spent.append(1000 * (time.perf_counter() - begun))
    spent = sorted(spent[WARM_UP:])
    return {
        f"ms_batch_{number}": round(statistics.median(spent), 3),
        f"ms_95_batch_{number}": round(spent[int(0.95 * len(spent))], 3),
        f"frames_a_second_batch_{number}": round(1000 * number * len(spent) / sum(spent), 1),
    }


def used_mib() -> float:
    """What all processes together use of the GPU's memory."""
    from depdis_deploy.backends.cuda import Cuda

    free, total = Cuda().call("cudaMemGetInfo")
    return round((total - free) / 2**20, 1)


def write_references(model: Path, size: tuple[int, int], batches: tuple[int, ...], folder: Path) -> None:
    """Frames and what torch makes of them in fp32 on the CPU."""
    from depdis_export.verify import references

    shapes = [(number, *size) for number in batches]
    for reference in references(read_deployable(model, size), shapes):
        (folder / f"reference-{len(reference.frames)}.pickle").write_bytes(pickle.dumps(reference))


def all_ways(arguments: argparse.Namespace, folder: Path, device: str) -> dict[str, Any]:
    """Every way in a process of its own."""
    size = parse_size(arguments.imgsz)
    write_references(arguments.model, size, (1, arguments.batch), folder)
    exports = arguments.exports or folder
    needed = dict.fromkeys(precision_of(way) for way in arguments.only if not way.startswith("torch"))
    missing = make_exports(arguments.model, size, exports, needed)
    rows: dict[str, Any] = {}
    for way in arguments.only:
        cause = None if way.startswith("torch") else missing.get(precision_of(way))
        if cause is None and way.startswith("tensorrt"):
            cause = make_engines(precision_of(way), size, arguments.batch, exports, folder)
        if cause is not None:
            rows[way] = {"not_run": cause}
            continue
        before = used_mib() if device != "cpu" else 0.0
        words = ["--way", way, "--folder", str(folder), "--model", str(arguments.model), "--device", device]
        words += ["--imgsz", arguments.imgsz, "--batch", str(arguments.batch), "--exports", str(exports)]
        try:
            done = subprocess.run(
                [sys.executable, __file__, *words], capture_output=True, text=True, timeout=LONGEST_S
            )
        except subprocess.TimeoutExpired:
            rows[way] = {"not_run": f"it took more than {LONGEST_S} s"}
            continue
        if done.returncode:
            lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
            rows[way] = {"not_run": lines[-1]}
            continue
        rows[way] = json.loads(done.stdout.splitlines()[-1])
        if "used_mib" in rows[way]:
            rows[way]["memory_mib"] = round(rows[way].pop("used_mib") - before, 1)
    return rows


def versions() -> dict[str, str]:
    """Of what is measured, where it is installed."""
    found = {}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def parse_size(text: str) -> tuple[int, int]:
    width, _, height = text.partition("x")
    return int(width), int(height)


def table(rows: dict[str, Any], batch: int) -> str:
    heads = ("ms", "ms 95 %", f"frames/s at {batch}", "MiB", "labels equal", "held")
    lines = [f"{'':<18}" + "".join(f"{head:>16}" for head in heads)]
    for way, row in rows.items():
        if "not_run" in row:
            lines.append(f"{way:<18}  not run: {row['not_run']}")
            continue
        equal = min(parity["labels_equal"] for parity in row["parity"])
        rate = row[f"frames_a_second_batch_{batch}"]
        cells = (
            f"{row['ms_batch_1']:.2f}", f"{row['ms_95_batch_1']:.2f}", f"{rate:.0f}",
            f"{row.get('memory_mib', 0):.0f}", f"{equal:.3%}", "yes" if row["held"] else "NO",
        )  # fmt: skip
        lines.append(f"{way:<18}" + "".join(f"{cell:>16}" for cell in cells))
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=BUNDLED_MODEL.with_suffix(".safetensors"))
    parser.add_argument("--imgsz", default="640x320")
    parser.add_argument("--batch", type=int, default=8, help="of the throughput; the latency is of one frame")
    parser.add_argument("--only", nargs="+", choices=WAYS, metavar="WAY", default=list(WAYS))
    parser.add_argument("--exports", type=Path, help="where ONNX files are kept")
    parser.add_argument("--exports-only", action="store_true", help="make these, and stop")
    parser.add_argument("--out", type=Path, default=OUT)
    for internal in ("--way", "--folder", "--device"):
        parser.add_argument(internal, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        size = parse_size(arguments.imgsz)
        row = measure(
            arguments.way, Path(arguments.folder), arguments.exports, arguments.model, size, arguments.batch,
            arguments.device,
        )  # fmt: skip
        print(json.dumps(row))
        return 0
    if arguments.exports_only:
        missing = make_exports(arguments.model, parse_size(arguments.imgsz), arguments.exports or Path.cwd())
        print("\n".join(f"{name}: {cause}" for name, cause in missing.items()))
        return 1 if missing else 0
    from depdis_deploy.backends.cuda import find_gpu

    record: dict[str, Any] = {
        "model": arguments.model.name, "imgsz": arguments.imgsz, "batch": arguments.batch,
        "when": time.strftime("%Y-%m-%d"), "versions": versions(),
    }  # fmt: skip
    try:
        record["gpu"] = asdict(find_gpu())
        with tempfile.TemporaryDirectory() as folder:
            rows = all_ways(arguments, Path(folder), "cuda:0")
    except InputError as error:
        record["gpu"] = None
        rows = {way: {"not_run": str(error)} for way in arguments.only}
    record |= {"warm_up": WARM_UP, "runs": RUNS, "ways": rows}
    print(table(rows, arguments.batch))
    if record["gpu"] is None and arguments.out.is_file() and json.loads(arguments.out.read_text())["gpu"]:
        print(f"{arguments.out} keeps what was measured on a GPU")
        return 0
    with written_whole(arguments.out) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if all(row.get("held", True) for row in rows.values()) else 1


if __name__ == "__main__":
    raise SystemExit(main())
