"""What a picture costs in `depdis-infer`, and how `--ray` on this machine compares with a run without it.

    python benchmarks/fleet.py [--pictures N] [--rounds N] [--out result.json]

Pictures are JPEG files of the bundled clip's frames, as they are and scaled to 1920x1080. The cost is
processor time of a run, less that of a run over a quarter of them, so that starting is not in it; other load
of the machine changes it little. With `--ray` it is that of the command and of all processes of the cluster
that it starts, looked at five times a second. The ratio of the two is that of the speeds where the processor
is what is short. Whole commands' seconds stand beside; on a busy machine they say little, since processes of
several sessions are given more of it than those of one.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from datetime import UTC, datetime
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from PIL import Image

from depdis_deploy.backends.cpu import cores, model_name
from depdis_deploy.files import written_whole
from depdis_deploy.sources import BUNDLED_CLIP, open_sources

SIZES = {"640x320": (640, 320), "1920x1080": (1920, 1080)}
SAVED = {"json": ("json",), "overlay, json": ("overlay", "json")}
WAYS: dict[str, tuple[str, ...]] = {"local": (), "ray": ("--ray", "--ray-address", "local")}
_TICKS = os.sysconf("SC_CLK_TCK")
_COMMAND = "from depdis_deploy.cli import main; main()"


def write_pictures(folder: Path, size: tuple[int, int], count: int) -> Path:
    """A folder of `count` street pictures."""
    folder.mkdir()
    frames = [frame.image for frame in open_sources(BUNDLED_CLIP, stride=4)]
    for index, image in enumerate(islice(cycle(frames), count)):
        Image.fromarray(image).resize(size).save(folder / f"{index:05d}.jpg", quality=90)
    return folder


def infer(*words: object, saved: tuple[str, ...]) -> tuple[float, float]:
    """(wall, processor) seconds of a command, with all processes that it starts."""
    options = [word for kind in saved for word in ("--save", kind)]
    begun = time.monotonic()
    command = [sys.executable, "-c", _COMMAND, *map(str, words), *options, "--quiet"]
    used: dict[int, float] = {}
    with subprocess.Popen(command) as process:
        while process.poll() is None:
            used.update(of_tree(process.pid))
            time.sleep(0.2)
    if process.returncode:
        raise SystemExit(f"depdis-infer {' '.join(map(str, words))} failed")
    return time.monotonic() - begun, sum(used.values())


def of_tree(root: int) -> dict[int, float]:
    """Processor seconds so far of a process and its descendants, by number."""
    parents, used = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid], used[pid] = int(fields[1]), (int(fields[11]) + int(fields[12])) / _TICKS
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return {pid: used[pid] for pid in found if pid in used}


def cost(folder: Path, work: Path, saved: tuple[str, ...], *options: str) -> dict[str, float]:
    """Processor milliseconds a picture, and the seconds of the whole command."""
    pictures = sorted(map(str, folder.iterdir()))
    few = pictures[: len(pictures) // 4]
    listed = work / "few.txt"
    listed.write_text("\n".join(few))
    spent = []
    for index, source in enumerate((listed, folder)):
        out = work / f"out-{index}"
        spent.append(infer(source, "--outdir", out, *options, saved=saved))
        shutil.rmtree(out)
    return {
        "cpu_ms": round(1000 * (spent[1][1] - spent[0][1]) / (len(pictures) - len(few)), 1),
        "command_s": round(spent[1][0], 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    result: dict[str, Any] = {
        "date": datetime.now(UTC).date().isoformat(), "processor": model_name(), "cores": cores(),
        "load_before": os.getloadavg()[0], "pictures": given.pictures, "a_picture": {},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        for label, size in SIZES.items():
            folder = write_pictures(work / label, size, given.pictures)
            result["a_picture"][label] = {kinds: cost(folder, work, saved) for kinds, saved in SAVED.items()}
        result["rounds"] = [
            {
                name: cost(work / "640x320", work, ("overlay", "json"), *options)
                for name, options in WAYS.items()
            }
            for _ in range(given.rounds)
        ]
    result["ray_over_local_by_cpu"] = round(
        statistics.median(one["local"]["cpu_ms"] / one["ray"]["cpu_ms"] for one in result["rounds"]), 3
    )
    result["load_after"] = os.getloadavg()[0]
    text = json.dumps(result, indent=1) + "\n"
    print(text, end="")
    if given.out:
        with written_whole(given.out) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
