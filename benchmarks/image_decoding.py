"""Decoding images in a child process compared with this process, and next to hostile images.

    python benchmarks/image_decoding.py [--rounds 30]

Both ways decode the same image in turn, so that other load affects them alike. `cpu` is the processor time of
this process and of the child. Then two threads share a decoder: one decodes a small image again and again, the
other one hostile images; the latency of the first shows what they cost it. Prints a table.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import av
import hostile_images as hostile
import typer
from PIL import Image

from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.pictures import MAX_PIXELS, read_picture
from depdis_deploy.sources import BUNDLED_CLIP

SIZES = {"640x320": 1, "1280x640": 2, "3840x1920": 6}
KINDS: dict[str, dict[str, object]] = {"JPEG": {"quality": 90}, "PNG": {}}
ATTACKS: dict[str, Callable[[], bytes]] = {
    "none": lambda: hostile.encoded(8, 8, "PNG"),
    "JPEG, 100,000 scans": lambda: hostile.jpeg_with_scans(4000, 4000, 100_000),
    "JPEG, 8 million segments": lambda: hostile.jpeg_with_segments(8_000_000),
    "JPEG, 90 scans of 16 megapixels": lambda: hostile.jpeg_with_scans(4000, 4000, 80),
    "PNG, 2.7 million chunks": lambda: hostile.png_with_chunks(2_700_000, b"IDAT"),
    "PNG, noise of 16 megapixels": lambda: hostile.noise(4000, 4000, "PNG"),
    "TIFF, tile of 400 megapixels": lambda: hostile.tiff_with_tiles(64, 32, 20_000, 20_000),
}


def processor_s(pids: set[int]) -> float:
    """Processor time of this process and of children that still run."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def compare(path: Path, decoder: ImageDecoder, rounds: int) -> str:
    """One line: medians in milliseconds, and the ratio of processor times over all rounds."""
    ways = {
        "in process": lambda: read_picture(path),
        "child": lambda: decoder.read(path, max_pixels=MAX_PIXELS),
    }
    pids = {process._process.pid for process in decoder._running}
    wall: dict[str, list[float]] = {name: [] for name in ways}
    spent = dict.fromkeys(ways, 0.0)
    for _ in range(rounds):
        for name, way in ways.items():
            begun = processor_s(pids)
            for _ in range(10):  # the children's clock has ticks of 10 ms
                started = time.perf_counter()
                way()
                wall[name].append(1000 * (time.perf_counter() - started))
            spent[name] += processor_s(pids) - begun
    medians = [statistics.median(wall[name]) for name in ways]
    cpu = [100 * spent[name] / rounds for name in ways]
    return (
        f"{medians[0]:8.2f} {medians[1]:8.2f} {medians[1] / medians[0]:6.2f}"
        f"   {cpu[0]:8.2f} {cpu[1]:8.2f} {cpu[1] / cpu[0]:6.2f}"
    )


def latencies(attack: bytes, small: bytes, seconds: float) -> list[float]:
    """Milliseconds of small images while another thread decodes `attack` without a pause."""
    over = threading.Event()
    with ImageDecoder(2) as decoder:
        decoder.start()

        def attacked() -> None:
            while not over.is_set():
                with suppress(ValueError):
                    decoder.decode(attack, "a", max_pixels=16_000_000)

        attacker = threading.Thread(target=attacked)
        attacker.start()
        found = []
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            begun = time.perf_counter()
            decoder.decode(small, "a", max_pixels=16_000_000)
            found.append(1000 * (time.perf_counter() - begun))
        over.set()
        attacker.join()
    return sorted(found)


def main(rounds: int = 30, seconds: float = 4.0) -> None:
    """Measure and print."""
    with av.open(str(BUNDLED_CLIP)) as clip:
        frame = next(clip.decode(video=0)).to_image()
    print(f"{'':16}  in process, child, ratio of ms     in process, child, ratio of ms of processor time")
    with tempfile.TemporaryDirectory() as folder, ImageDecoder(1) as decoder:
        for name, scale in SIZES.items():
            for kind, options in KINDS.items():
                path = Path(folder) / f"{name}.{kind.lower()}"
                resized = frame.resize((640 * scale, 320 * scale), Image.Resampling.BICUBIC)
                resized.save(path, kind, **options)
                decoder.read(path, max_pixels=MAX_PIXELS)
                print(f"{name:>10} {kind:5} {compare(path, decoder, max(3, rounds // scale))}")
    small = hostile.encoded(640, 320, "JPEG")
    print("\nms of a 640x320 JPEG: median, 99 %, next to")
    for name, make in ATTACKS.items():
        found = latencies(make(), small, seconds)
        print(f"{statistics.median(found):8.2f} {found[int(0.99 * len(found))]:8.2f}  {name}", flush=True)


if __name__ == "__main__":
    typer.run(main)
