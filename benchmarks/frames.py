"""Thousands of frames through one call: what it holds of memory, threads and files, before, during and after.

The clip is the bundled one end on end, its packets copied with stamps that go on, so that nothing but the
length is new. The call runs in this process, after a short one that has loaded and started what stays.
"""

from __future__ import annotations

import gc
import os
import statistics
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import av

from depdis_deploy.infer import run
from depdis_deploy.job import Options
from depdis_deploy.sources import BUNDLED_CLIP

_EVERY_S = 0.1
WARM_UP = 0.1  # of the frames: what is held after them is the measure
MOST_GROWTH = 0.03
ENOUGH = 5000  # frames, for the memory of a tenth of them to say something


def end_on_end(clip: Path, target: Path, frames: int) -> Path:
    """A video of the clip again and again, at least `frames` frames long, its packets as they are."""
    with av.open(str(target), "w") as out:
        copy: Any = None
        count, shift = 0, 0
        while count < frames:
            with av.open(str(clip)) as source:
                stream = source.streams.video[0]
                copy = copy or out.add_stream_from_template(stream)
                end = 0
                for packet in source.demux(stream):
                    if packet.dts is None:
                        continue
                    end = max(end, packet.pts + packet.duration)
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = copy
                    out.mux(packet)
                    count += 1
                shift += end
    return target


def resident_mb() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def held() -> dict[str, list[str]]:
    """The names of this process's threads, and where its open files lead."""
    threads = [
        Path(f"/proc/self/task/{number}/comm").read_text().strip() for number in os.listdir("/proc/self/task")
    ]
    files = []
    for number in os.listdir("/proc/self/fd"):
        try:
            files.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:  # the listing's own
            continue
    return {"threads": sorted(threads), "files": sorted(files)}


class Sampler:
    """(lines written so far, resident megabytes) every tenth of a second, from a thread of its own."""

    def __init__(self, record: Path) -> None:
        self.samples: list[tuple[int, float]] = []
        self.most_threads = 0
        self._record, self._over = record, threading.Event()
        self._thread = threading.Thread(target=self._sample)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()

    def _sample(self) -> None:
        bytes_seen = lines = 0
        while not self._over.wait(_EVERY_S):
            if self._record.exists():
                with self._record.open("rb") as file:
                    file.seek(bytes_seen)
                    added = file.read()
                bytes_seen, lines = bytes_seen + len(added), lines + added.count(b"\n")
            self.samples.append((lines, resident_mb()))
            self.most_threads = max(self.most_threads, len(os.listdir("/proc/self/task")) - 1)


def long_run(frames: int, model: Path | None, clip: Path = BUNDLED_CLIP) -> dict[str, Any]:
    """`frames` frames to a video and NDJSON. model: None for the bundled one.

    memory_mb: medians after the warm-up and of the last tenth; growth: of the second over the first.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        source = end_on_end(clip, place / "long.mp4", frames)
        first = end_on_end(clip, place / "first.mp4", 50)
        _call(first, place / "first", model)
        gc.collect()
        before = held()
        with Sampler(place / "out" / "long.ndjson") as sampler:
            _call(source, place / "out", model)
        after = _settled(before)
        count = sum(1 for _ in (place / "out" / "long.ndjson").open())
        with av.open(str(place / "out" / "long.mp4")) as video:
            played = video.streams.video[0].frames
    early = [mb for lines, mb in sampler.samples if WARM_UP * count <= lines <= 2 * WARM_UP * count]
    late = [mb for lines, mb in sampler.samples if 0.9 * count <= lines]
    memory = [statistics.median(early), statistics.median(late)] if early and late else [0.0, 0.0]
    growth = memory[1] / (memory[0] or 1) - 1
    left = [f"{what} {name}" for what in before for name in _more(after[what], before[what])]
    return {
        "frames": count, "in_the_video": played, "model": "the bundled one" if model is None else model.name,
        "memory_mb": [round(value, 1) for value in memory], "growth": round(growth, 4),
        "threads": [len(before["threads"]), len(after["threads"])], "most_threads": sampler.most_threads,
        "files": [len(before["files"]), len(after["files"])], "left": left,
        "faults": len(left) + (count != played) + (growth > MOST_GROWTH and count >= ENOUGH),
    }  # fmt: skip


def _settled(before: dict[str, list[str]]) -> dict[str, list[str]]:
    """What is held once it is no more than `before`, or after ten seconds: a thread that was joined still has
    its last steps to take."""
    until = time.monotonic() + 10
    while True:
        gc.collect()
        after = held()
        if not any(_more(after[what], before[what]) for what in before) or time.monotonic() > until:
            return after
        time.sleep(0.05)


def _more(after: list[str], before: list[str]) -> list[str]:
    """What is there more often than before."""
    return sorted((Counter(after) - Counter(before)).elements())


def _call(source: Path, out: Path, model: Path | None) -> None:
    status = run(Options(sources=(str(source),), model=model, device="cpu", outdir=out, quiet=True))
    assert status == 0, f"the run ended with {status}"
