"""What this machine's processor has."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def features() -> frozenset[str]:
    """`bf16` and `int8`: arithmetic that is faster than fp32 here; empty where that is not known."""
    if not _CPUINFO.is_file():
        return frozenset()
    flags: set[str] = set()
    for line in _CPUINFO.read_text().splitlines():
        name, _, words = line.partition(":")
        if name.strip() in ("flags", "Features"):
            flags = set(words.split())
            break
    found = set()
    if flags & {"avx512_bf16", "amx_bf16", "bf16"}:
        found.add("bf16")
    if flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}:
        found.add("int8")
    return frozenset(found)
