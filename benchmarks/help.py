"""How long `--help` of every command takes, beside an empty Python: medians of whole processes.

python benchmarks/help.py
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
import tomllib
from pathlib import Path

RUNS = 7
ROOT = Path(__file__).parents[1]


def median_ms(command: list[str]) -> float:
    """The median wall-clock time of a command, in milliseconds, after one warm-up."""
    times = []
    for _ in range(RUNS + 1):
        begun = time.perf_counter()
        subprocess.run(command, check=True, capture_output=True)
        times.append(time.perf_counter() - begun)
    return 1000 * statistics.median(times[1:])


def main() -> None:
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    empty = median_ms([sys.executable, "-c", "pass"])
    print(f"{'python -c pass':<18}{empty:7.0f} ms")
    for name in scripts:
        spent = median_ms([str(Path(sys.executable).with_name(name)), "--help"])
        print(f"{name:<18}{spent:7.0f} ms   {spent / empty:.1f} x an empty Python")


if __name__ == "__main__":
    main()
