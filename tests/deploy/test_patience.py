from __future__ import annotations

import threading
import time

import pytest

from depdis_deploy import patience
from depdis_deploy.command import UsageError
from depdis_deploy.durations import parse_duration
from depdis_deploy.patience import Patience, Until


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90), ("45s", 45), ("10m", 600), ("1h30m", 5400), ("0.5", 0.5), ("1H", 3600), ("1m30", 90)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text, "--duration") == seconds


@pytest.mark.parametrize("text", ["", "0", "-5", "ten", "10x", "m", "5 m", "1e3", "inf", "nan"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(UsageError, match="--duration: expected a duration"):
        parse_duration(text, "--duration")


def test_pauses_grow_and_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    paused: list[float] = []
    clock = [100.0]

    def sleep(seconds: float) -> None:
        paused.append(seconds)
        clock[0] += seconds

    monkeypatch.setattr(patience.time, "sleep", sleep)
    monkeypatch.setattr(patience.time, "monotonic", lambda: clock[0])
    times = []
    attempts = Patience().attempts(lost_s=100.0)
    for _ in range(9):
        next(attempts)
        times.append(clock[0])
    waits = [after - before for before, after in zip([100.0, *times], times, strict=False)]
    assert waits == pytest.approx([0.5, 1, 2, 4, 8, 16, 30, 30, 30])
    # none is longer than a signal may go unnoticed
    assert max(paused) <= 0.1 + 1e-9
    begun = clock[0]
    assert len(list(Patience(retry_s=10.0).attempts(lost_s=begun))) == 4
    assert clock[0] == pytest.approx(begun + 10)


def test_no_attempt_once_it_is_over() -> None:
    over = threading.Event()
    over.set()
    assert list(Patience(over=over).attempts(time.monotonic())) == []
    assert list(Patience(retry_s=0.0).attempts(time.monotonic())) == []


def test_a_flag_with_a_time() -> None:
    stopped = threading.Event()
    assert not Until(stopped).is_set()
    assert not Until(stopped, 1000).is_set()
    assert Until(stopped, 0).is_set()
    stopped.set()
    assert Until(stopped, 1000).is_set()
