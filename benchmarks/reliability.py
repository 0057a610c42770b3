"""What holds when it goes on for long, is asked for too much, is killed, fed with rubbish, or loses its disk.

    python benchmarks/reliability.py [--part served] [--part frames] ... [--short] [--seed N]
        [--out benchmarks/results/reliability.json]

- served: a server's throughput against the work itself, latency under load, overload. Three minutes on a quiet
  machine. On a busy one only `by_processor` and the counts mean anything; the load stands in the result.
- frames: 10,000 frames through one call; memory, threads and open files.
- kills: 20 runs each, ended at random times by SIGINT, SIGTERM and SIGKILL; what then plays.
- fuzz: 2,000 changed pictures, videos, models, manifests, checkpoints, lists and requests.
- disks: a full disk, a read-only one, one that vanishes, and cameras that send garbage. As root: it mounts.

Without --part all of them. Each is a process of its own and replaces its own part of --out alone. A fault makes
the exit status 1. Everything is on this machine, bounded in number, and ends by itself.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PARTS = ("served", "frames", "kills", "fuzz", "disks")


def _served(options: argparse.Namespace) -> dict[str, Any]:
    from served import FULL, SHORT, measured

    return measured(SHORT if options.short else FULL, options.seed)


def _frames(options: argparse.Namespace) -> dict[str, Any]:
    from frames import long_run

    return long_run(options.count or (600 if options.short else 10_000), options.model)


def _kills(options: argparse.Namespace) -> dict[str, Any]:
    from kills import all_signals

    return all_signals(options.count or (2 if options.short else 20), options.seed)


def _fuzz(options: argparse.Namespace) -> dict[str, Any]:
    from fuzz import all_kinds

    return all_kinds(
        options.count or (120 if options.short else 2000), options.seed, options.kind, options.keep
    )


def _disks(options: argparse.Namespace) -> dict[str, Any]:
    from disks import all_disks

    return all_disks(options.seed)


_WORK: dict[str, Callable[[argparse.Namespace], dict[str, Any]]] = {
    "served": _served, "frames": _frames, "kills": _kills, "fuzz": _fuzz, "disks": _disks,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--part", action="append", choices=PARTS, help="again for each; all without")
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--count", type=int, help="of frames, of kills by each signal, or of changed inputs")
    parser.add_argument("--kind", action="append", help="of the changed inputs; again for each; all without")
    parser.add_argument("--keep", type=Path, help="a folder for the inputs that led to a fault")
    parser.add_argument("--model", type=Path, help="for the frames; the bundled one without")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    parts = options.part or list(PARTS)
    if len(parts) > 1:
        words = [word for word in sys.argv[1:] if not word.startswith("--part") and word not in PARTS]
        calls = [[sys.executable, __file__, *words, "--part", part] for part in parts]
        sys.exit(max(subprocess.run(call).returncode for call in calls))
    sys.exit(_one(parts[0], options))


def with_sums(figures: dict[str, Any]) -> dict[str, Any]:
    """Figures that have rows, with the sums over these: `faults`, and `inputs` where they count them."""
    rows = [row for row in figures.values() if isinstance(row, dict) and "faults" in row]
    sums = {}
    for name in ("inputs", "faults"):
        counts = [row[name] for row in rows if name in row]
        if counts:
            sums[name] = sum(len(count) if isinstance(count, list) else count for count in counts)
    return figures | sums


def _one(part: str, options: argparse.Namespace) -> int:
    before = os.getloadavg()[0]
    if part != "served":  # what forks wants no threads, and what is counted should not depend on the cores
        os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
    figures = with_sums(_WORK[part](options))
    from depdis_deploy.backends.cpu import cores, model_name
    from depdis_deploy.files import written_whole

    found = {
        "date": time.strftime("%Y-%m-%d"), "processor": model_name(), "cores": cores(),
        "load_before": round(before, 2), "short": options.short, "seed": options.seed, **figures,
    }  # fmt: skip
    print(json.dumps({part: found}, indent=1))
    if options.out is not None:
        kept = json.loads(options.out.read_text()) if options.out.exists() else {}
        if options.kind:  # the other kinds' figures stay
            found = with_sums({**kept.get(part, {}), **found})
        with written_whole(options.out) as temporary:
            temporary.write_text(json.dumps(kept | {part: found}, indent=1) + "\n")
    return 1 if figures.get("faults") else 0


if __name__ == "__main__":
    main()
