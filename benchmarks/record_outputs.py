"""Record what the package computes, to show that a refactoring changes none of it.

    python benchmarks/record_outputs.py before.json
    python benchmarks/record_outputs.py after.json --compare before.json

Records the first losses of every method and variant, a whole tiny run of the street configuration with its
pseudo-labels, the outputs of an export, and the results of `depdis-infer` on the bundled clip. Only the command
lines are called. Values are compared bit for bit, on one machine with one thread.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
METHODS = ("advent", "minent", "dada")
VARIANTS = (
    *("source_only", "source_branches", "M1", "M2", "M3", "M4", "S1", "S2", "S3", "S4", "S5"),
    *("D-seg", "D-density", "D-depth-seg", "weights-0.1", "weights-0.01", "weights-0.001"),
)
TINY = """
extends: street
source: {street: {pictures: 8, size: [128, 64]}}
target: {street: {pictures: 8, size: [128, 64]}}
validation: {street: {pictures: 4, size: [128, 64]}}
network: {start: scratch}
input: {width: 128, height: 64, canonical_focal_px: 80}
augment: {crop: [96, 64]}
discriminator: {layers: 2}
mixtures: {pictures: 8, components: 2, per_class: 500}
training: {iterations: 20, batch: 2, average: 0.9, log_every: 1, checkpoint_every: 20, validate_every: 20}
labels: {base: 1, span: 4, reference: [128, 64]}
self_training: {rounds: 1, iterations: 10, batch: 2}
"""
TIMED = ("source", "waiting", "speed", "ms", "fps", "time", "seconds", "date", "created")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("record", type=Path)
    parser.add_argument("--compare", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        record = everything(Path(folder))
    arguments.record.write_text(json.dumps(record, indent=1, sort_keys=True) + "\n")
    if arguments.compare is not None:
        compare(json.loads(arguments.compare.read_text()), record)


def compare(before: dict[str, Any], after: dict[str, Any]) -> None:
    """Print the keys whose values differ, and exit with 1 where there are any."""
    differing = sorted(key for key in before.keys() | after.keys() if before.get(key) != after.get(key))
    for key in differing:
        print(f"{key}: {before.get(key)} -> {after.get(key)}")
    print(f"{len(before) - len(differing)} of {len(before)} values are equal")
    sys.exit(1 if differing else 0)


def everything(folder: Path) -> dict[str, Any]:
    """Return each recorded value by its name."""
    record: dict[str, Any] = {}
    config = folder / "tiny.yaml"
    config.write_text(TINY)
    rows = [(method, None) for method in METHODS] + [("depdis", variant) for variant in VARIANTS]
    for method, variant in rows:
        name = "-".join(filter(None, (method, variant)))
        print(name, file=sys.stderr, flush=True)
        out = folder / name
        chosen = [f"--method={method}", *([f"--variant={variant}"] if variant else [])]
        whole = variant == "M4"
        until = [] if whole else ["--stage", "stage1"]
        run(folder, "depdis-train", config, *chosen, *until, "--threads", 1, "--out", out)
        record |= {f"{name}/losses/{key}": value for key, value in losses(out / "stage1" / "log.jsonl")}
        if whole:
            record |= hashes(out, ".png")
            record["M4/weights"] = tensors(out / "weights.safetensors")
    run(folder, "depdis-export", folder / "depdis-M4" / "weights.safetensors", "--output", folder / "m4.onnx")
    record["export/outputs"] = outputs(folder / "m4.onnx")
    run(folder, "depdis-infer", "--save=labels", "--save=json", "--outdir", folder / "infer")
    record |= hashes(folder / "infer", ".png")
    for path in sorted((folder / "infer").glob("*.ndjson")):
        lines = [untimed(json.loads(line)) for line in path.read_text().splitlines()]
        record[f"infer/{path.name}"] = digest(json.dumps(lines, sort_keys=True).encode())
    return record


def run(folder: Path, command: str, *words: object) -> None:
    """Run one of the package's commands from this checkout."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    module, function = scripts[command].split(":")
    code = f"import sys; from {module} import {function}; sys.argv[0] = {command!r}; sys.exit({function}())"
    path = os.pathsep.join(str(ROOT / name) for name in (".", "training", "export", "demo"))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{command} {' '.join(map(str, words))}: {done.stderr[-2000:]}")


def losses(log: Path) -> Iterator[tuple[str, Any]]:
    """Yield (step and kind, values) of a run's log."""
    for line in log.read_text().splitlines():
        entry = untimed(json.loads(line))
        yield f"{entry.pop('step')}-{entry.pop('kind')}", entry


def untimed(value: Any) -> Any:
    """Return a JSON value without measured times, dates and places on the disk."""
    if isinstance(value, dict):
        return {key: untimed(one) for key, one in value.items() if not any(word in key for word in TIMED)}
    return [untimed(one) for one in value] if isinstance(value, list) else value


def hashes(folder: Path, suffix: str) -> dict[str, str]:
    """Return the pixels' hash of each image in a folder and below."""
    import numpy as np
    from PIL import Image

    found = {}
    for path in sorted(folder.rglob(f"*{suffix}")):
        with Image.open(path) as image:
            found[f"{folder.name}/{path.relative_to(folder)}"] = digest(np.asarray(image).tobytes())
    return found


def tensors(path: Path) -> str:
    """Return the hash of a file of weights, without its metadata."""
    from safetensors.numpy import load_file

    weights = load_file(path)
    return digest(b"".join(weights[name].tobytes() for name in sorted(weights)))


def outputs(model: Path) -> dict[str, str]:
    """Return the hashes of what an exported model computes for a fixed frame."""
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    frame = np.random.default_rng(0).integers(0, 256, (1, 64, 128, 3), dtype=np.uint8)
    values = session.run(None, {session.get_inputs()[0].name: frame})
    return {
        made.name: digest(value.tobytes()) for made, value in zip(session.get_outputs(), values, strict=True)
    }


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


if __name__ == "__main__":
    main()
