"""Work of minutes that a page asks for: waiting, progress, the result, and an end at any moment."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import gradio as gr

from depdis_deploy.command import InputError, UsageError

from .limits import check_video, plain
from .room import Room
from .turns import Busy, Ticket, Turns
from .visitors import UNWATCHED_S, Visitor


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
    def source(self, asked: dict[str, Any], visitor: Visitor) -> Path:
        """The video to work on. InputError: there is none."""

    @abstractmethod
    def work(self, model: str, path: Path, asked: dict[str, Any], visitor: Visitor) -> W:
        """The work on it, not begun yet."""

    @abstractmethod
    def result(self, work: W) -> dict[str, Any]:
        """The answer when it has ended. InputError: it failed by what was brought."""

    def started(self, model: str, event: gr.EventData, request: gr.Request) -> Iterator[dict[str, Any]]:
        """A video was brought: waiting, progress, then the result."""
        asked = self.room.asked(event)
        visitor, name = self.room.visitor(request), str(asked.get("name") or "video")
        path = Path(str(asked.get("path") or ""))
        try:
            path = self.source(asked, visitor)
            check_video(path, self.room.limits)
            yield from self._watched(self.work(model, path, asked, visitor), visitor)
        except Busy:
            yield self.answer("error", text=self.busy)
        except (InputError, UsageError, MemoryError) as error:
            yield self.answer("error", text=plain(error, path, name))
        except Exception:
            if not visitor.gone.is_set():  # whose files were deleted under the work
                yield self.answer("error", text=self.room.wrong())

    def stop(self, request: gr.Request) -> None:
        """Cancel."""
        cancel = self.room.visitor(request).cancel.get(self.kind)
        if cancel is not None:
            cancel()

    def _watched(self, work: W, visitor: Visitor) -> Iterator[dict[str, Any]]:
        ticket = self._turns.take()
        visitor.cancel[self.kind] = work.cancel
        self.room.visitors.begun(work.end)
        try:
            if visitor.gone.is_set():  # left before it could be cancelled
                work.cancel()
            while not work.cancelled and not ticket.wait(self.look_every_s):
                self._cancel_unwatched(work, visitor)
                yield self.answer("waiting", ahead=ticket.ahead())
            if work.cancelled:
                yield self.answer("empty")
                return
            work.start()
            while not work.done(self.look_every_s):
                self._cancel_unwatched(work, visitor)
                yield self.answer("working", stopping=work.cancelled, **work.progress())
            work.end()
            yield self.answer("empty") if visitor.gone.is_set() else self.result(work)
        finally:
            # Gradio closes what was abandoned on its event loop, where nothing may wait.
            visitor.cancel.pop(self.kind, None)
            threading.Thread(target=self._over, args=(work, visitor, ticket), name="over", daemon=True).start()

    def _cancel_unwatched(self, work: W, visitor: Visitor) -> None:
        """Cancel work whose page is gone without having been closed, such as a client's that died."""
        if not work.cancelled and visitor.absent_s() > UNWATCHED_S:
            work.cancel()

    def answer(self, state: str, **fields: Any) -> dict[str, Any]:
        """An answer, which differs from all before."""
        return {"state": state, "serial": self.room.serial(), **fields}

    def _over(self, work: W, visitor: Visitor, ticket: Ticket) -> None:
        """Let the next one in when this one is at work no more."""
        try:
            work.end()
            if visitor.gone.is_set():
                visitor.leave()  # again, for what was written meanwhile
        finally:
            self.room.visitors.ended(work.end)
            ticket.leave()
