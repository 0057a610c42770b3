"""How a server holds out: throughput against the work itself, latency under load, overload.

    python benchmarks/reliability.py [--short] [--seed N] [--out benchmarks/results/reliability.json]

Everything runs on this machine against 127.0.0.1, in a bounded number of requests, and ends by itself: five
minutes on a quiet machine, one with --short. The load that others put on the machine stands in the result; on a
busy one only `by_processor` and the counts mean anything.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

from served import CORES, FULL, SHORT, measured

from depdis_deploy.backends.cpu import model_name


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    before = os.getloadavg()[0]
    found = {
        "date": time.strftime("%Y-%m-%d"), "processor": model_name(), "cores": CORES,
        "load_before": round(before, 2), "short": options.short, "seed": options.seed,
        "served": measured(SHORT if options.short else FULL, options.seed),
    }  # fmt: skip
    text = json.dumps(found, indent=1) + "\n"
    print(text, end="")
    if options.out is not None:
        options.out.write_text(text)


if __name__ == "__main__":
    main()
