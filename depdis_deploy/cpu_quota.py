"""CPU time that the control groups of a Linux process grant, as containers set it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_PROCESS = Path("/proc/self")


def cpu_quota(process: Path = _PROCESS) -> float | None:
    """Return the number of CPUs whose time this process may use; None without a limit.

    The smallest limit counts, of the process's own group and of those above it, in either version of control
    groups.

    Args:
        process: The process's folder in /proc. Other systems than Linux have none, and no limit.
    """
    try:
        groups = (process / "cgroup").read_text(encoding="utf-8", errors="surrogateescape")
        mounts = (process / "mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return None
    limits = (_limit(folder) for folder in _folders(groups.splitlines(), mounts.splitlines()))
    return min((limit for limit in limits if limit is not None), default=None)


def _folders(groups: list[str], mounts: list[str]) -> Iterator[Path]:
    """Give the folder of each group that limits CPU time, from the process's own one upwards."""
    own = {}  # by the version of control groups
    for line in groups:  # such as 4:cpu,cpuacct:/docker/123 or 0::/user.slice
        _, controllers, group = line.split(":", 2)
        if not controllers or "cpu" in controllers.split(","):
            own["cgroup" if controllers else "cgroup2"] = PurePosixPath(group)
    for line in mounts:  # ... ROOT POINT ... - KIND DEVICE OPTIONS
        fields, _, rest = line.partition(" - ")
        kind, _, options = (rest.split() + [""] * 3)[:3]
        if kind not in own or (kind == "cgroup" and "cpu" not in options.split(",")):
            continue
        root, point = (Path(_unescaped(field)) for field in fields.split()[3:5])
        inner = own[kind].relative_to(root) if own[kind].is_relative_to(root) else PurePosixPath()
        yield point
        for parent in [inner, *inner.parents][:-1]:
            yield point / parent


def _unescaped(field: str) -> str:
    return field.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")


def _limit(folder: Path) -> float | None:
    try:
        if (both := folder / "cpu.max").exists():
            quota, period = both.read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        return float(quota) / float(period) if float(quota) > 0 and float(period) > 0 else None
    except (OSError, ValueError):  # "max": no limit
        return None
