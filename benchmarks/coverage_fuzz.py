"""Coverage-guided fuzzing of everything that reads untrusted bytes, with atheris (libFuzzer for Python).

    pip install atheris
    python benchmarks/coverage_fuzz.py image --seconds 600
    python benchmarks/coverage_fuzz.py all --seconds 3600 --report fuzz.json

A target accepts an input, or rejects it with the package's own error. Any other exception, a hang of more than
10 seconds or more than 2 GB of memory is a finding; libFuzzer writes the input to `--findings`. The corpus in
`benchmarks/fuzz_corpus` is read first, together with whole files of every kind; `--grow` adds the smallest new
inputs to it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "training"), str(ROOT / "export"), str(Path(__file__).parent)]
CORPUS = Path(__file__).parent / "fuzz_corpus"
Target = Callable[[bytes], None]
MAX_PIXELS = 250_000  # of an image: larger ones only take time
_MAX_INPUT = 1 << 16
_TIMEOUT_S, _RSS_MB = 10, 2048
_KEPT, _KEPT_BYTES = 32, 2048  # new inputs per target and run that enter the corpus


def _rejections() -> tuple[type[Exception], ...]:
    from depdis_deploy.command import InputError, UsageError
    from depdis_deploy.manifest import ManifestError

    return InputError, UsageError, ManifestError


def image() -> Target:
    """Encoded images of the formats that are decoded in process; the others need a child process."""
    from depdis_deploy.media.image_decoding import BOUNDED, decode

    return lambda data: _ignore(decode(data, "image", max_pixels=MAX_PIXELS, formats=BOUNDED))


def video() -> Target:
    """Video files: container, codec, time stamps."""
    from depdis_deploy.clip import VideoFile

    path = _scratch_file(".mp4")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(OSError), VideoFile(str(path)) as clip:
            for _ in islice(clip, 8):
                pass

    return read


def onnx() -> Target:
    """ONNX files: the checks that run before any engine sees the bytes, sizes at two inputs included."""
    from depdis_deploy.backends.model_file import read_model

    path = _scratch_file(".onnx")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        read_model(path)

    return read


def openvino() -> Target:
    """The XML of OpenVINO models."""
    from depdis_deploy.backends.graph_checks.graph import RejectedGraphError
    from depdis_deploy.backends.graph_checks.openvino_file import read_ir
    from depdis_deploy.backends.graph_checks.openvino_operators import RULES
    from depdis_deploy.backends.graph_checks.sizes import SizeCheck

    def read(data: bytes) -> None:
        with suppress(RejectedGraphError):
            SizeCheck(read_ir(data, BytesIO(bytes(1 << 20))), RULES).check((1, 64, 32, 3))

    return read


def manifest() -> Target:
    """Manifests as JSON, and what is computed from them."""
    from depdis_deploy.manifest import Manifest
    from depdis_deploy.mixtures import class_density
    from depdis_deploy.preprocess import plan

    def read(data: bytes) -> None:
        found = Manifest.from_json(data.decode("utf-8", "replace"))
        plan((640, 320), found.resize)
        class_density(found, found.taxonomy.names[0], 10.0, (8, 4))

    return read


def checkpoint() -> Target:
    """Checkpoints: zip archives, pickles, tensors."""
    from depdis_training.checkpoint import CheckpointError, read_checkpoint

    path = _scratch_file(".pt")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(CheckpointError):
            read_checkpoint(path)

    return read


def safetensors() -> Target:
    """Weights in safetensors files."""
    from depdis_training.checkpoint import CheckpointError, read_checkpoint

    path = _scratch_file(".safetensors")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        with suppress(CheckpointError):
            read_checkpoint(path)

    return read


def config() -> Target:
    """Configurations in YAML."""
    from depdis_training.config import load_config

    path = _scratch_file(".yaml")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        load_config(str(path))

    return read


def sources() -> Target:
    """Lists of paths and camera addresses."""
    from depdis_deploy.sources import find_sources

    path = _scratch_file(".txt")

    def read(data: bytes) -> None:
        path.write_bytes(data)
        for source in find_sources([str(path)]):
            assert source.label is not None
            assert source.stem is not None

    return read


def http() -> Target:
    """Bytes on a connection of depdis-serve: uvicorn's parser, the guard, the routes, the body."""
    import uvicorn
    from tiny_model import write_tiny_model  # type: ignore[import-not-found]
    from uvicorn.server import ServerState

    from depdis_deploy.predictor import Predictor
    from depdis_deploy.serve.app import application
    from depdis_deploy.serve.connection import Connection, config_values
    from depdis_deploy.serve.service import Service
    from depdis_deploy.serve.settings import Settings

    model = write_tiny_model(_scratch_file(".onnx"))
    settings = Settings(max_pixels=MAX_PIXELS, timeout_s=1.0)
    service = Service(Predictor(model, "cpu", threads=1), settings)
    values = config_values(settings.timeout_s)
    server_config = uvicorn.Config(application(service), **values)
    server_config.load()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)

    async def answer(data: bytes) -> None:
        ours, theirs = socket.socketpair()
        state = ServerState()

        def made() -> asyncio.Protocol:
            return Connection(server_config, state, settings.timeout_s)

        transport, _ = await loop.connect_accepted_socket(made, ours)
        theirs.setblocking(False)
        with suppress(OSError):
            await loop.sock_sendall(theirs, data[:_MAX_INPUT])
            theirs.shutdown(socket.SHUT_WR)
        answered = b""
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(5):
                while chunk := await loop.sock_recv(theirs, 65536):
                    answered += chunk
        theirs.close()
        transport.abort()
        await asyncio.sleep(0)
        assert b"HTTP/1.1 500" not in answered, answered[:300]

    return lambda data: loop.run_until_complete(answer(data))


TARGETS: dict[str, Callable[[], Target]] = {
    "image": image,
    "video": video,
    "onnx": onnx,
    "openvino": openvino,
    "manifest": manifest,
    "checkpoint": checkpoint,
    "safetensors": safetensors,
    "config": config,
    "sources": sources,
    "http": http,
}
# Which of the whole files of `fuzz_seeds` a target starts from.
_SEEDS = {
    "image": "pictures/*",
    "video": "videos/*",
    "onnx": "models/*",
    "manifest": "manifests/*.json",
    "openvino": "manifests/*.xml",
    "checkpoint": "checkpoints/*.pt*",
    "safetensors": "checkpoints/small.safetensors",
    "sources": "lists/*.txt",
}


def _ignore(value: object) -> None:
    """Drop a result."""


def _scratch_file(suffix: str) -> Path:
    number, path = tempfile.mkstemp(suffix, "fuzz-", "/dev/shm" if Path("/dev/shm").is_dir() else None)
    os.close(number)
    return Path(path)


def _make_seeds(target: str, folder: Path) -> None:
    """Whole files of the kind that a target reads."""
    import fuzz_requests
    import fuzz_seeds

    if target in _SEEDS:
        kind = _SEEDS[target].partition("/")[0]
        with tempfile.TemporaryDirectory() as temporary:
            fuzz_seeds.make_all(Path(temporary), {kind})
            for path in Path(temporary).glob(_SEEDS[target]):
                if path.stat().st_size <= _MAX_INPUT:
                    shutil.copy(path, folder)
    if target == "http":
        import io

        png = io.BytesIO()
        fuzz_seeds.scene((32, 16)).save(png, "PNG")
        for number, request in enumerate(fuzz_requests.whole_requests(png.getvalue())):
            (folder / f"{number}.http").write_bytes(request)
    if target == "config":
        for path in (ROOT / "training" / "depdis_training" / "configs").glob("*.yaml"):
            shutil.copy(path, folder)


def _fuzz(target: str, arguments: list[str]) -> None:
    """In the process of one target: run libFuzzer until its time is over or it has found something."""
    import atheris  # type: ignore[import-not-found]
    import fuzz_seeds  # noqa: F401  (puts the tests' helpers on the path)

    warnings.simplefilter("ignore")
    os.environ["XDG_CACHE_HOME"] = tempfile.mkdtemp(prefix="fuzz-cache-")
    with atheris.instrument_imports(include=["depdis_deploy", "depdis_training", "PIL", "uvicorn", "h11"]):
        test_one = TARGETS[target]()
    rejections = _rejections()

    def one_input(data: bytes) -> None:
        with suppress(*rejections):
            test_one(data)

    atheris.Setup([sys.argv[0], *arguments], one_input)
    atheris.Fuzz()


def run_target(target: str, seconds: float, findings: Path, *, grow: bool) -> dict[str, Any]:
    """Fuzz one target in a process of its own; its inputs, new coverage and findings."""
    with tempfile.TemporaryDirectory() as temporary:
        new, seeds = Path(temporary) / "new", Path(temporary) / "seeds"
        new.mkdir()
        seeds.mkdir()
        kept = CORPUS / target
        _make_seeds(target, seeds)
        findings.mkdir(parents=True, exist_ok=True)
        command = [
            sys.executable,
            __file__,
            "--child",
            target,
            str(new),
            str(seeds),
            *([str(kept)] if kept.is_dir() else []),
            f"-max_total_time={round(seconds)}",
            f"-timeout={_TIMEOUT_S}",
            f"-rss_limit_mb={_RSS_MB}",
            f"-max_len={_MAX_INPUT}",
            f"-artifact_prefix={findings}/{target}-",
            "-print_final_stats=1",
        ]
        begun = time.monotonic()
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace")
        log = ended.stdout + ended.stderr
        (findings / f"{target}.log").write_text(log)
        if grow:
            _keep_smallest(new, kept)
        return {
            "seconds": round(time.monotonic() - begun),
            "inputs": _last_number(r"number_of_executed_units:\s*(\d+)", log),
            "coverage": _last_number(r"cov: (\d+)", log),
            "found": ended.returncode != 0,
            "last_lines": log.splitlines()[-12:] if ended.returncode else [],
        }


def _keep_smallest(new: Path, kept: Path) -> None:
    """Add the smallest new inputs to the corpus; each of them reached code that no earlier one did."""
    kept.mkdir(parents=True, exist_ok=True)
    small = [path for path in new.iterdir() if path.stat().st_size <= _KEPT_BYTES]
    for path in sorted(small, key=lambda path: path.stat().st_size)[:_KEPT]:
        shutil.copy(path, kept / path.name)


def _last_number(pattern: str, text: str) -> int:
    found = re.findall(pattern, text)
    return int(found[-1]) if found else 0


def main() -> int:
    if sys.argv[1:2] == ["--child"]:
        _fuzz(sys.argv[2], sys.argv[3:])
        return 0
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument(
        "--seconds", type=float, default=60.0, help="Total time, shared equally by the targets."
    )
    parser.add_argument("--findings", type=Path, default=Path("fuzz-findings"))
    parser.add_argument("--grow", action="store_true", help="Add the minimised new inputs to the corpus.")
    parser.add_argument("--report", type=Path, help="Write the counts as JSON.")
    options = parser.parse_args()
    chosen = list(TARGETS) if options.target == "all" else [options.target]
    report = {}
    for target in chosen:
        report[target] = run_target(target, options.seconds / len(chosen), options.findings, grow=options.grow)
        print(f"{target}: {json.dumps(report[target])}", flush=True)
    if options.report is not None:
        options.report.write_text(json.dumps(report, indent=1) + "\n")
    return any(entry["found"] for entry in report.values())


if __name__ == "__main__":
    sys.exit(main())
