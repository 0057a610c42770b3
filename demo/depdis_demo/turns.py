"""Whose turn it is: so many at once, so many waiting, first come first served."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .tasks import Task

BUSY = "Many are using this demo just now. Try again in a moment."


class Busy(Exception):
    """So many are waiting already that one more is sent away."""


class Ticket:
    """A place in the row; `leave` gives it up, whether waiting or at work."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    def ahead(self) -> int:
        """How many have to finish first; 0 when it is this one's turn."""
        return self._turns.ahead(self)

    def wait(self, seconds: float) -> bool:
        """Wait for the turn, at most so long; whether it has come."""
        return self._turns.wait(self, seconds)

    def give_up(self) -> None:
        """Leave the row, unless the turn has come."""
        self._turns.give_up(self)

    def leave(self) -> None:
        """Let the next one in."""
        self._turns.leave(self)


class Turns:
    """running: how many work at once; waiting: how many may wait behind them."""

    def __init__(self, running: int, waiting: int) -> None:
        self.running, self.waiting = running, waiting
        self._row: list[Ticket] = []
        self._moved = threading.Condition()

    def take(self) -> Ticket:
        """A place at the end of the row. Busy: there is none."""
        with self._moved:
            if len(self._row) >= self.running + self.waiting:
                raise Busy
            ticket = Ticket(self)
            self._row.append(ticket)
            return ticket

    @contextmanager
    def turn(self, task: Task | None = None) -> Iterator[None]:
        """Within the block it is one's turn.

        Args:
            task: Waits no longer once it is stopped.

        Raises:
            Busy: There is no place in the row.
            Superseded: The task was stopped.
        """
        ticket = self.take()
        try:
            if task is not None:
                task.when_cancelled(ticket.give_up)
            while not ticket.wait(60.0):
                pass
            if task is not None:
                task.check()
            yield
        finally:
            ticket.leave()

    def ahead(self, ticket: Ticket) -> int:
        """How many have to finish before this ticket's turn."""
        with self._moved:
            return self._ahead(ticket)

    def wait(self, ticket: Ticket, seconds: float) -> bool:
        """Wait for a ticket's turn, at most so long; whether it has come."""
        with self._moved:
            return self._moved.wait_for(lambda: self._ahead(ticket) == 0, seconds)

    def give_up(self, ticket: Ticket) -> None:
        """Take a ticket out of the row, unless its turn has come."""
        with self._moved:
            if self._ahead(ticket):
                self._row.remove(ticket)
                self._moved.notify_all()

    def leave(self, ticket: Ticket) -> None:
        """Take a ticket out of the row; a second time does nothing."""
        with self._moved:
            if ticket in self._row:
                self._row.remove(ticket)
                self._moved.notify_all()

    def _ahead(self, ticket: Ticket) -> int:
        return max(0, self._row.index(ticket) - self.running + 1) if ticket in self._row else 0
