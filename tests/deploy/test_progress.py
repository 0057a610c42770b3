from __future__ import annotations

import sys

import pytest

from depdis_deploy.progress import Progress, duration, say


def test_durations_read_as_a_clock() -> None:
    assert [duration(seconds) for seconds in (12.4, 59.6, 187, 7500)] == ["12 s", "1:00", "3:07", "2:05:00"]


def test_a_total_that_proves_too_small_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    progress = Progress("a.ts", 1, unit="frames")
    progress.advance()
    progress.advance()
    progress.close()
    assert capsys.readouterr().err.startswith("a.ts: 2 frames, ")


def test_what_is_said_on_a_terminal_takes_the_place_of_the_progress_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    progress = Progress("pictures", 2)
    progress.every_s = 0.0
    progress.advance()
    say("error: b.png")
    progress.advance()
    progress.close()
    # what a terminal shows: of each line, what follows the last erasure
    shown = [line.rpartition("\r\x1b[K")[2] for line in capsys.readouterr().err.split("\n")]
    assert shown[0] == "error: b.png"
    assert shown[1].startswith("pictures: 2/2, ")
    assert shown[2:] == [""]
