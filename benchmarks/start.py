"""From the start of `depdis-infer` to its first result: wall time, and the processor time spent until then.

    python benchmarks/start.py [--runs N] [--out result.json] [-- OPTIONS OF depdis-infer]

Each run is a process of its own, as a user starts it. It ends when the first frame of the bundled clip has been
handed to the encoder and its line of NDJSON is made, or when the first picture's files are written. The runs of
the cases take turns; the first of each, which warms the disk, does not count. Held to be met: a median of at
most 1.5 s in each case; exit status 1 if not.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from depdis_deploy.backends.cpu import cores, model_name
from depdis_deploy.clip import VideoFile
from depdis_deploy.files import written_whole
from depdis_deploy.sources import BUNDLED_CLIP

HELD_S = 1.5
CASES = {
    "auto": (), "onnxruntime int8": ("--engine", "onnxruntime"), "onnxruntime fp32": ("--device", "cpu"),
}  # fmt: skip
# Job.count is called when all of a frame or picture is done. The import is one that the command makes too.
_COMMAND = """
import os, sys, time
from depdis_deploy.job import Job
def done(self, *_):
    used = os.times()
    os.write(9, f"{time.monotonic()} {used.user + used.system}".encode())
    os._exit(0)
Job.count = done
from depdis_deploy.cli import main
main()
"""


def once(words: list[str]) -> tuple[float, float]:
    """(wall, processor) seconds of one start."""
    reading, writing = os.pipe()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.monotonic()
        process = subprocess.Popen(
            ["sh", "-c", f'exec "$@" 9>&{writing}', "sh", sys.executable, "-c", _COMMAND, *words,
             "--outdir", folder, "--quiet"], pass_fds=[writing],
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as end:
            said = end.read()
        if process.wait() or not said:
            raise SystemExit(f"depdis-infer {' '.join(words)} gave no result")
    finished, used = map(float, said.split())
    return finished - begun, used


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--out", type=Path)
    parser.add_argument("options", nargs="*", help="of depdis-infer, behind --: in place of the three cases")
    given = parser.parse_args()
    cases = {" ".join(given.options): tuple(given.options)} if given.options else CASES
    taken: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "street.png"
        with VideoFile(str(BUNDLED_CLIP)) as clip:
            from PIL import Image

            Image.fromarray(next(iter(clip)).image).save(picture)
        for run in range(given.runs + 1):
            for name, options in cases.items():
                for kind, source in (("video", BUNDLED_CLIP), ("picture", picture)):
                    found = once([str(source), *options])
                    if run:
                        taken.setdefault(f"{kind}, {name}", []).append(found)
    rows = {
        name: {
            "median_s": round(statistics.median(wall for wall, _ in values), 3),
            "best_s": round(min(wall for wall, _ in values), 3),
            "cpu_s": round(statistics.median(used for _, used in values), 3),
        }
        for name, values in taken.items()
    }  # fmt: skip
    print(f"{'seconds':<28}{'median':>8}{'best':>8}{'CPU':>8}")
    for name, row in rows.items():
        print(f"{name:<28}{row['median_s']:>8.2f}{row['best_s']:>8.2f}{row['cpu_s']:>8.2f}")
    met = all(row["median_s"] <= HELD_S for row in rows.values())
    print(f"at most {HELD_S} s: {'met' if met else 'MISSED'}")
    if given.out:
        record = {
            "processor": model_name(), "cores": cores(), "load": os.getloadavg()[0], "runs": given.runs,
            "held_s": HELD_S, "met": met, "seconds": rows,
        }  # fmt: skip
        with written_whole(given.out) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
    return 0 if met else 1


if __name__ == "__main__":
    raise SystemExit(main())
