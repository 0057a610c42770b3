"""One row's session: made ready, compared and timed."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.backends import Session, open_session
from depdis_deploy.command import InputError

from .accuracy import Agreement, Outputs, network_inputs
from .candidates import Candidate, ModelFile
from .video import VideoSpeed

# Engines compile and choose their ways in the first calls.
WARM_UP = 3
FEWEST_RUNS, MOST_RUNS = 5, 200
# The rows take turns, so that what else the machine does in the meantime meets all of them alike.
ROUNDS = 5
OK, FAILED, ABSENT, NOT_REACHED = "ok", "failed", "absent", "not reached"


@dataclass
class Row:
    """What is known of a candidate. status: ok, failed (see reason), absent or not reached.

    engine: what really runs it, and on which GPU; the one asked for until it is loaded.
    milliseconds, cpu_milliseconds: of each timed call, for one picture. gate: what the export found of this
    engine: held, missed or unknown.
    """

    candidate: Candidate
    status: str = NOT_REACHED
    reason: str = ""
    engine: str = ""
    load_s: float | None = None
    batch: int = 1
    size: tuple[int, int] | None = None
    agreement: Agreement | None = None
    milliseconds: list[float] = field(default_factory=list)
    cpu_milliseconds: list[float] = field(default_factory=list)
    video: VideoSpeed | None = None

    def __post_init__(self) -> None:
        self.engine = self.engine or self.candidate.where

    @property
    def ms(self) -> float | None:
        """Median milliseconds a picture; None before the first call."""
        return statistics.median(self.milliseconds) if self.milliseconds else None

    @property
    def gate(self) -> str:
        """Whether the export measured this engine and precision within its bounds."""
        file = self.candidate.file
        if file is None or not file.manifest.parity or self.candidate.device != "cpu":
            return "unknown"
        name = f"{self.candidate.engine} {self.candidate.asked}".removesuffix(" auto")
        own = "openvino" if file.path.suffix.lower() == ".xml" else "onnxruntime"
        if name == own:
            return "held"  # or there would be no file
        record = file.manifest.parity.get("engines", {}).get(name)
        return "unknown" if record is None else ("held" if record["held"] else "missed")


class Running:
    """A row's session with its inputs. InputError: it cannot be had, or not for such inputs."""

    def __init__(
        self, row: Row, images: Sequence[NDArray[np.uint8]], size: tuple[int, int] | None, batch: int | None,
        threads: int | None,
    ) -> None:  # fmt: skip
        file = row.candidate.file
        assert file is not None
        self.row = row
        begun = time.perf_counter()
        self._session = open_session(
            file.path, row.candidate.device, threads, engine=row.candidate.engine, precision=row.candidate.asked
        )
        row.load_s = time.perf_counter() - begun
        gpu = f" GPU {self._session.device}" if self._session.device.isdecimal() else ""
        row.engine = self._session.engine + gpu
        row.size, row.batch = _shape(self._session, file, size, batch)
        self.inputs = batches(network_inputs(images, file.manifest.resize, row.size), row.batch)
        self._next = 0

    def outputs(self) -> list[Outputs]:
        """Of each of the inputs."""
        return [self._session.run(frames) for frames in self.inputs]

    def warm_up(self) -> float:
        """Seconds of the last of some calls whose times do not count."""
        for _ in range(WARM_UP):
            seconds = self._call()[0]
        return seconds

    def time(self, runs: int) -> Iterator[None]:
        """Add `runs` calls to the row, after one that finds the processor's caches full of another row."""
        self._call()
        for _ in range(runs):
            wall, cpu = self._call()
            self.row.milliseconds.append(1000 * wall / self.row.batch)
            self.row.cpu_milliseconds.append(1000 * cpu / self.row.batch)
            yield

    def _call(self) -> tuple[float, float]:
        frames = self.inputs[self._next % len(self.inputs)]
        self._next += 1
        begun, begun_cpu = time.perf_counter(), time.process_time()
        self._session.run(frames)
        return time.perf_counter() - begun, time.process_time() - begun_cpu


def runs_for(seconds: float, one_call_s: float) -> int:
    """How many calls fit into the time given, in whole rounds."""
    fit = max(FEWEST_RUNS, min(MOST_RUNS, seconds / max(one_call_s, 1e-6)))
    return math.ceil(int(fit) / ROUNDS) * ROUNDS


def batches(inputs: Sequence[NDArray[np.uint8]], batch: int) -> list[NDArray[np.uint8]]:
    """Inputs in full batches; the last is filled up from the first ones."""
    filled = [inputs[index % len(inputs)] for index in range(math.ceil(len(inputs) / batch) * batch)]
    return [np.ascontiguousarray(np.stack(filled[at : at + batch])) for at in range(0, len(filled), batch)]


def _shape(
    session: Session, file: ModelFile, size: tuple[int, int] | None, batch: int | None
) -> tuple[tuple[int, int], int]:
    """((width, height), batch) that the model is given; InputError where its own is another one."""
    rule = file.manifest.resize
    width, height = size or (rule.width, rule.height)
    wanted: tuple[Any, ...] = (batch or session.input_shape[0] or 1, height, width)
    for own, asked in zip(session.input_shape, wanted, strict=False):
        if own is not None and own != asked:
            shape = "x".join(
                str(side) if side else "any" for side in (session.input_shape[i] for i in (0, 2, 1))
            )
            raise InputError(f"its input is {shape} (batch x width x height): export it with another --imgsz")
    if file.manifest.dynamic and (width % rule.multiple or height % rule.multiple):
        raise InputError(f"its input has sides in multiples of {rule.multiple}, got {width}x{height}")
    return (width, height), wanted[0]
