"""Shutdown: requests in progress are answered, new ones rejected, and the time to drain is kept."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from serving import Server, png, post, scene_png, serving, serving_custom, slow_client, wait_until


def test_sigterm_answers_what_is_under_way_and_refuses_the_rest(model: Path) -> None:
    with serving("--model", model) as server:
        picture = scene_png()
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as begun:
            begun.sendall(post(picture[:100], len(picture)))
            # what is sent first is read first
            assert server.ask("GET", "/readyz").status == 200
            assert server.healthy()
            server.process.terminate()
            until = time.monotonic() + 30
            while (ready := server.ask("GET", "/readyz")).status == 200:
                assert time.monotonic() < until
            assert ready.status == 503
            refused = server.predict(picture)
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert server.ask("GET", "/healthz").status == 200
            assert not server.healthy()
            begun.sendall(picture[100:])
            assert begun.recv(12) == b"HTTP/1.1 200"
        assert server.process.wait(timeout=30) == 0
    assert server.lines[-1]["event"] == "ended"
    assert server.lines[-1]["unanswered"] == 0
    assert not server.healthy()


@contextmanager
def unfinished(server: Server) -> Iterator[list[socket.socket]]:
    """Requests that do not finish: the body does not arrive, the worker hangs, the client does not read."""
    begun = [post(b"\x89PNG", 1000), post(png()), post(png(1500, 1500), accept="application/x-npz")]
    with ExitStack() as stack:
        clients = [stack.enter_context(slow_client(server, request)) for request in begun]
        assert clients[2].recv(12) == b"HTTP/1.1 200"
        wait_until(lambda: server.value("depdis_places_taken") == 1)
        yield clients


def test_shutdown_ends_in_time_whatever_workers_and_clients_do(model: Path) -> None:
    with serving_custom(model, status=1, workers=2, drain_s=0.2) as server, unfinished(server) as clients:
        server.process.terminate()
        for client in clients[:2]:
            with suppress(ConnectionError):
                assert client.recv(12) in (b"HTTP/1.1 503", b"")
        assert server.process.wait(timeout=60) == 1
    assert server.lines[-1]["event"] == "ended"
    assert server.lines[-1]["unanswered"] == 3
    assert {line["reason"] for line in server.lines if line["event"] == "cut off"} <= {"shutdown"}


def test_sighup_answers_an_image_in_progress(model: Path) -> None:
    with serving("--model", model, "--workers", 1) as server, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.predict, png(4000, 3000), accept="application/x-npz")
        wait_until(lambda: answer.done() or server.value("depdis_places_taken") >= 1)
        for _ in range(2):  # as a terminal that closes and its shell do
            server.process.send_signal(signal.SIGHUP)
        assert answer.result().status == 200
        assert server.process.wait(timeout=60) == 0
    assert server.lines[-1]["unanswered"] == 0  # and no line has a traceback, which `serving` checks


@pytest.mark.parametrize(
    ("first", "second", "status"), [(signal.SIGTERM, signal.SIGINT, 1), (signal.SIGINT, signal.SIGTERM, 130)]
)
def test_second_signal_ends_at_once(
    model: Path, first: signal.Signals, second: signal.Signals, status: int
) -> None:
    settings = {"workers": 2, "timeout_s": 300, "drain_s": 300}
    with serving_custom(model, status, **settings) as server, unfinished(server):
        server.process.send_signal(first)
        wait_until(lambda: server.ask("GET", "/readyz").status == 503)
        server.process.send_signal(second)
        assert server.process.wait(timeout=100) == status  # neither time has run out
    assert server.lines[-1]["event"] == "ended"
    # the last readiness check, answered a moment ago, may count too
    assert server.lines[-1]["unanswered"] >= 3
