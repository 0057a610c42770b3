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
from depdis_demo.limits import Limits
from depdis_demo.long_answers import LongAnswers
from depdis_demo.room import Room
from depdis_demo.tasks import Task
from depdis_demo.turns import Turns
from depdis_demo.visitors import UNWATCHED_S, Visitors
from depdis_deploy.sources import BUNDLED_CLIP

# Tells that it has begun, and ends after it is asked to, once it may.
SLOW_TO_END = """
import pathlib, signal, sys, time
folder = pathlib.Path(sys.argv[1])
def end(number, frame):
    while not (folder / "may end").exists():
        time.sleep(0.01)
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
(folder / sys.argv[2]).touch()
time.sleep(600)
"""


class SlowAnswers(LongAnswers[Adaptation]):
    """Adaptations whose command is a sleep."""

    kind, busy, look_every_s = "slow", "taken", 0.05

    def first(self) -> dict[str, Any]:
        return {}

    def __init__(self, room: Room, turns: Turns, marks: Path) -> None:
        super().__init__(room, turns)
        self.works: list[Adaptation] = []
        self.marks = marks

    def source(self, asked: dict[str, Any], task: Task) -> Path:
        return BUNDLED_CLIP

    def work(self, model: str, path: Path, asked: dict[str, Any], task: Task) -> Adaptation:
        work = Adaptation(path, task.folder, task.folder, (), threads=1)
        work._command = [sys.executable, "-c", SLOW_TO_END, str(self.marks), str(len(self.works))]
        self.works.append(work)
        return work

    def result(self, work: Adaptation) -> dict[str, Any]:
        return self.answer("empty" if work.cancelled else "result")


class Bench:
    """Answers, their turns, and runs begun for visitors by name."""

    def __init__(self, visitors: Visitors, marks: Path) -> None:
        self.visitors, self.turns, self._serials = visitors, Turns(1, 1), iter(range(10**6))
        room = SimpleNamespace(serial=lambda: next(self._serials), visitors=visitors, limits=Limits())
        self.answers = SlowAnswers(cast("Room", room), self.turns, marks)
        self.works, self._marks = self.answers.works, marks

    def run(self, name: str) -> Iterator[dict[str, Any]]:
        return self.answers._answers("", {}, self.visitors.of(name).task("slow"))

    def wait_for_begin(self, work: int) -> None:
        """Wait until a run's process handles signals."""
        wait_until((self._marks / str(work)).exists, "the process to begin")

    def let_end(self) -> None:
        """Let processes end that were asked to."""
        (self._marks / "may end").touch()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    visitors = Visitors()
    bench = Bench(visitors, tmp_path)
    yield bench
    bench.let_end()
    visitors.close()


def test_a_run_that_is_closed_waits_for_nothing_and_gives_up_its_turn_when_it_has_ended(bench: Bench) -> None:
    first, second = bench.run("one"), bench.run("other")
    assert next(first)["state"] == "working"
    bench.wait_for_begin(0)
    assert next(second) == {"state": "waiting", "serial": 1, "ahead": 1}
    process = bench.works[0]._process
    assert process is not None
    first.close()  # type: ignore[attr-defined]
    assert process.poll() is None  # it takes its time to end, and that was not waited for
    assert next(second)["state"] == "waiting"
    bench.let_end()
    assert next(answer for answer in second if answer["state"] != "waiting")["state"] == "working"
    assert process.poll() is not None
    folder = bench.visitors.of("other").folder
    bench.visitors.leave("other")
    assert not {"empty", "result"} & {answer["state"] for answer in second}  # nobody reads it
    wait_until(lambda: not bench.turns._row, "the turn to be given up")
    assert not folder.exists()


def test_a_newer_choice_takes_the_place_of_the_one_before(bench: Bench) -> None:
    first = bench.run("one")
    assert next(first)["state"] == "working"
    bench.wait_for_begin(0)
    newer = bench.run("one")
    assert next(newer)["state"] == "waiting"  # for the end of its own predecessor
    assert bench.works[0].cancelled
    assert {answer["state"] for answer in bench.run("other")} == {"error"}  # both places are taken
    last = bench.run("one")
    bench.let_end()
    assert not {"empty", "result"} & {answer["state"] for answer in first}
    assert "working" not in {answer["state"] for answer in newer}
    assert next(answer for answer in last if answer["state"] != "waiting")["state"] == "working"
    assert [work._process is None for work in bench.works] == [False, True, True, False]
    assert not bench.works[0].folder.exists()
    last.close()  # type: ignore[attr-defined]


def test_who_leaves_or_cancels_before_the_turn_comes_starts_nothing(bench: Bench) -> None:
    ticket = bench.turns.take()
    waiting = bench.run("one")
    assert next(waiting)["state"] == "waiting"
    # in the very wait in which the turn comes
    visitor = bench.visitors.of("one")
    threading.Timer(0.01, lambda: (visitor.cancel("slow"), ticket.leave())).start()
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
    bench.let_end()
    for name in ("one", "other"):
        bench.visitors.of(name).seen -= 2 * UNWATCHED_S
    assert [answer["state"] for answer in second][-1] == "empty"
    assert [answer["state"] for answer in first][-1] == "empty"
    assert [work.cancelled for work in bench.works] == [True, True]
    assert bench.works[1]._process is None


def test_the_server_s_end_waits_for_what_is_at_work(bench: Bench) -> None:
    left, waiting = bench.run("one"), bench.run("other")
    assert next(left)["state"] == "working"
    bench.wait_for_begin(0)
    assert next(waiting)["state"] == "waiting"
    process = bench.works[0]._process
    assert process is not None
    bench.visitors.leave("one")  # and is not waited for
    assert process.poll() is None
    threading.Timer(0.1, bench.let_end).start()
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
