"""What this machine's processor has."""

from __future__ import annotations

import math
import os
import platform
from functools import cache
from pathlib import Path

from depdis_deploy.cpu_quota import cpu_quota

_CPUINFO = Path("/proc/cpuinfo")


def cores() -> int:
    """Return how many CPUs this process may use: its affinity, or the quota of its container if that is less.

    A part of a CPU counts as a whole one. Systems without affinities count all CPUs.
    """
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = cpu_quota()
    return usable if quota is None else max(1, min(usable, math.ceil(quota)))


def model_name() -> str:
    """What the processor is called."""
    return _fact("model name") or platform.processor() or platform.machine()


def _fact(*names: str) -> str:
    """The first line of the kernel's that has one of these names; empty where there is none."""
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text().splitlines():
            name, _, words = line.partition(":")
            if name.strip() in names:
                return words.strip()
    return ""


@cache
def features() -> frozenset[str]:
    """`bf16` and `int8`: what it can multiply; `fast bf16`: also faster than fp32. Empty where not known.

    AVX-512's bf16 instruction alone is as slow as two fp32 ones on Intel's processors: measured on one without
    AMX, OpenVINO took 1.5 times as long in bf16.
    """
    flags = set(_fact("flags", "Features").split())
    found = set()
    if flags & {"avx512_bf16", "amx_bf16", "bf16"}:
        found.add("bf16")
        if "amx_bf16" in flags or _fact("vendor_id") != "GenuineIntel":
            found.add("fast bf16")
    if flags & {"avx512_vnni", "avx_vnni", "amx_int8", "asimddp"}:
        found.add("int8")
    return frozenset(found)
