"""Child processes that decode images, as they are seen from outside."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path


def decoders(parent: int | None = None) -> set[int]:
    """Process ids of the image workers that are children of a process, this one by default."""
    parent = os.getpid() if parent is None else parent
    pids = (int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal())
    return {pid for pid in pids if _parent(pid) == parent and "image_worker" in _read(pid, "cmdline")}


def running(pid: int) -> bool:
    """Whether a process is there, and not a zombie."""
    return _read(pid, "stat").rpartition(")")[2].split()[:1] not in ([], ["Z"])


def wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not true():
        assert time.monotonic() < until
        time.sleep(0.01)


def _parent(pid: int) -> int:
    return int((_read(pid, "stat").rpartition(")")[2].split() or [0, 0])[1])


def _read(pid: int, name: str) -> str:
    """A file that tells of a process; empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""
