"""A recording from a camera, in segments, when its disk stops dead: what is there after the disk is back."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av

from depdis_deploy.sources import BUNDLED_CLIP

_CODE = "from depdis_deploy.cli import main; main()"
_SEGMENT_S, _FINISHED = 3, 3  # seconds of a segment, and how many are finished before the cut
_LIMIT_S = 120.0


def record_and_cut(out: Path, model: Path, cut: Callable[[], None], seed: int) -> tuple[int, str, str, int]:
    """Record GStreamer's RTSP server into `out` until `cut` is called.

    (exit status, stderr, the growing segment's stem, its lines at the time of the cut).
    """
    from rtsp import RtspServer

    with RtspServer(BUNDLED_CLIP) as server:
        words = [sys.executable, "-c", _CODE, server.address, "--model", model, "--device", "cpu", "--quiet"]
        words += ["--segment", f"{_SEGMENT_S}s", "--duration", f"{_LIMIT_S:.0f}s", "--outdir", out]
        with subprocess.Popen(list(map(str, words)), stderr=subprocess.PIPE, text=True) as process:
            try:
                until = time.monotonic() + _LIMIT_S
                while len(finished(out)) < _FINISHED and time.monotonic() < until and process.poll() is None:
                    time.sleep(0.02)
                time.sleep(random.Random(seed).uniform(1.0, _SEGMENT_S))
                growing = max(out.glob("*.ndjson"))
                lines = growing.read_bytes().count(b"\n")
                cut()
                err = process.communicate(timeout=_LIMIT_S)[1]
            finally:
                process.kill()
    return process.returncode, err, growing.stem, lines


def finished(out: Path) -> list[Path]:
    """Videos that have their final names."""
    return [path for path in out.glob("*.mp4") if not path.name.endswith(".part.mp4")]


def what_is_left(out: Path, growing: str, lines_before: int) -> dict[str, Any]:
    """The figures: whole segments, and of the growing one the frames and lines that are there."""
    faults = []
    whole = sorted(finished(out))
    for path in whole:
        lines = path.with_suffix(".ndjson").read_text().count("\n")
        if lines != frames_in(path):
            faults.append(f"{path.name}: {frames_in(path)} frames and {lines} lines")
    if len(whole) < _FINISHED:
        faults.append(f"{len(whole)} of {_FINISHED} finished segments are there")
    part, record = out / f"{growing}.part.mp4", out / f"{growing}.ndjson"
    text = record.read_bytes() if record.exists() else b""
    if text and not text.endswith(b"}\n"):
        faults.append("the last line is torn")
    return {
        "segments": len(whole), "frames_in_them": sum(map(frames_in, whole)),
        "growing_lines_before": lines_before, "growing_lines": text.count(b"\n"),
        "growing_frames": frames_in(part) if part.exists() else 0, "faults": faults,
    }  # fmt: skip


def frames_in(path: Path) -> int:
    """How many frames can be decoded; a torn end is where it ends."""
    count = 0
    try:
        with av.open(str(path)) as container:
            for _ in container.decode(video=0):
                count += 1
    except (av.error.FFmpegError, ValueError):
        return count
    return count
