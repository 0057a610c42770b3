"""Trial of a model from outside the package: loaded and run once in a child process with limits.

A model that hangs, needs too much memory or crashes its engine does so there. The result of a trial that went
well is kept in the user's cache, so that each file is tried once for each engine.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import depdis_deploy
from depdis_deploy.child_limits import environment_without_secrets
from depdis_deploy.command import InputError, one_line
from depdis_deploy.parent_process import parent_pipe

from .cpu import cores
from .local_engines import keep_bytes, own_bytes
from .model_file import ModelFile

# The paper's ResNet-101 at 1280x760 takes 1.3 GB, and 5 to 15 s on two cores.
_MEMORY = (2**30, 3072, 8, 64 * 2**20)  # bytes: fixed, per input pixel, per byte of the file, per thread
_SECONDS = (30.0, 300e-6)  # fixed, per input pixel
_FOLDER = "trials"
_CODE = "import sys, json; sys.path[:] = json.loads(sys.argv[1]); from {} import main; main()"


@dataclass(frozen=True)
class Limits:
    """seconds: of wall time, and of processor time on each core. memory: bytes beyond the engine's own code."""

    seconds: float
    memory: int


def limits_for(file: ModelFile) -> Limits:
    """What a trial of this file may take."""
    pixels = sum(math.prod(shape[:3]) for shape in file.trial_shapes)
    fixed, per_pixel, per_byte, per_thread = _MEMORY
    memory = fixed + per_pixel * pixels + per_byte * file.size + per_thread * (os.cpu_count() or 1)
    return Limits(_SECONDS[0] + _SECONDS[1] * pixels, memory)


def require_trial(
    file: ModelFile, engine: str, arithmetic: str, threads: int | None, limits: Limits | None = None
) -> None:
    """Try a model once in a child process, unless this user has done so before or it is a bundled one.

    Args:
        file: The checked file.
        engine: onnxruntime or openvino.
        arithmetic: fp32 or bf16.
        threads: CPU threads per call; None: all cores.
        limits: None: `limits_for` this file.

    Raises:
        InputError: The model took more time or memory than the limits allow, ended the process, or cannot run.
    """
    if file.bundled:
        return
    key, record = _record(file.sha256, engine, arithmetic)
    if own_bytes(f"{_FOLDER}/{key}") == record:
        return
    limits = limits or limits_for(file)
    error = _tried(file, engine, arithmetic, threads, limits)
    if error is not None:
        raise InputError(error)
    keep_bytes(f"{_FOLDER}/{key}", record)


def vouch(path: Path) -> None:
    """Note that a file needs no trial, since this package has just made it."""
    from .model_file import read_model

    sha256 = read_model(path).sha256
    for engine, arithmetic in (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")):
        key, record = _record(sha256, engine, arithmetic)
        keep_bytes(f"{_FOLDER}/{key}", record)


def _record(sha256: str, engine: str, arithmetic: str) -> tuple[str, bytes]:
    """The name and contents of the note that a trial went well."""
    versions = {name: _version(name) for name in _PACKAGES[engine]}
    fields = {
        "model": sha256, "engine": engine, "arithmetic": arithmetic, "versions": versions,
        "depdis": depdis_deploy.__version__,
    }  # fmt: skip
    record = json.dumps(fields, indent=1).encode()
    return hashlib.sha256(record).hexdigest(), record


_PACKAGES = {"onnxruntime": ("onnxruntime", "onnxruntime-gpu"), "openvino": ("openvino",)}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _tried(file: ModelFile, engine: str, arithmetic: str, threads: int | None, limits: Limits) -> str | None:
    """Why the model cannot be used, in one line; None: the trial went well."""
    task = {
        "path": str(file.path), "sha256": file.sha256, "engine": engine, "arithmetic": arithmetic,
        "threads": threads, "memory": limits.memory, "seconds": limits.seconds * (threads or cores()),
    }  # fmt: skip
    code = _CODE.format(f"{__package__}.trial_worker")
    # The parent's own import path: `-m` would put the working folder first, whose files may be anyone's.
    places = [entry for entry in sys.path if isinstance(entry, str)]
    command = [sys.executable, "-P", "-c", code, json.dumps(places), json.dumps(task)]
    try:
        process = subprocess.Popen(
            command,
            stdin=parent_pipe(),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**environment_without_secrets(), "MALLOC_ARENA_MAX": "2"},  # unused pools count as memory
        )
    except OSError as error:
        return f"{file.path}: cannot start a process for the trial run of this model ({one_line(error)})"
    with process:
        try:
            answer, _ = process.communicate(timeout=limits.seconds)
        except subprocess.TimeoutExpired:
            return _exceeded(file, engine, f"did not finish within {limits.seconds:.3g} s")
        finally:
            process.kill()  # also on Ctrl-C
    return _verdict(file, engine, limits, process.returncode, answer)


def _verdict(file: ModelFile, engine: str, limits: Limits, status: int, answer: bytes) -> str | None:
    if status == -signal.SIGINT:
        raise KeyboardInterrupt  # Ctrl-C reaches the whole process group
    if hasattr(signal, "SIGXCPU") and status == -signal.SIGXCPU:
        return _exceeded(file, engine, f"used its {limits.seconds:.3g} s of processor time per core")
    allowed = f"{limits.memory / 1e9:.1f} GB of memory"
    try:
        found = json.loads(answer)
    except ValueError:
        names = {number.value: number.name for number in signal.Signals}
        how = names.get(-status, f"signal {-status}") if status < 0 else f"exit status {status}"
        return _exceeded(file, engine, f"ended the process ({how}); {allowed} were allowed")
    if found["memory"]:
        return _exceeded(file, engine, f"needed more than {allowed}")
    return None if found["error"] is None else str(found["error"])


def _exceeded(file: ModelFile, engine: str, what: str) -> str:
    return f"{file.path}: this model was not loaded: a trial run in {engine} {what}"
