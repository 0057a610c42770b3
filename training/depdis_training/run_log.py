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

from depdis_deploy.files import written_whole


def read_log(path: Path) -> list[dict[str, Any]]:
    """The entries of a `log.jsonl`; a last line that was cut off is left out."""
    if not path.exists():
        return []
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
        if line.endswith("\n"):
            entries.append(json.loads(line))
    return entries


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
