"""Long work that is left, stopped and waited for at any moment, by a real adaptation's process and turns."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from browsing import wait_until

from depdis_demo.adaptation import Adaptation
from depdis_demo.long_answers import LongAnswers
from depdis_demo.room import Room
from depdis_demo.turns import Turns
from depdis_demo.visitors import UNWATCHED_S, Visitor, Visitors

# Says that it has begun, and takes its time to end when it is asked to.
SLOW_TO_END = """
import pathlib, signal, sys, time
def end(number, frame):
    time.sleep(3)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
pathlib.Path(sys.argv[1]).touch()
time.sleep(600)
"""


class SlowAnswers(LongAnswers[Adaptation]):
    """Adaptations whose command is a sleep."""

    kind, busy, look_every_s = "slow", "taken", 0.05

    def first(self) -> dict[str, Any]:
        return {}

    def source(self, asked: dict[str, Any], visitor: Visitor) -> Path:
        return visitor.fresh("slow") / "clip.mp4"

    def work(self, model: str, path: Path, asked: dict[str, Any], visitor: Visitor) -> Adaptation:
        work = Adaptation(path, path.parent, path.parent, (), threads=1)
        work._command = [sys.executable, "-c", SLOW_TO_END, str(path.parent / "begun")]
        return work

    def result(self, work: Adaptation) -> dict[str, Any]:
        return self.answer("empty" if work.cancelled else "result")


class Bench:
    """Answers, their turns, and runs begun for visitors by name."""

    def __init__(self, visitors: Visitors) -> None:
        self.visitors, self.turns, self._serials = visitors, Turns(1, 1), iter(range(10**6))
        room = SimpleNamespace(serial=lambda: next(self._serials), visitors=visitors)
        self.answers = SlowAnswers(cast("Room", room), self.turns)
        self.works: list[Adaptation] = []

    def run(self, name: str) -> Iterator[dict[str, Any]]:
        visitor = self.visitors.of(name)
        work = self.answers.work("", self.answers.source({}, visitor), {}, visitor)
        self.works.append(work)
        return self.answers._watched(work, visitor)


@pytest.fixture
def bench() -> Iterator[Bench]:
    visitors = Visitors()
    yield Bench(visitors)
    visitors.close()


def test_a_run_that_is_closed_waits_for_nothing_and_gives_up_its_turn_when_it_has_ended(bench: Bench) -> None:
    first, second = bench.run("one"), bench.run("other")
    assert next(first)["state"] == "working"
    begun = bench.works[0].run.parent / "begun"
    wait_until(begun.exists, "the process to begin")
    assert next(second) == {"state": "waiting", "serial": 1, "ahead": 1}
    process = bench.works[0]._process
    assert process is not None
    first.close()  # type: ignore[attr-defined]
    assert process.poll() is None  # it takes its time to end, and that was not waited for
    assert next(second)["state"] == "waiting"
    assert next(answer for answer in second if answer["state"] != "waiting")["state"] == "working"
    assert process.poll() is not None
    folder = bench.visitors.of("other").folder
    bench.visitors.leave("other")
    assert [answer["state"] for answer in second][-1] == "empty"
    wait_until(lambda: not bench.turns._row, "the turn to be given up")
    assert not folder.exists()


def test_who_leaves_or_cancels_before_the_turn_comes_starts_nothing(bench: Bench) -> None:
    ticket = bench.turns.take()
    waiting = bench.run("one")
    assert next(waiting)["state"] == "waiting"
    # in the very wait in which the turn comes
    cancel = bench.visitors.of("one").cancel["slow"]
    threading.Timer(0.01, lambda: (cancel(), ticket.leave())).start()
    answers = list(waiting)
    assert answers[-1]["state"] == "empty"
    assert "working" not in [answer["state"] for answer in answers]
    gone = bench.run("two")  # it has its folder, and leaves before it can be cancelled
    bench.visitors.leave("two")
    assert [answer["state"] for answer in gone] == ["empty"]
    assert [work._process for work in bench.works] == [None, None]


def test_work_is_cancelled_when_its_page_is_gone_without_being_closed(bench: Bench) -> None:
    first, second = bench.run("one"), bench.run("other")
    with bench.visitors.present("one"):
        bench.visitors.of("one").seen -= 2 * UNWATCHED_S
        assert next(first)["state"] == "working"
        assert next(second)["state"] == "waiting"
        assert next(first)["state"] == "working"
        assert not bench.works[0].cancelled
    for name in ("one", "other"):
        bench.visitors.of(name).seen -= 2 * UNWATCHED_S
    assert [answer["state"] for answer in second][-1] == "empty"
    assert [answer["state"] for answer in first][-1] == "empty"
    assert [work.cancelled for work in bench.works] == [True, True]
    assert bench.works[1]._process is None


def test_the_server_s_end_waits_for_what_is_at_work(bench: Bench) -> None:
    left, waiting = bench.run("one"), bench.run("other")
    assert next(left)["state"] == "working"
    wait_until((bench.works[0].run.parent / "begun").exists, "the process to begin")
    assert next(waiting)["state"] == "waiting"
    process = bench.works[0]._process
    assert process is not None
    bench.visitors.leave("one")  # and is not waited for
    assert process.poll() is None
    bench.visitors.close()
    assert process.poll() is not None
    assert bench.works[1]._process is None
    assert not bench.visitors.root.exists()
    assert [answer["state"] for answer in waiting][-1] == "empty"
    left.close()  # type: ignore[attr-defined]
    wait_until(lambda: not bench.turns._row, "all turns to be given up")
    assert not bench.visitors.root.exists()


def test_a_cancel_while_the_process_is_being_made_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = Adaptation(tmp_path / "clip.mp4", tmp_path, tmp_path, (), threads=1)
    work._command = [sys.executable, "-c", "import time; time.sleep(600)"]
    thread = threading.Thread(target=work.start)
    heard = threading.Thread.start

    def late(one: threading.Thread) -> None:
        if one.name == "adaptation":  # the process is there, and start() not over
            work.cancel()
        heard(one)

    monkeypatch.setattr(threading.Thread, "start", late)
    heard(thread)
    thread.join(60)
    end = time.monotonic() + 60
    while not work.done(1):
        assert time.monotonic() < end
    work.end()
