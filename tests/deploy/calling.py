"""`depdis-infer` called in this process, or as one of its own where signals and limits are at stake."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@dataclass
class Result:
    status: int
    err: str
    out: str = ""

    @property
    def errors(self) -> list[str]:
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


Call = Callable[..., Result]


def infer(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> Result:
    from depdis_deploy.cli import main

    monkeypatch.setattr("sys.argv", ["depdis-infer", *map(str, words)])
    capfd.readouterr()
    with pytest.raises(SystemExit) as end:
        main()
    captured = capfd.readouterr()
    assert captured.out == "" or "--stdout" in words
    return Result(int(end.value.code or 0), captured.err, captured.out)


def start_infer(*words: object, env: Mapping[str, str] | None = None, **options: Any) -> subprocess.Popen[str]:
    code = "from depdis_deploy.cli import main; main()"
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, words)], stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}, **options,
    )  # fmt: skip


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]
