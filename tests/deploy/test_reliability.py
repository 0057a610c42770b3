"""Short forms of `benchmarks/reliability.py`, without timings: long runs, kills, changed files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="counts what a process holds by /proc, and forks")


def part(name: str, *words: object, limit_s: float = 280) -> dict[str, Any]:
    """What the benchmark finds in a process of its own; it ends with 1 where it finds a fault."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "benchmarks/reliability.py"), "--part", name, *map(str, words)],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=limit_s,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)[name]
    return found


@LINUX
def test_a_long_run_leaves_no_thread_and_no_file_open(model: Path) -> None:
    found = part("frames", "--short", "--model", model)
    assert found["frames"] == found["in_the_video"] >= 600
    assert found["left"] == []
    assert found["most_threads"] > found["threads"][0]  # there were some to be left


@LINUX
@pytest.mark.long
@pytest.mark.timeout(1800)
def test_memory_is_flat_over_ten_thousand_frames(model: Path) -> None:
    found = part("frames", "--model", model, limit_s=1700)
    assert found["frames"] == found["in_the_video"] >= 10_000
    assert found["left"] == []
    assert min(found["memory_mb"]) > 20
    assert found["growth"] < 0.03


def check_kills(found: dict[str, Any], times: int) -> None:
    for name in ("SIGINT", "SIGTERM", "SIGKILL"):
        assert found[name]["runs"] == times
        assert found[name]["faults"] == []


def test_kills_at_random_times_leave_what_was_promised() -> None:
    check_kills(part("kills", "--short", "--seed", 1), 2)


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_twenty_kills_by_each_signal() -> None:
    found = part("kills", limit_s=1700)
    check_kills(found, 20)
    assert found["SIGKILL"]["with_a_part"] > 5  # the random times fell into the work


def check_kinds(found: dict[str, Any], inputs: int) -> None:
    kinds = {name: row for name, row in found.items() if isinstance(row, dict)}
    assert set(kinds) == {"pictures", "videos", "models", "manifests", "checkpoints", "lists", "requests"}
    assert found["inputs"] == sum(row["inputs"] for row in kinds.values()) >= inputs
    for name, row in kinds.items():
        assert row["faults"] == 0, row["found"]
        assert row["refused"] > 0, name
    assert kinds["pictures"]["accepted"] > 0
    assert kinds["videos"]["accepted"] > 0
    assert kinds["requests"]["accepted"] > 0


@LINUX
def test_changed_files_end_in_a_result_or_in_one_line() -> None:
    check_kinds(part("fuzz", "--short"), 100)


@LINUX
@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_thousand_changed_files() -> None:
    check_kinds(part("fuzz", limit_s=3500), 1990)
