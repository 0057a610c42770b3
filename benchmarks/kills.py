"""A video run ended at random times by SIGINT, SIGTERM and SIGKILL, and what then lies in its folder.

What each format promises, once a run has begun to write:

- SIGINT, SIGTERM: `<stem>.mp4` is an ordinary MP4 that holds as many frames as the NDJSON file has lines,
  every line and every picture is whole, there is no part and no temporary file, and the exit status is 130 or
  143.
- SIGKILL: `<stem>.mp4` if it is there is whole; if not, `<stem>.part.mp4` plays, and lacks of the frames with a
  line at most those that the encoder held back (HELD_BACK). All lines but the last are whole, and so is every
  picture; hidden temporary files may stay.
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import av
import numpy as np

LONGEST_S = 240
HELD_BACK = 40  # frames: the encoder's look-ahead and its threads
SIGNALS = {"SIGINT": signal.SIGINT, "SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}
STATUSES = {"SIGINT": 130, "SIGTERM": 143}
_CODE = "from depdis_deploy.cli import main; main()"


@dataclass
class Found:
    """What a run left. lines, frames, pictures: whole ones of the NDJSON file, the video and the label maps."""

    status: int = 0
    begun: bool = False
    lines: int = 0
    frames: int = 0
    pictures: int = 0
    torn_line: bool = False
    part: bool = False
    hidden: int = 0
    faults: list[str] = field(default_factory=list)


def all_signals(times: int, seed: int) -> dict[str, Any]:
    """`killed_runs` of a clip of 600 frames with sound through the tests' small model."""
    from fuzz_seeds import clip_and_model

    with tempfile.TemporaryDirectory() as temporary:
        return killed_runs(*clip_and_model(Path(temporary), 600), times, seed)


def killed_runs(clip: Path, model: Path, times: int, seed: int) -> dict[str, Any]:
    """`times` runs for each signal, ended so that other load on the machine does not move where it falls.

    Of five, three are ended at a random place of the work, one while the video is being finished, and one at a
    random time from the start of the process on.
    """
    chance = random.Random(seed)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        begun = time.monotonic()
        run = Run(clip, model, place / "whole")
        run.until_lines(1)
        start_s = time.monotonic() - begun
        undisturbed = run.ended(None)
        assert not undisturbed.faults, undisturbed.faults
        for name in SIGNALS:
            found = []
            for number in range(times):
                run = Run(clip, model, place / f"{name}{number}")
                if number % 5 == 4:
                    run.wait(chance.uniform(0.0, 1.5 * start_s))
                else:
                    run.until_lines(
                        undisturbed.lines if number % 5 == 3 else chance.randrange(undisturbed.lines)
                    )
                    run.wait(chance.uniform(0.0, 0.05))
                found.append(run.ended(name))
            result[name] = _summary(found, undisturbed.frames)
    return result


def _summary(found: list[Found], expected: int) -> dict[str, Any]:
    behind = [one.lines - one.frames for one in found if one.part]
    return {
        "runs": len(found), "before_anything_was_written": sum(not one.begun for one in found),
        "after_the_end": sum(one.status == 0 for one in found),
        "with_a_part": sum(one.part for one in found), "frames": [one.frames for one in found], "of": expected,
        "frames_behind_lines": max(behind, default=0), "torn_last_lines": sum(one.torn_line for one in found),
        "hidden_files_left": sum(one.hidden for one in found),
        "faults": [fault for one in found for fault in one.faults],
    }  # fmt: skip


class Run:
    """`depdis-infer` on a clip, as a process of its own."""

    def __init__(self, clip: Path, model: Path, out: Path) -> None:
        words = [sys.executable, "-c", _CODE, clip, "--model", model, "--device", "cpu", "--outdir", out]
        words += ["--save", "video", "--save", "json", "--save", "labels"]
        self._stem, self._out = clip.stem, out
        self._process = subprocess.Popen(
            list(map(str, words)), stderr=subprocess.PIPE, text=True, preexec_fn=_take_sigint
        )

    def until_lines(self, count: int) -> None:
        """Until it has written so many lines of NDJSON, or has ended."""
        record = self._out / f"{self._stem}.ndjson"
        while self._process.poll() is None:
            if record.exists() and record.read_bytes().count(b"\n") >= count:
                return
            time.sleep(0.002)

    def wait(self, seconds: float) -> None:
        """For so long, or until it has ended. Its few lines do not fill the pipe."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(seconds)

    def ended(self, name: str | None) -> Found:
        """End it by the signal of that name (None: let it end), and look at what it left."""
        with self._process as process:
            if name is not None and process.poll() is None:
                process.send_signal(SIGNALS[name])
            try:
                err = process.communicate(timeout=LONGEST_S)[1]
            finally:
                process.kill()
        return looked_at(self._out, self._stem, name, process.returncode, err)


def _take_sigint() -> None:
    """A shell's background job ignores it, and would hand that down."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def looked_at(out: Path, stem: str, name: str | None, status: int, err: str) -> Found:
    """What lies in the folder, against what its formats promise."""
    found = Found(status, begun=any(out.glob("*")))
    video, part, record = out / f"{stem}.mp4", out / f"{stem}.part.mp4", out / f"{stem}.ndjson"
    found.hidden = sum(1 for path in out.rglob(".*") if path.is_file())
    found.part = part.exists() and not video.exists()
    if record.exists():
        _read_lines(record, found)
    for path in (video, part):
        if path.exists():
            found.frames = _frames(path, found)
            break
    _read_pictures(out, stem, found)
    gently = name in STATUSES
    if gently or status == 0:
        if found.hidden or part.exists():
            found.faults.append(
                f"left behind: {sorted(path.name for path in out.rglob('*') if _is_rest(path))}"
            )
        if found.frames != found.lines:
            found.faults.append(f"{found.frames} frames and {found.lines} lines")
        if found.torn_line:
            found.faults.append("the last line is torn")
    if found.lines - found.frames > HELD_BACK:
        found.faults.append(f"{found.frames} frames play, and there are {found.lines} lines")
    if found.pictures < found.lines:
        found.faults.append(f"{found.pictures} pictures for {found.lines} lines")
    faultless = {0} | ({STATUSES[name]} if gently and name else {-signal.SIGKILL})
    # Before anything is written it may be Python itself, starting, that the signal ends.
    if status not in faultless and found.begun:
        found.faults.append(f"exit status {status}")
    if "Traceback" in err and found.begun:
        found.faults.append(f"traceback: {err.strip().splitlines()[-1]}")
    return found


def _is_rest(path: Path) -> bool:
    return path.is_file() and (path.name.startswith(".") or path.name.endswith(".part.mp4"))


def _read_lines(record: Path, found: Found) -> None:
    *whole, last = record.read_bytes().split(b"\n")
    found.lines, found.torn_line = len(whole), bool(last)
    try:
        numbers = [json.loads(line)["frame"] for line in whole]
    except (ValueError, KeyError) as error:
        found.faults.append(f"a line that is none: {error}")
        return
    if numbers != list(range(len(numbers))):
        found.faults.append("lines are missing or not in order")


def _frames(path: Path, found: Found) -> int:
    """How many frames can be decoded; that the file says it is whole is not believed."""
    count = 0
    try:
        with av.open(str(path)) as container:
            for frame in container.decode(video=0):
                assert frame.to_ndarray(format="rgb24").size
                count += 1
    except (av.error.FFmpegError, ValueError) as error:
        found.faults.append(f"{path.name} does not play after frame {count}: {error}")
    return count


def _read_pictures(out: Path, stem: str, found: Found) -> None:
    from PIL import Image

    for path in sorted(out.glob(f"{stem}_labels/[!.]*.png")):
        try:
            with Image.open(path) as picture:
                assert np.asarray(picture).size
        except (OSError, SyntaxError) as error:
            found.faults.append(f"{path.name} is no whole picture: {error}")
        found.pictures += 1
