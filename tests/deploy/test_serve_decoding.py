"""A server decodes in child processes: one image holds up neither other clients nor the end."""

from __future__ import annotations

import os
import signal
import socket
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from decoders import decoders, running, wait_until
from serving import Server, post, scene_png, serving


def taken(server: Server, count: int) -> bool:
    return server.value("depdis_places_taken") >= count


def test_a_hanging_image_holds_up_nobody(model: Path) -> None:
    picture = scene_png()
    with serving("--model", model, "--workers", 2, status=1) as server, ThreadPoolExecutor(2) as clients:
        assert server.predict(picture).status == 200
        children = decoders(server.process.pid)
        assert len(children) == 2
        first, second = children
        descriptors = [os.readlink(path) for path in Path(f"/proc/{first}/fd").iterdir()]
        assert descriptors
        assert not [name for name in descriptors if name.startswith("socket:")]

        for pid in (first, second):
            os.kill(pid, signal.SIGSTOP)
        waiting = [clients.submit(server.predict, picture) for _ in range(2)]
        wait_until(lambda: taken(server, 2))
        os.kill(first, signal.SIGCONT)
        _, held = wait(waiting, return_when=FIRST_COMPLETED)
        for _ in range(5):
            assert server.predict(picture).status == 200
        assert len(held) == 1
        assert not held.pop().done()
        os.kill(second, signal.SIGCONT)
        assert [answer.result().status for answer in waiting] == [200, 200]

        # a client that leaves: its image is given up, and its process replaced
        for pid in (first, second):
            os.kill(pid, signal.SIGSTOP)
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as leaving:
            leaving.sendall(post(picture))
            wait_until(lambda: taken(server, 1))
        wait_until(lambda: not taken(server, 1))
        assert sorted(map(running, (first, second))) == [False, True]
        for pid in filter(running, (first, second)):
            os.kill(pid, signal.SIGCONT)
        assert server.predict(picture).status == 200

        # a second signal: the server does not wait for the image
        children = decoders(server.process.pid)
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        clients.submit(server.predict, picture)
        wait_until(lambda: taken(server, 1))
        server.process.terminate()
        wait_until(lambda: server.ask("GET", "/readyz").status == 503)
        server.process.terminate()
        assert server.process.wait(timeout=60) == 1
        wait_until(lambda: not any(map(running, children)))  # the kernel resumes stopped orphans
