"""Listening, and shutting down within a time limit."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

import numpy as np
import uvicorn

from depdis_deploy.listening import listen, url_of
from depdis_deploy.predictor import Predictor

from .app import application
from .connection import AcceptingServer, config_values, connection_limit
from .logs import log, log_last, set_up
from .service import Service
from .settings import Settings

_CLOSING_S = 0.5  # for error responses to reach their clients when the time to drain is over
_OVERTIME_S = 1.0  # after the time to drain, until the process ends whatever it does


def serve(predictor: Predictor, settings: Settings, *, log_level: str = "info") -> int:
    """Serve until SIGTERM, SIGINT or SIGHUP, and return the exit status.

    The process ends here, without returning, where a worker is still busy.

    Returns:
        0 if all requests in progress were answered, 1 if time ran out.

    Raises:
        InputError: The address cannot be listened on.
        KeyboardInterrupt: After SIGINT.
    """
    listening = listen(settings.host, settings.port)
    _warm_up(predictor)
    set_up(log_level)
    service = Service(predictor, settings)
    service.decoder.start()
    config = uvicorn.Config(application(service), **config_values(settings.timeout_s))
    server = _Server(config, service, connection_limit(settings.connections))
    server.run(sockets=[listening])
    service.close()
    log("ended", unanswered=server.unanswered)
    if service.workers.taken:  # the interpreter would wait for their threads
        os._exit(server.status)
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_REAL, 0)
    if server.interrupted:
        raise KeyboardInterrupt
    return server.status


def _warm_up(predictor: Predictor) -> None:
    """Predict once: the first call is the slowest, and a model that cannot run fails here."""
    rule = predictor.manifest.resize
    predictor(np.zeros((rule.height, rule.width, 3), np.uint8))


class _Server(AcceptingServer):
    """Server whose shutdown ends in time.

    unanswered: requests for which time ran out; interrupted: the first signal was SIGINT.
    """

    def __init__(self, config: uvicorn.Config, service: Service, connections: int) -> None:
        super().__init__(config, connections, service.settings.timeout_s)
        self._service = service
        self._until = math.inf
        self.unanswered = 0
        self.interrupted = False

    @property
    def status(self) -> int:
        """Exit status of the process."""
        if self.interrupted:
            return 130
        return 1 if self.unanswered else 0

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals until the process ends."""
        handled = [signal.SIGINT, signal.SIGTERM]
        # nohup starts a process with SIGHUP ignored
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
            handled.append(signal.SIGHUP)
        for number in handled:
            signal.signal(number, self.handle_exit)
        if hasattr(signal, "SIGALRM"):
            signal.signal(signal.SIGALRM, self._end_now)
        yield
        for number in handled:
            # a handler of ours would give way to death by the signal while the interpreter ends
            signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Start to drain at the first signal; end at once at a further SIGINT or SIGTERM."""
        if self._service.draining:
            if sig in (signal.SIGINT, signal.SIGTERM):  # a terminal that closes may send SIGHUP twice
                self._end_now(sig, frame)
            return
        self.interrupted = sig == signal.SIGINT
        drain_s = self._service.settings.drain_s
        self._until = time.monotonic() + drain_s
        self._service.draining = True
        if hasattr(signal, "setitimer"):
            # A signal also interrupts what would block the event loop, such as a log that nobody reads.
            signal.setitimer(signal.ITIMER_REAL, drain_s + _OVERTIME_S)

    def _end_now(self, sig: int, frame: FrameType | None) -> NoReturn:
        self.unanswered = max(self.unanswered, self._service.under_way)
        log_last("ended", unanswered=self.unanswered)
        os._exit(self.status)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept connections, and log the address."""
        assert sockets is not None
        await super().startup(sockets)
        settings = self._service.settings
        log(
            "listening",
            url=url_of(sockets[0]),
            model=self._service.predictor.choice,
            workers=settings.workers,
            queue=settings.queue,
            connections=self.limit,
        )

    async def on_tick(self, counter: int) -> bool:
        """Return, ten times a second, whether to shut down."""
        late = time.monotonic() >= self._until
        if self._service.draining and (late or self._service.under_way == 0):
            self.unanswered = self._service.under_way
            self.should_exit = True
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections: idle ones at once, the others with an error response."""
        self.stop_accepting()
        for listening in sockets or ():
            listening.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        if self.unanswered:
            for task in list(state.tasks):
                task.cancel()
        # responses may still be on their way to slow clients
        until = max(self._until, time.monotonic() + _CLOSING_S)
        while (state.connections or state.tasks) and time.monotonic() < until:
            await asyncio.sleep(0.02)
        for connection in list(state.connections):
            connection.transport.abort()
