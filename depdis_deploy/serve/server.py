"""Listening, and ending well."""

from __future__ import annotations

import math
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import numpy as np
import uvicorn

from depdis_deploy.command import InputError
from depdis_deploy.predictor import Predictor

from .app import application
from .connection import config_values
from .logs import log, set_up
from .service import Service
from .settings import Settings


def serve(predictor: Predictor, settings: Settings, *, log_level: str = "info") -> int:
    """Serve until SIGTERM or SIGINT; 0 where all requests under way were answered, 1 where time ran out.

    InputError: the address cannot be listened on. KeyboardInterrupt: SIGINT came, and requests were answered.
    """
    listening = listen(settings.host, settings.port)
    _warm_up(predictor)
    set_up(log_level)
    service = Service(predictor, settings)
    service.decoder.start()
    values = config_values(settings.connections, settings.timeout_s)
    server = _Server(uvicorn.Config(application(service), **values), service)
    host, port = listening.getsockname()[:2]
    shown = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    log("listening", url=shown, model=predictor.choice, workers=settings.workers, queue=settings.queue)
    server.run(sockets=[listening])
    service.close()
    log("ended", unanswered=server.unanswered)
    if server.interrupted:
        raise KeyboardInterrupt
    return 1 if server.unanswered else 0


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0: on any free one. InputError: the address cannot be listened on."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        # create_server's own strerror repeats the address
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else str(error)
        raise InputError(
            f"{host}:{port} cannot be listened on ({reason}); choose another --port or --host"
        ) from None


def _warm_up(predictor: Predictor) -> None:
    """The first call takes longer than all others, and a model that cannot run is to be found out now."""
    rule = predictor.manifest.resize
    predictor(np.zeros((rule.height, rule.width, 3), np.uint8))


class _Server(uvicorn.Server):
    """uvicorn's; a signal first lets it answer what is under way, while it refuses new pictures.

    unanswered: requests for which time ran out; interrupted: the signal was SIGINT.
    """

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._until = math.inf
        self.unanswered = 0
        self.interrupted = False

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals until the process ends: one that comes while it closes must tear nothing."""
        both = (signal.SIGINT, signal.SIGTERM)
        for number in both:
            signal.signal(number, self.handle_exit)
        yield
        for number in both:
            # a handler of ours would give way to death by the signal while the interpreter ends
            signal.signal(number, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A first signal begins to drain, a second one ends at once."""
        if self._service.draining:
            self.unanswered = max(self.unanswered, self._service.under_way)  # for some, time may have run out
            self.should_exit = self.force_exit = True
            return
        self.interrupted = sig == signal.SIGINT
        self._until = time.monotonic() + self._service.settings.drain_s
        self._service.draining = True

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second: whether to end."""
        service = self._service
        left_s = self._until - time.monotonic() if service.draining else math.inf
        if left_s < math.inf and (service.under_way == 0 or left_s <= 0):
            self.unanswered = service.under_way
            # what has been answered may still be on its way to a slow client
            self.config.timeout_graceful_shutdown = max(1, int(left_s))
            self.should_exit = True
        return await super().on_tick(counter)
