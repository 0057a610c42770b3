"""How a server ends: what is under way is answered, what comes is refused, and a second signal ends at once."""

from __future__ import annotations

import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from serving import png, post, scene_png, serving, wait_until


def test_sigterm_answers_what_is_under_way_and_refuses_the_rest(model: Path) -> None:
    with serving("--model", model) as server:
        picture = scene_png()
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as begun:
            begun.sendall(post(picture[:100], len(picture)))
            # what is sent first is read first
            assert server.ask("GET", "/readyz").status == 200
            server.process.terminate()
            until = time.monotonic() + 30
            while (ready := server.ask("GET", "/readyz")).status == 200:
                assert time.monotonic() < until
            assert ready.status == 503
            refused = server.predict(picture)
            assert (refused.status, refused.headers["retry-after"]) == (503, "5")
            assert server.ask("GET", "/healthz").status == 200
            begun.sendall(picture[100:])
            assert begun.recv(12) == b"HTTP/1.1 200"
        assert server.process.wait(timeout=30) == 0
    assert server.lines[-1]["event"] == "ended"
    assert server.lines[-1]["unanswered"] == 0


def test_a_request_that_does_not_end_holds_up_the_end_no_longer_than_asked(model: Path) -> None:
    with (
        serving("--model", model, "--drain", 0.2, status=1) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as begun,
    ):
        begun.sendall(post(b"\x89PNG", 1000))
        assert server.ask("GET", "/readyz").status == 200
        server.process.terminate()
        assert begun.recv(12) == b"HTTP/1.1 503"
    assert server.lines[-1]["unanswered"] == 1


def test_a_picture_that_a_worker_is_at_is_answered(model: Path) -> None:
    with serving("--model", model, "--workers", 1) as server, ThreadPoolExecutor(1) as clients:
        answer = clients.submit(server.predict, png(4000, 3000), accept="application/x-npz")
        wait_until(lambda: answer.done() or server.value("depdis_places_taken") >= 1)
        server.process.terminate()
        assert answer.result().status == 200
        assert server.process.wait(timeout=60) == 0
    assert server.lines[-1]["unanswered"] == 0  # and no line has a traceback, which `serving` looks at


@pytest.mark.parametrize("second", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_at_once_and_the_status_tells_of_what_was_unanswered(
    model: Path, second: signal.Signals
) -> None:
    with (
        serving("--model", model, "--timeout", 300, "--drain", 300, status=1) as server,
        socket.create_connection(("127.0.0.1", server.port), timeout=30) as begun,
    ):
        begun.sendall(post(b"\x89PNG", 1000))
        assert server.ask("GET", "/readyz").status == 200
        server.process.terminate()
        wait_until(lambda: server.ask("GET", "/readyz").status == 503)
        server.process.send_signal(second)
        assert server.process.wait(timeout=100) == 1  # neither time has run out
    assert server.lines[-1]["event"] == "ended"
    # that of readiness may be counted too, answered a moment ago
    assert server.lines[-1]["unanswered"] >= 1
