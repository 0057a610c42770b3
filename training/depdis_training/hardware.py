"""What the hardware is good at, by its flags."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import torch

# Whose time goes into products; that of a small network goes into memory, of which bfloat16 halves the traffic.
_HEAVY = {"resnet101"}


def fast_precision(backbone: str, cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """`bf16` where the hardware trains that network faster in bfloat16, else `fp32`; no timing decides.

    On a processor with AVX-512's bfloat16 and without AMX, AMD's multiplies twice as fast in it as in float32,
    Intel's half as fast (docs/training.md): there a heavy network stays in float32.
    """
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if not cpuinfo.is_file():
        return "fp32"
    lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    known = {name.strip(): value.split() for name, value in fields.items()}
    flags, vendor = known.get("flags", []), known.get("vendor_id", [])
    fast = "avx512_bf16" in flags and (backbone not in _HEAVY or vendor == ["AuthenticAMD"])
    return "bf16" if fast or "amx_bf16" in flags else "fp32"


def memory_used_gb() -> float:
    """Return the most memory used so far, of the GPU or else of the process, in 10^9 bytes; NaN on Windows."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    try:
        import resource
    except ImportError:
        return math.nan
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return largest * (1 if sys.platform == "darwin" else 1024) / 1e9
