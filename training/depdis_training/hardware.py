"""What the hardware is good at, by its flags."""

from __future__ import annotations

from pathlib import Path

import torch

_BF16_FLAGS = {"avx512_bf16", "amx_bf16"}


def fast_precision(cpu_flags: Path = Path("/proc/cpuinfo")) -> str:
    """`bf16` where the device multiplies bfloat16 natively, else `fp32`; no timing decides."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp32"
    if not cpu_flags.is_file():
        return "fp32"
    for line in cpu_flags.read_text(encoding="utf-8").splitlines():
        if line.startswith("flags"):
            return "bf16" if _BF16_FLAGS & set(line.split()) else "fp32"
    return "fp32"


def memory_used_gb() -> float:
    """The most memory so far, in 10^9 bytes: the GPU's where there is one, else the process's."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
