"""Limits of the server: what is rejected gets a clear response, and other clients are served."""

from __future__ import annotations

import asyncio
import io
import json
import os
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import threading
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from PIL import Image
from serving import (
    Server,
    command,
    png,
    post,
    scene_png,
    serving,
    serving_custom,
    slow_client,
    wait_until,
)
from uvicorn.server import ServerState

from benchmarks import hostile_images as hostile
from depdis_deploy.command import UsageError
from depdis_deploy.listening import is_local, listen
from depdis_deploy.serve.connection import Acceptor, Connection, config_values
from depdis_deploy.serve.settings import Settings, key_from

KEY = "s3cret-of-the-tests"


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    """Small bounds, so that what exceeds them is quickly made."""
    with serving("--model", model, "--max-mib", 1, "--max-megapixels", 0.5, "--timeout", 1) as started:
        yield started
        assert started.predict(scene_png()).status == 200


@pytest.fixture(scope="module")
def locked(model: Path) -> Iterator[Server]:
    with serving("--model", model, "--host", "0.0.0.0", "--root-path", "/depdis/", key=KEY) as started:
        yield started


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming(width: int, height: int) -> bytes:
    """A PNG that says how large it is and holds next to nothing."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def moving() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), (level, 0, 0)) for level in (0, 200)]
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


PICTURES = {
    "empty": (b"", 422, "empty"),
    "bomb": (claiming(50_000, 50_000), 413, "expected at most 500,000 pixels"),
    "beyond Pillow's own bound": (claiming(2**31 - 1, 2**31 - 1), 413, "too large"),
    "just too large": (png(1001, 500), 413, "1001x500 is too large"),
    "cut off": (png(kind="JPEG")[:400], 422, "damaged"),
    "cut off in the header": (png()[:20], 422, "damaged"),
    "damaged": (png()[:60] + bytes(20) + png()[80:], 422, "damaged"),
    "less than it claims": (claiming(700, 700), 422, "damaged"),
    "text": (b"this is no picture\n" * 50, 422, "not an image"),
    "an address": (b"http://169.254.169.254/latest/meta-data/", 422, "not an image"),
    "a path": (b"/etc/passwd", 422, "not an image"),
    "a program for a decoder": (hostile.POSTSCRIPT, 422, "not an image"),
    "a drawing": (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", 422, "not an image"),
    "a format that is not taken": (png(kind="GIF"), 422, "not an image"),
    "moving": (moving(), 422, "still image"),
    "scans": (hostile.jpeg_with_scans(64, 64, 200), 422, "expected at most 100"),
    "segments": (hostile.jpeg_with_segments(5000), 422, "too many segments"),
    "chunks": (hostile.png_with_chunks(5000, b"IDAT"), 422, "too many chunks"),
    "runs": (hostile.bmp_with_runs(40_000, 1, b"\0\2\0\xff"), 422, "pixels a row"),
    "tiles": (hostile.tiff_with_tiles(64, 32, 20_000, 20_000), 422, "not an image"),
}


@pytest.mark.parametrize("name", PICTURES)
def test_what_is_no_picture_gets_a_clear_answer(server: Server, name: str) -> None:
    data, status, said = PICTURES[name]
    answer = server.predict(data)
    assert (answer.status, said in answer.error) == (status, True), answer.body
    assert "\n" not in answer.error
    assert "Traceback" not in answer.error
    assert server.predict(scene_png()).status == 200


def test_comments_that_unpack_to_gigabytes_are_passed_over(server: Server) -> None:
    comments = hostile.png_with_chunks(200, b"zTXt", b"Comment\0\0" + zlib.compress(bytes(10**6)))
    assert server.predict(comments).status == 200


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("application/json", json.dumps({"url": "http://127.0.0.1/a.png"}).encode()),
        ("multipart/form-data; boundary=x", b"--x\r\n\r\n" + png() + b"\r\n--x--\r\n"),
        ("text/plain", b"http://127.0.0.1/a.png"),
        ("application/x-www-form-urlencoded", b"url=http://127.0.0.1/a.png"),
        ("", png()),
        (None, png()),
    ],
)
def test_bodies_of_another_kind_are_refused(server: Server, kind: str | None, body: bytes) -> None:
    """Among them all types that a page may send to another site without asking first."""
    answer = server.ask("POST", "/predict", body, {} if kind is None else {"Content-Type": kind})
    assert answer.status == 415
    assert "image/jpeg" in answer.error
    assert "curl --data-binary @image.jpg -H 'Content-Type: image/jpeg' URL" in answer.error


def test_questions_that_are_refused(server: Server) -> None:
    assert server.predict(png(), "?url=http://127.0.0.1/a.png").status == 400
    assert server.predict(png(), "?output=../../etc/passwd").status == 400
    assert server.predict(png(), accept="text/html").status == 406
    assert server.predict(png(), **{"Content-Encoding": "gzip"}).status == 415
    assert server.ask("GET", "/predict").status == 405
    assert server.ask("GET", "/../../etc/passwd").status == 404
    assert server.ask("GET", "/%2e%2e/%2e%2e/etc/passwd").status == 404


def test_more_bytes_than_are_taken(server: Server) -> None:
    # the whole body is sent before the answer is read, as most clients do
    declared = server.predict(bytes(40 * 2**20))
    assert declared.status == 413
    assert "at most 1,048,576 bytes" in declared.error
    assert declared.headers["connection"] == "close"
    undeclared = server.ask(
        "POST", "/predict", iter([bytes(65536)] * 40), {"Content-Type": "image/png"}, encode_chunked=True
    )
    assert undeclared.status == 413


def talk(server: Server, *pieces: bytes) -> bytes:
    """Send pieces over a bare socket; what comes back until the server closes it."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        for piece in pieces:
            connection.sendall(piece)
        return b"".join(iter(lambda: connection.recv(65536), b""))


HEAD = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n"


def test_a_body_that_does_not_come_in_time_is_given_up(server: Server) -> None:
    answer = talk(server, HEAD + b"Connection: close\r\nContent-Length: 900\r\n\r\n", b"x")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"did not arrive within 1 seconds" in answer


@pytest.mark.parametrize("begun", [b"", b"GET /healthz HTT", HEAD])
def test_a_request_that_does_not_come_is_cut_off(server: Server, begun: bytes) -> None:
    since = time.monotonic()
    with suppress(ConnectionResetError):
        assert talk(server, begun) == b""  # which fails once 30 seconds have brought neither answer nor end
    assert time.monotonic() - since > 0.99  # it had its second


def test_a_client_that_asks_and_never_reads_is_cut_off(server: Server) -> None:
    """By the server's own account: word of it may reach a client with full buffers half a minute later."""
    known = server.events("cut off")
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.1)

        def cut() -> bool:
            with suppress(TimeoutError, ConnectionError):  # it takes no more requests while answers lie
                connection.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 200)
            return server.events("cut off") > known

        wait_until(cut)
    assert server.predict(scene_png()).status == 200


def test_a_client_that_reads_too_slowly_is_cut_off(server: Server) -> None:
    known = server.events("cut off")
    with slow_client(server, post(png(800, 600), accept="application/x-npz")) as client:

        def cut() -> bool:
            with suppress(ConnectionError):
                client.recv(256)
            time.sleep(0.02)
            return server.events("cut off") > known

        wait_until(cut)
    (line,) = [line for line in server.lines if line["event"] == "cut off"][known:]
    assert line["client"] == "127.0.0.1"
    assert line["bytes_per_s"] < 65536
    assert line["taken_bytes"] > 0
    assert server.value("depdis_response_bytes") == 0


def test_what_lies_unsent_for_a_client_that_never_reads_is_dropped(server: Server) -> None:
    """All its requests are taken in at once, so the kernel alone would wait for what was sent to be read."""
    asked = b"GET /openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 1200  # 9 MB of answers
    with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
        connection.sendall(asked)
        reset = select.poll()
        reset.register(connection, 0)  # errors alone
        assert reset.poll(60_000) == [(connection.fileno(), select.POLLERR | select.POLLHUP)]
    assert server.predict(scene_png()).status == 200


@pytest.mark.parametrize(
    ("garbage", "status"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),  # TLS
        (b"\x00" * 4096, 400), (HEAD + b"Content-Length: -1\r\n\r\n", 400),
        (HEAD + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", 400),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
    ],
)  # fmt: skip
def test_what_is_no_http_is_refused(server: Server, garbage: bytes, status: int) -> None:
    # said in words and then closed, well before the time-out cuts what says nothing
    assert talk(server, garbage).startswith(b"HTTP/1.1 %d " % status)
    assert server.predict(scene_png()).status == 200


def test_repeated_log_records_are_suppressed(server: Server) -> None:
    event = "Invalid HTTP request received."
    known = server.events(event)
    for _ in range(20):
        assert talk(server, b"\x00\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert server.predict(scene_png(), **{"X-Request-ID": "the-last"}).status == 200
    wait_until(lambda: any(line.get("id") == "the-last" for line in server.lines))
    assert server.events(event) - known < 5


def test_a_header_without_end_is_not_taken_in(server: Server) -> None:
    """Refused, or cut off while more was being sent; the socket's own buffers take a few megabytes unread."""
    endless = b"GET /docs HTTP/1.1\r\nHost: 127.0.0.1\r\n" + (b"X: " + b"y" * 1000 + b"\r\n") * 2000 + b"\r\n"
    before = server.value("process_resident_memory_bytes")
    for _ in range(10):
        try:
            assert talk(server, endless)[:13] in (b"HTTP/1.1 400 ", b"")
        except ConnectionError:
            continue
    assert server.value("process_resident_memory_bytes") - before < 10e6
    assert server.predict(scene_png()).status == 200


def test_a_page_cannot_reach_a_server_without_key_by_a_name_of_its_own(server: Server) -> None:
    for name in ("evil.example", "evil.example:80", "[2001:db8::1]:80", "127.0.0.1.evil.example"):
        assert server.ask("GET", "/model", headers={"Host": name}).status == 421
    for name in ("", ":80", "127.0.0.1:http", "localhost:8000@evil.example", "[::1", "::1", "[evil.example]"):
        assert server.ask("GET", "/model", headers={"Host": name}).status == 421
    for name in ("localhost:8000", "127.0.0.1", "[::1]:9", "[::1]", "localhost.", "LOCALHOST:"):
        assert server.ask("GET", "/model", headers={"Host": name}).status == 200
    assert b" 200 " in talk(server, b"GET /readyz HTTP/1.0\r\n\r\n")
    assert b" 400 " in talk(server, b"GET /model HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")
    target = b"GET http://evil.example/model HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
    assert b" 404 " in talk(server, target)


def browser(site: str, mode: str = "no-cors", dest: str = "empty") -> dict[str, str]:
    return {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/predict", browser("cross-site"), 403),
        ("/predict", browser("same-site"), 403),
        ("/predict", {"Origin": "https://evil.example"}, 403),
        ("/predict", {"Origin": "http://127.0.0.1:1"}, 403),
        ("/predict", {"Origin": "null"}, 403),
        ("/predict/", {"Origin": "null"}, 403),
        ("/metrics", browser("cross-site", dest="image"), 403),
        ("/metrics", browser("cross-site", "navigate", "document"), 403),
        ("/docs", browser("cross-site", "navigate", "iframe"), 403),
        ("/docs", browser("cross-site", "navigate", "document"), 200),
        ("/docs", browser("same-origin"), 200),
        ("/docs", browser("none", "navigate", "document"), 200),
    ],
)
def test_rejects_requests_of_other_sites_pages_before_any_work(
    server: Server, path: str, headers: dict[str, str], status: int
) -> None:
    before = server.value("depdis_pixels_total")
    posts = path.startswith("/predict")
    given = headers | {"Content-Type": "image/png"}
    answer = server.ask("POST" if posts else "GET", path, scene_png() if posts else None, given)
    assert answer.status == status
    assert status == 200 or "other sites" in answer.error
    assert "access-control-allow-origin" not in answer.headers
    assert server.value("depdis_pixels_total") == before


def test_answers_pages_of_its_own(server: Server) -> None:
    headers = {"Host": "localhost:8000", "Origin": "http://localhost:8000", **browser("same-origin")}
    assert server.predict(scene_png(), **headers).status == 200


def test_answers_no_preflight_request(server: Server) -> None:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    answer = server.ask("OPTIONS", "/predict", headers={"Origin": "https://evil.example", **asked})
    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


FORGED = {"X-Forwarded-Host": "evil.example", "X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/evil"}
FORGED |= {"Forwarded": "host=evil.example;proto=https"}


@pytest.mark.parametrize(("method", "path"), [("POST", "/predict/"), ("GET", "/docs/"), ("GET", "/")])
def test_answers_repeat_no_host(server: Server, method: str, path: str) -> None:
    given = {"Host": "localhost:1234", "Content-Type": "image/png", **FORGED}
    answer = server.ask(method, path, scene_png() if method == "POST" else None, given)
    assert answer.status == (200 if method == "POST" else 307)
    for name in (b"localhost", b"evil"):
        assert name not in answer.body + str(answer.headers).encode()


@pytest.mark.parametrize("root", ["", "/depdis"])
def test_redirects_and_links_name_no_host_and_hold_under_the_root_path(locked: Server, root: str) -> None:
    """With and without the root path, since some proxies remove it."""
    given = {"Authorization": f"Bearer {KEY}", "Host": "evil.example", **FORGED}
    for path in ("/model", "/metrics", "/openapi.json", "/healthz", "/readyz"):
        for slash in ("", "/"):
            assert locked.ask("GET", root + path + slash, headers=given).status == 200
    for slash in ("", "/"):
        posted = locked.ask("POST", f"{root}/predict{slash}", png(), given | {"Content-Type": "image/png"})
        assert posted.status == 200
    home = locked.ask("GET", f"{root}/", headers=given)
    assert (home.status, home.headers["location"]) == (307, "/depdis/docs")
    slashed = locked.ask("GET", f"{root}/docs/", headers=given)
    assert (slashed.status, slashed.headers["location"]) == (307, "../docs")
    described = locked.ask("GET", f"{root}/openapi.json", headers=given)
    assert described.json["servers"] == [{"url": "/depdis"}]
    docs = locked.ask("GET", f"{root}/docs", headers=given)
    assert b'href="openapi.json"' in docs.body
    for answer in (home, slashed, described, docs):
        assert b"evil" not in answer.body + str(answer.headers).encode()
    assert locked.ask("GET", "/depdisx/model", headers=given).status == 404


@pytest.mark.parametrize("path", ["depdis", "//evil.example", "/a/", "/a b", "/../a", "/a\r\nX: y", "http://a"])
def test_rejects_malformed_root_paths(path: str) -> None:
    with pytest.raises(UsageError, match="--root-path"):
        Settings(root_path=path)


TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


def test_continues_a_trace_and_logs_it(server: Server) -> None:
    answer = server.ask("GET", "/model", headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    version, trace, span, flags = answer.headers["traceparent"].split("-")
    assert (version, trace, flags, len(span)) == ("00", TRACE, "01", 16)
    assert span != "00f067aa0ba902b7"
    wait_until(lambda: any(line.get("span_id") == span for line in server.lines))
    later = server.ask("GET", "/model", headers={"traceparent": f"01-{TRACE}-00f067aa0ba902b7-02-more"})
    assert later.headers["traceparent"].startswith(f"00-{TRACE}-")
    assert later.headers["traceparent"].endswith("-00")


@pytest.mark.parametrize(
    "given",
    [
        "", "00", f"ff-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01",
        f"00-{TRACE}-00f067aa0ba902b7-1",
        f"00-{TRACE}-00f067aa0ba902b7-01-more", f"00-{TRACE}-00f067aa0ba902b7-01\t{TRACE}",
    ],
)  # fmt: skip
def test_ignores_a_malformed_trace(server: Server, given: str) -> None:
    answer = server.ask("GET", "/model", headers={"traceparent": given})
    assert answer.status == 200
    assert "traceparent" not in answer.headers


def test_more_connections_than_are_taken(server: Server) -> None:
    idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(500)]
    try:
        assert b" 503 " in talk(server)
    finally:
        for connection in idle:
            connection.close()
    until = time.monotonic() + 30
    while server.ask("GET", "/healthz").status != 200:
        assert time.monotonic() < until


def test_without_free_file_descriptors_it_logs_one_line_and_recovers(server: Server) -> None:
    def starved() -> list[dict[str, Any]]:
        """Lines of this server's log and of the event loop's own."""
        events = ("cannot accept connections", "out of system resource")
        return [line for line in server.lines if any(event in line["event"] for event in events)]

    pid, known = server.process.pid, len(starved())
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (len(os.listdir(f"/proc/{pid}/fd")) + 4, limits[1]))
    clients = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(64)]
    try:
        wait_until(lambda: len(starved()) > known)
        # the first ones are idle for too long, so that it accepts more, and soon fails again
        for client in clients[:4]:
            client.settimeout(30)
            with suppress(ConnectionError):
                assert client.recv(1) == b""
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        for client in clients:
            client.close()
    assert server.predict(scene_png()).status == 200
    lines = starved()
    assert len(lines) - known <= 1 + max(line.get("suppressed", 0) > 0 for line in lines)
    assert {line["event"] for line in lines} == {"cannot accept connections"}


@pytest.fixture(scope="module")
def tight(model: Path) -> Iterator[Server]:
    """Room for one response of 13 MB, and few open files."""
    settings = {"response_bytes": 20_000_000, "timeout_s": 8.0, "max_pixels": 16_000_000, "workers": 2}
    with serving_custom(model, files=90, **settings) as started:
        yield started


def test_slowest_client_is_cut_when_memory_for_responses_is_short(tight: Server) -> None:
    large = png(1000, 1000)
    with slow_client(tight, post(large, accept="application/x-npz")) as client:
        assert client.recv(12) == b"HTTP/1.1 200"
        assert tight.value("depdis_response_bytes") > 10e6
        answers = []

        def served() -> bool:
            answers.append(tight.predict(large, accept="application/x-npz"))
            return answers[-1].status == 200

        wait_until(served)
    for answer in answers[:-1]:
        assert (answer.status, answer.headers["retry-after"]) == (503, "2")
    assert len(answers[-1].body) > 13e6
    (line,) = [line for line in tight.lines if line["event"] == "cut off"]
    assert "memory" in line["reason"]
    assert line["client"] == "127.0.0.1"
    assert line["unsent_bytes"] > 0
    assert line["bytes_per_s"] < 2**20
    wait_until(lambda: tight.value("depdis_response_bytes") == 0)


def test_response_that_exceeds_the_memory_for_responses_is_not_computed(tight: Server) -> None:
    before = tight.value("depdis_pixels_total")
    answer = tight.predict(png(2000, 1000), accept="application/x-npz")
    assert answer.status == 503
    assert "large responses" in answer.error
    assert tight.predict(png(2000, 1000)).status == 200
    assert tight.value("depdis_pixels_total") - before == 2_000_000


def test_limit_of_open_files_limits_the_connections(tight: Server) -> None:
    limit = tight.lines[0]["connections"]
    assert 1 <= limit < 90
    clients = [socket.create_connection(("127.0.0.1", tight.port)) for _ in range(120)]
    try:
        rejected = 0
        for client in reversed(clients):
            client.settimeout(30)
            if len(clients) - rejected > limit:
                assert client.recv(12) == b"HTTP/1.1 503"
                rejected += 1
    finally:
        for client in clients:
            client.close()
    wait_until(lambda: tight.ask("GET", "/healthz").status == 200)
    wait_until(lambda: tight.events("too many connections") == 1)
    assert not tight.events("cannot accept connections")


def test_keeps_ignoring_sighup_under_nohup(tight: Server) -> None:
    tight.process.send_signal(signal.SIGHUP)
    assert tight.ask("GET", "/readyz").status == 200


@contextmanager
def read_slowly() -> Iterator[list[socket.socket]]:
    """Clients that are added to the list are read from at up to 200 kB/s each."""
    clients: list[socket.socket] = []
    over = threading.Event()

    def read() -> None:
        while not over.wait(0.02):
            for client in list(clients):
                with suppress(OSError):
                    client.recv(4096, socket.MSG_DONTWAIT)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield clients
    finally:
        over.set()
        reader.join()


@pytest.mark.long
def test_slow_readers_of_large_responses_hold_little_memory(model: Path) -> None:
    large = png(5000, 3200)
    with serving("--model", model, "--workers", 2, "--queue", 30) as server, ExitStack() as stack:
        request = post(large, accept="application/x-npz")
        readers = [stack.enter_context(slow_client(server, request)) for _ in range(25)]
        slow, statuses = stack.enter_context(read_slowly()), []
        for client in readers:
            statuses.append(client.recv(12))
            slow.append(client)
        peak_kb = re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.process.pid}/status").read_text())[0]
        assert int(peak_kb) < 2_000_000
        assert set(statuses) == {b"HTTP/1.1 200", b"HTTP/1.1 503"}
        assert server.value("depdis_response_bytes") <= server.value("depdis_response_limit_bytes") < 1e9
        wait_until(lambda: server.predict(large, accept="application/x-npz").status == 200)
        assert server.events("cut off") > 0


def test_the_key_opens_all_and_without_it_only_health_is_seen(locked: Server) -> None:
    for path in ("/healthz", "/readyz"):
        assert locked.ask("GET", path).status == 200
    pages = (
        "/",
        "/model",
        "/docs",
        "/openapi.json",
        "/metrics",
        "/nothing",
        "/healthz/",
        "//healthz",
        "/healthz/x",
    )
    good = f"Bearer {KEY}"
    for given in ("", "Bearer ", f"Bearer {KEY}x", f"Bearer {KEY[:-1]}", f"Basic {KEY}", KEY, "Bearer \xe9"):
        headers = {"Authorization": given} if given else {}
        for path in pages:
            refused = locked.ask("GET", path, headers=headers)
            assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer"), (given, path)
        assert locked.predict(png(), **headers).status == 401
        assert locked.ask("POST", "/healthz?x", b"x", headers).status == 405
    for path in pages[:5]:
        assert locked.ask("GET", path, headers={"Authorization": good}).status in (200, 307)
    assert locked.predict(png(), Authorization=good).status == 200
    assert locked.predict(png(), Authorization=f"bearer {KEY}").status == 200
    assert locked.healthy()
    assert {"key": []} in locked.ask("GET", "/openapi.json", headers={"Authorization": good}).json["security"]
    assert not [line for line in locked.lines if KEY in json.dumps(line)]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "a.example"])
def test_no_other_host_without_a_key(host: str) -> None:
    with pytest.raises(UsageError, match="set DEPDIS_API_KEY"):
        Settings(host=host)
    assert Settings(host=host, api_key=KEY).api_key == KEY


def test_hosts_of_this_machine() -> None:
    assert all(is_local(host) for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost", "LocalHost"))
    assert not any(is_local(host) for host in ("", "0.0.0.0", "::", "127.0.0.1.example", "localhost.example"))


def test_keys_that_cannot_be_sent() -> None:
    assert key_from({}) is None
    assert key_from({"DEPDIS_API_KEY": ""}) is None
    assert key_from({"DEPDIS_API_KEY": "a b"[::2]}) == "ab"
    for bad in ("two words", "line\nbreak", "schlüssel"):
        with pytest.raises(UsageError, match="printable ASCII"):
            key_from({"DEPDIS_API_KEY": bad})


def ended(*words: object) -> tuple[int, str]:
    arguments, environment = command(*words)
    done = subprocess.run(arguments, env=environment, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stderr


def test_what_cannot_be_started_is_said_in_one_line(model: Path) -> None:
    status, err = ended("--host", "0.0.0.0", "--model", model)
    assert (status, err.count("\n")) == (2, 1)
    assert err.startswith("error: --host 0.0.0.0")
    status, err = ended("--camera-height", "1.5", "--model", model)
    assert (status, err.count("\n")) == (2, 1)
    assert "no class road" in err
    status, err = ended("--timeout", "inf")
    assert (status, err.count("\n")) == (2, 1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, err = ended("--port", port, "--model", model)
    assert (status, err.count("\n")) == (1, 1)
    assert f"cannot listen on 127.0.0.1:{port} (Address already in use); choose another" in err


def test_an_answers_body_does_not_wait_for_its_header_to_be_acknowledged() -> None:
    """Nagle's algorithm and a delayed acknowledgement together cost a lone request 40 ms."""

    async def scenario() -> int:
        config = uvicorn.Config(lambda: None, **config_values(5.0))
        config.load()
        state = ServerState()
        with listen("127.0.0.1", 0) as listening:
            acceptor = Acceptor(listening, state, lambda: Connection(config, state, 5.0), 4)
            _, writer = await asyncio.open_connection(*listening.getsockname())
            while not state.connections:
                await asyncio.sleep(0.01)
            (protocol,) = state.connections
            accepted = protocol.transport.get_extra_info("socket")
            found = int(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()
            acceptor.close()
            protocol.transport.abort()
            await asyncio.sleep(0.05)
        return found

    with ThreadPoolExecutor(1) as pool:  # where no other loop runs
        assert pool.submit(lambda: asyncio.run(scenario())).result(timeout=60) == 1
