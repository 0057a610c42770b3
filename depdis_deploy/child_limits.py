"""Limits of child processes that handle untrusted input: memory, processor time, environment."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

try:
    import resource
except ImportError:  # Windows has no such limits
    resource = None  # type: ignore[assignment]

_STATM = Path("/proc/self/statm")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSW|CREDENTIAL|AUTH", re.IGNORECASE)


def environment_without_secrets() -> dict[str, str]:
    """Return this process's environment variables without those whose names look like secrets."""
    return {name: value for name, value in os.environ.items() if not _SECRET.search(name)}


def limit_memory(extra_bytes: int) -> None:
    """Let this process map at most `extra_bytes` more memory than it has mapped so far.

    An allocation beyond that fails with MemoryError or the library's own error. Only Linux enforces it.
    """
    if resource is None or not _STATM.is_file():
        return
    mapped = int(_STATM.read_text().split()[0]) * resource.getpagesize()
    _lower(resource.RLIMIT_AS, mapped + extra_bytes)


def limit_processor_time(seconds: float) -> None:
    """Let the kernel end this process once it has used `seconds` more of processor time.

    This holds inside compiled code that never returns, and also when the parent process was killed.
    """
    if resource is None:
        return
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _lower(resource.RLIMIT_CORE, 0)
    _lower(resource.RLIMIT_CPU, math.ceil(usage.ru_utime + usage.ru_stime + seconds))


def _lower(kind: int, most: int) -> None:
    """Set the soft limit, so that a later call can set it again."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))
