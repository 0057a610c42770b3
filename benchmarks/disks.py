"""Disks that are full, cannot be written to, or vanish midway: what is said, and what of the results stays.

As root on Linux: it mounts small file systems of its own. The one that vanishes is ext4 on a loop device that
is shut down in mid-run, after which each call on it fails with an I/O error, and which is then mounted again.
"""

from __future__ import annotations

import fcntl
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cameras import all_cameras
from fuzz_seeds import clip_and_model, scene
from kills import Found, looked_at
from power_cut import record_and_cut, what_is_left

_CODE = "from depdis_deploy.cli import main; main()"
_SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): EXT4_IOC_SHUTDOWN
_SYNCED, _AS_IT_IS = 0, 2  # what was written before is on the disk; what lay in memory is lost
LIMIT_S = 120.0


def all_disks(seed: int) -> dict[str, Any]:
    """Each case's own figures, and how many faults there are in all."""
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        clip, model = clip_and_model(place, 600)
        result: dict[str, Any] = {}
        for name, case in _CASES.items():
            (place / name).mkdir()
            result[name] = case(place / name, clip, model)
        result |= all_cameras(place, model, seed)
    return result


def called(out: Path, model: Path, *words: object, midway: Callable[[], None] | None = None) -> tuple[int, str]:
    """(exit status, stderr) of `depdis-infer`; `midway` is called once there are some lines of NDJSON."""
    arguments = [sys.executable, "-c", _CODE, "--model", model, "--device", "cpu", "--outdir", out, "--quiet"]
    with subprocess.Popen(
        [*map(str, arguments), *map(str, words)], stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            if midway is not None:
                _wait_for_lines(process, out, 60)
                midway()
            err = process.communicate(timeout=LIMIT_S)[1]
        finally:
            process.kill()
    return process.returncode, err


def _wait_for_lines(process: subprocess.Popen[str], out: Path, count: int) -> None:
    until = time.monotonic() + LIMIT_S
    while process.poll() is None and time.monotonic() < until:
        if any(path.read_bytes().count(b"\n") >= count for path in out.glob("*.ndjson")):
            return
        time.sleep(0.01)
    raise RuntimeError("the run did not come that far")


def said_wrong(status: int, err: str) -> list[str]:
    """What is wrong with how a failed run ended: it says one line that begins with `error: `, and status 1."""
    found = [] if status == 1 else [f"exit status {status}"]
    if err.count("\n") != 1 or not err.startswith("error: "):
        found.append(f"said: {err[:500]}")
    return found


def _row(out: Path, clip: Path, status: int, err: str) -> dict[str, Any]:
    """The figures of a video run that failed. Its frames and lines need not be as many: either may not fit."""
    found = looked_at(out, clip.stem, "SIGKILL", -signal.SIGKILL, err) if out.exists() else Found()
    faults = [fault for fault in found.faults if "pictures for" not in fault]
    if found.torn_line:
        faults.append("the last line is torn")
    said = err.strip().replace(str(out), "OUT")
    return {
        "said": said, "frames": found.frames, "lines": found.lines, "faults": faults + said_wrong(status, err)
    }  # fmt: skip


@contextmanager
def mounted(point: Path, *words: object) -> Iterator[None]:
    """`mount` with these words, and taken off again at the end, whatever holds it."""
    point.mkdir(exist_ok=True)
    subprocess.run(["mount", *map(str, words), str(point)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(point)], check=True)


def _full(kib: int) -> Callable[[Path, Path, Path], dict[str, Any]]:
    def case(place: Path, clip: Path, model: Path) -> dict[str, Any]:
        disk = place / "disk"
        with mounted(disk, "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs"):
            status, err = called(disk / "out", model, clip)
            return _row(disk / "out", clip, status, err)

    return case


def _full_of_pictures(place: Path, clip: Path, model: Path) -> dict[str, Any]:
    (place / "in").mkdir()
    for number in range(40):
        scene((320, 240)).save(place / "in" / f"{number:02d}.png")
    disk = place / "disk"
    with mounted(disk, "-t", "tmpfs", "-o", "size=200k", "tmpfs"):
        status, err = called(disk / "out", model, place / "in", "--save", "overlay", "--save", "json")
        whole = [path for path in (disk / "out").iterdir() if path.suffix == ".png"]
        faults = [f"torn: {path.name}" for path in whole if not path.read_bytes().endswith(b"IEND\xaeB`\x82")]
        text = (disk / "out" / "in.ndjson").read_text() if whole else ""
    if text and not text.endswith("}\n"):
        faults.append("the last line is torn")
    said = err.strip().replace(str(disk / "out"), "OUT")
    return {
        "said": said, "pictures": len(whole), "lines": text.count("\n"),
        "faults": faults + said_wrong(status, err),
    }  # fmt: skip


def _read_only(place: Path, clip: Path, model: Path) -> dict[str, Any]:
    disk = place / "disk"
    with mounted(disk, "-t", "tmpfs", "-o", "ro", "tmpfs"):
        status, err = called(disk / "out", model, clip)
    return {"said": err.strip().replace(str(disk), "DISK"), "faults": said_wrong(status, err)}


def _vanishing(how: int) -> Callable[[Path, Path, Path], dict[str, Any]]:
    def case(place: Path, clip: Path, model: Path) -> dict[str, Any]:
        image, disk = place / "image", place / "disk"
        with ext4(image, disk):
            status, err = called(disk / "out", model, clip, midway=lambda: shut_down(disk, how))
        with ext4(image, disk):
            return _row(disk / "out", clip, status, err)

    return case


def _power_cut(place: Path, clip: Path, model: Path) -> dict[str, Any]:
    """What a disk's own cache loses when power fails is not in this."""
    image, disk = place / "image", place / "disk"
    with ext4(image, disk):
        status, err, growing, lines = record_and_cut(disk / "out", model, lambda: shut_down(disk, _AS_IT_IS), 0)
    with ext4(image, disk):
        row = what_is_left(disk / "out", growing, lines)
    row["said"] = err.strip().replace(str(disk / "out"), "OUT").replace(growing, "SEGMENT")
    row["faults"] += said_wrong(status, err)
    return row


def shut_down(disk: Path, how: int) -> None:
    """Have each call on the mounted ext4 fail from now on."""
    number = os.open(disk, os.O_RDONLY)
    fcntl.ioctl(number, _SHUTDOWN, struct.pack("I", how))
    os.close(number)


@contextmanager
def ext4(image: Path, disk: Path) -> Iterator[None]:
    """The file `image` as a disk, made if it is not there."""
    if not image.exists():
        image.touch()
        os.truncate(image, 64 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(image)], check=True)
    with mounted(disk, "-o", "loop", image):
        yield
    _until_free(image)


def _until_free(image: Path) -> None:
    """The loop device lets go of its file a little after it is unmounted."""
    until = time.monotonic() + 30
    while subprocess.run(["losetup", "-j", str(image)], capture_output=True).stdout:
        assert time.monotonic() < until, "the loop device is still held"
        time.sleep(0.1)


_CASES: dict[str, Callable[[Path, Path, Path], dict[str, Any]]] = {
    "full": _full(120), "full_at_the_end": _full(420), "full_of_pictures": _full_of_pictures,
    "read_only": _read_only, "vanishes_after_a_sync": _vanishing(_SYNCED), "vanishes": _vanishing(_AS_IT_IS),
    "power_cut_in_a_recording": _power_cut,
}  # fmt: skip
