"""What a run writes while it trains: one JSON line an entry, and the same for TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.json_files import parse_json, read_text, shown

LARGEST_LOG = 512 << 20  # bytes; an entry of a long training has some 500


def read_log(path: Path) -> list[dict[str, Any]]:
    """Return the entries of a `log.jsonl`, each with its `step`; a last line that was cut off is left out.

    Raises:
        InputError: A line is not an entry; the message names file and line.
    """
    if not path.exists():
        return []
    whole = read_text(path, LARGEST_LOG).rpartition("\n")[0]
    return [_entry(path, number, line) for number, line in enumerate(whole.split("\n"), 1) if line]


def _entry(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        entry = parse_json(line, dict)
        if type(entry.get("step")) is not int:
            raise ValueError(f"expected an integer step, got {shown(entry.get('step'))}")
    except ValueError as error:
        raise InputError(f"{path}: line {number}: {error}; remove the line") from None
    return entry


class RunLog:
    """`log.jsonl` and TensorBoard's event files in a folder, cut back to `step` when a run goes on.

    writes: False for all but one of several processes.
    """

    def __init__(self, folder: Path, step: int, *, writes: bool = True) -> None:
        self.writes = writes
        if not writes:
            return
        from torch.utils.tensorboard import SummaryWriter

        path = folder / "log.jsonl"
        kept = [entry for entry in read_log(path) if entry["step"] <= step]
        with written_whole(path) as temporary:
            temporary.write_text("".join(json.dumps(entry) + "\n" for entry in kept), encoding="utf-8")
        self.lines = path.open("a", encoding="utf-8")
        self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)

    def values(self, step: int, values: Mapping[str, float], kind: str) -> None:
        """Named figures at a step; `kind` is `train` or `validation`."""
        if not self.writes:
            return
        plain = {name: value if math.isfinite(value) else None for name, value in values.items()}
        self.lines.write(json.dumps({"step": step, "kind": kind, **plain}) + "\n")
        self.lines.flush()
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name.strip()}", value, step)
        self.board.flush()

    def picture(self, step: int, name: str, image: NDArray[np.uint8]) -> None:
        """A (H, W, 3) RGB picture at a step."""
        self.board.add_image(name, image, step, dataformats="HWC")
        self.board.flush()

    def __enter__(self) -> RunLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.writes:
            self.lines.close()
            self.board.close()
