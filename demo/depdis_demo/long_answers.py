"""Work of minutes that a page asks for: waiting, progress, the result, and an end at any moment."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import gradio as gr

from depdis_deploy.command import InputError, UsageError

from .limits import check_video, plain
from .room import Room
from .tasks import Task
from .turns import Busy, Ticket, Turns
from .visitors import UNWATCHED_S


class Work(Protocol):
    """What is watched; of Film and Adaptation."""

    cancelled: bool

    def start(self) -> None:
        """Begin; returns at once."""

    def done(self, wait_s: float) -> bool:
        """Wait at most so long; whether it has ended."""

    def progress(self) -> dict[str, Any]:
        """What a page shows of it."""

    def cancel(self) -> None:
        """Ask it to end; returns at once."""

    def end(self) -> None:
        """See that nothing is at work any more; waits. A second time does nothing."""


W = TypeVar("W", bound=Work)


class LongAnswers(ABC, Generic[W]):
    """One after the other for all visitors; the others see how many are before them.

    kind: of the work, as a visitor has one of each. busy: what one too many reads.
    """

    kind: ClassVar[str]
    busy: ClassVar[str]
    look_every_s: ClassVar[float]

    def __init__(self, room: Room, turns: Turns) -> None:
        self.room, self._turns = room, turns

    @abstractmethod
    def first(self) -> dict[str, Any]:
        """What the tab shows before anything was chosen."""

    @abstractmethod
    def source(self, asked: dict[str, Any], task: Task) -> Path:
        """The video to work on. InputError: there is none."""

    @abstractmethod
    def work(self, model: str, path: Path, asked: dict[str, Any], task: Task) -> W:
        """The work on it, not begun yet."""

    @abstractmethod
    def result(self, work: W) -> dict[str, Any]:
        """The answer when it has ended. InputError: it failed by what was brought."""

    def started(self, model: str, event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        """A video was brought: waiting, progress, then the result. The last choice wins."""
        asked = self.room.asked(event)
        task = self.room.task(self.kind, asked, request)
        with closing(self._answers(model, asked, task)) as answers:
            for answer in answers:
                if not task.stopped.is_set():
                    yield {**answer, "asked": asked.get("asked")}
        if task.stopped.is_set():
            yield gr.skip()  # else Gradio sends the last answer once more

    def stop(self, request: gr.Request) -> None:
        """Cancel."""
        self.room.visitors.of(request.session_hash).cancel(self.kind)

    def _answers(self, model: str, asked: dict[str, Any], task: Task) -> Generator[dict[str, Any], None, None]:
        name, path = str(asked.get("name") or "video"), Path(str(asked.get("path") or ""))
        end = task.end
        try:
            path = self.source(asked, task)
            check_video(path, self.room.limits)
            work = self.work(model, path, asked, task)
            ticket = self._turns.take()
            self.room.visitors.begun(work.end)
            end = partial(self._over, work, ticket, task)
            yield from self._watched(work, ticket, task)
        except Busy:
            yield self.answer("error", text=self.busy)
        except (InputError, UsageError, MemoryError) as error:
            yield self.answer("error", text=plain(error, path, name))
        except Exception:
            if not task.stopped.is_set():  # a page that was closed took the files away under the work
                yield self.answer("error", text=self.room.wrong())
        finally:
            # Gradio closes what was abandoned on its event loop, where nothing may wait.
            threading.Thread(target=end, name="over", daemon=True).start()

    def _watched(self, work: W, ticket: Ticket, task: Task) -> Iterator[dict[str, Any]]:
        def cancel() -> None:
            work.cancel()
            ticket.give_up()

        task.when_cancelled(cancel)
        while not work.cancelled and not ticket.wait(self.look_every_s):
            self._cancel_unwatched(task)
            yield self.answer("waiting", ahead=ticket.ahead())
        if work.cancelled:
            yield self.answer("empty")
            return
        work.start()
        while not work.done(self.look_every_s):
            self._cancel_unwatched(task)
            yield self.answer("working", stopping=work.cancelled, **work.progress())
        work.end()
        task.check()
        answer = self.result(work)
        task.keep()
        yield answer

    def _cancel_unwatched(self, task: Task) -> None:
        """Cancel work whose page is gone without having been closed, such as a client's that died."""
        if task.visitor.absent_s() > UNWATCHED_S:
            task.cancel()

    def answer(self, state: str, **fields: Any) -> dict[str, Any]:
        """An answer, which differs from all before."""
        return {"state": state, "serial": self.room.serial(), **fields}

    def _over(self, work: W, ticket: Ticket, task: Task) -> None:
        """Let the next one in when this one is at work no more."""
        try:
            work.end()
            task.end()
        finally:
            self.room.visitors.ended(work.end)
            ticket.leave()
