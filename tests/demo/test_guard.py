"""Requests that the guard passes on to Gradio or rejects."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from depdis_demo.guard import Guard
from depdis_demo.limits import Limits
from depdis_demo.settings import Settings
from depdis_demo.visitors import Visitors

UPLOAD, CALL, JOIN = "/gradio_api/upload", "/gradio_api/component_server", "/gradio_api/queue/join"
PREDICT = "/gradio_api/run/predict"
HEARTBEAT = "/gradio_api/heartbeat/abc123"
MEGABYTES = 20
LARGE, CHUNKED = {"content-length": "20000000"}, {"transfer-encoding": "chunked"}
LOCAL = Settings(limits=Limits(megabytes=MEGABYTES))
BELOW = Settings(root_path="/demo")
NAMED = Settings(allow_hosts=("demo.test",))
BOTH = Settings(auth=("anna", "secret"), allow_hosts=("demo.test",))
SIGNED_IN = Settings(host="0.0.0.0", auth=("anna", "secret"))


@pytest.fixture(scope="module")
def visitors() -> Iterator[Visitors]:
    made = Visitors()
    yield made
    made.close()


EVENT: dict[str, Any] = {
    "data": ["bundled"],
    "event_data": {"example": "fog", "asked": 1, "smooth": False, "fov": None},
    "fn_index": 0,
    "trigger_id": 5,
    "session_hash": "abc123",
}


class Asked:
    """One request through a guard; `path` is the one that Gradio saw, if it saw one."""

    def __init__(
        self,
        visitors: Visitors,
        method: str,
        path: str,
        headers: dict[str, str] | None = None,
        *,
        settings: Settings = LOCAL,
        query: str = "",
        body: bytes = json.dumps(EVENT).encode(),
        app: ASGIApp | None = None,
    ) -> None:
        headers = {"content-type": "application/json", **(headers or {})}
        self.scope: Scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        }
        self._said: list[Message] = []
        self._body, self._behind = body, app or PlainTextResponse("behind")
        self.path: str | None = None
        self.query: bytes | None = None
        self.headers_behind: dict[bytes, bytes] = {}

        async def once() -> None:
            await Guard(self._app, settings, visitors)(self.scope, self._receive, self._send)

        # in a thread of its own: the browser's tests have a loop running in this one
        with ThreadPoolExecutor(1) as thread:
            thread.submit(asyncio.run, once()).result()

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.path, self.query = scope["path"], scope["query_string"]
        self.headers_behind = dict(scope["headers"])
        await self._behind(scope, receive, send)

    async def _receive(self) -> Message:
        return {"type": "http.request", "body": self._body}

    async def _send(self, message: Message) -> None:
        self._said.append(message)

    @property
    def status(self) -> int:
        return int(self._said[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self._said[0]["headers"]}


def status(
    visitors: Visitors, method: str, path: str, headers: dict[str, str] | None = None, **more: Any
) -> int:
    """The status of the answer; 200 is from behind the guard."""
    return Asked(visitors, method, path, headers, **more).status


OWN_HOSTS = ["127.0.0.1:7860", "127.8.8.8", "LOCALHOST", "localhost:80", "[::1]:7860", "[::1]"]
FOREIGN_HOSTS = [
    "evil.test",
    "localhost.evil.test",
    "127.0.0.1.nip.test",
    "0.0.0.0:7860",
    "192.168.0.7",
    "[fd00::1]",
]
MALFORMED_HOSTS = [
    "",
    "::1",
    "localhost@evil.test",
    "a b",
    "[",
    "a:b",
    "a:1:2",
    "localhost:100000",
    "\x7f",
    "\xff",
]


@pytest.mark.parametrize(
    ("settings", "accepted"),
    [
        (LOCAL, OWN_HOSTS),
        (NAMED, [*OWN_HOSTS, "demo.test", "DEMO.test:443"]),
        (BOTH, [*OWN_HOSTS, "demo.test"]),
        (SIGNED_IN, [*OWN_HOSTS, *FOREIGN_HOSTS, "demo.test", "demo.test.evil.test"]),
    ],
)
def test_host_names(visitors: Visitors, settings: Settings, accepted: list[str]) -> None:
    for host in {*OWN_HOSTS, *FOREIGN_HOSTS, *MALFORMED_HOSTS, "demo.test", "demo.test.evil.test", *accepted}:
        wanted = 200 if host in accepted else 421
        for method, path in (("GET", "/"), ("GET", HEARTBEAT), ("POST", JOIN), ("POST", UPLOAD)):
            assert status(visitors, method, path, {"host": host}, settings=settings) == wanted, host


def test_malformed_names_of_a_proxy_are_rejected(visitors: Visitors) -> None:
    for host in MALFORMED_HOSTS:
        headers = {"host": "localhost:7860", "x-forwarded-host": f"{host}, proxy.test"}
        assert status(visitors, "POST", JOIN, headers, settings=SIGNED_IN) == 421, host
    for host in ("demo.test", "demo.test:8443, proxy.test", "[::1]:80"):
        headers = {"host": "localhost:7860", "x-forwarded-host": host, "x-gradio-server": "http://["}
        asked = Asked(visitors, "POST", JOIN, headers)
        assert asked.status == 200
        assert b"x-gradio-server" not in asked.headers_behind


ANOTHER_CALL: list[dict[str, Any]] = [
    {"data": None},
    {"data": "bundled"},
    {"data": [["bundled"]]},
    {"data": [{"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}]},
    {"event_data": []},
    {"event_data": {"asked": {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}}},
    {"event_data": {"path": ["/etc/passwd"]}},
    {"event_data": {"name": "\ud800"}},
    {"event_data": {"fov": float("nan")}},
    {"session_hash": None},
    {"session_hash": ""},
    {"session_hash": "\ud800"},
    {"session_hash": "a/b"},
    {"session_hash": "a\n"},
    {"session_hash": "a" * 65},
    {"fn_index": "0"},
    {"fn_index": -1},
    {"fn_index": 10**30},
    {"trigger_id": 1.5},
    {"event_id": "a"},
    {"oauth_token": "a"},
    {"batched": True},
    {"simple_format": True},
]


def test_a_call_that_no_page_sends_is_rejected(visitors: Visitors) -> None:
    bodies = [json.dumps({**EVENT, **changes}).encode() for changes in ANOTHER_CALL]
    for body in (*bodies, b"", b"[]", b"{", b"null", b"\xff", b"[" * 100_000):
        for path in (JOIN, PREDICT, CALL):
            asked = Asked(visitors, "POST", path, body=body)
            assert (asked.status, asked.path) == (422, None), body[:200]
    for kind in ("text/plain", "multipart/form-data; boundary=x", ""):
        assert Asked(visitors, "POST", CALL, {"content-type": kind}).status == 415
    assert Asked(visitors, "POST", CALL, {"content-type": "application/json; charset=utf-8"}).status == 200


def test_a_call_of_the_page_arrives_as_it_is(visitors: Visitors) -> None:
    seen: list[Any] = []

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(await Request(scope, receive).json())
        await PlainTextResponse("")(scope, receive, send)

    download = {
        "data": {"token": "a", "kind": "labels"},
        "component_id": 5,
        "fn_name": "f",
        "session_hash": "a",
    }
    for call in (EVENT, download):
        status(visitors, "POST", JOIN, body=json.dumps(call).encode(), app=reads)
    assert seen == [EVENT, download]


def test_rejects_websockets(visitors: Visitors) -> None:
    said: list[Message] = []

    async def send(message: Message) -> None:
        said.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    guard = Guard(PlainTextResponse("behind"), LOCAL, visitors)
    scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [(b"host", b"localhost")]}
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, guard(scope, receive, send)).result()
    assert [message["type"] for message in said] == ["websocket.close"]


FOREIGN_ORIGINS = [
    "",
    "null",
    "//localhost:7860",
    "http://[",
    "http://localhost",
    "http://localhost:8000",
    "http://localhost:99999",
    "http://127.0.0.1:7860",
    "https://evil.test",
    "http://localhost:7860.evil.test",
    "http://localhost:7860@evil.test",
    "chrome-extension://localhost:7860",
]


def test_origins(visitors: Visitors) -> None:
    own = ["http://localhost:7860", "https://LOCALHOST:7860"]
    for origin in (*own, *FOREIGN_ORIGINS):
        headers, wanted = {"host": "localhost:7860", "origin": origin}, 200 if origin in own else 403
        for path in (UPLOAD, CALL, JOIN, PREDICT, "/login"):
            assert status(visitors, "POST", path, headers) == wanted, origin
        assert status(visitors, "GET", HEARTBEAT, headers) == wanted, origin


def test_origin_behind_a_proxy(visitors: Visitors) -> None:
    secure = {"host": "demo.test", "origin": "https://demo.test"}
    assert status(visitors, "POST", JOIN, secure, settings=NAMED) == 200
    # the proxy's own name for the server
    rewritten = {"host": "127.0.0.1:7860", "origin": "https://demo.test"}
    assert status(visitors, "POST", JOIN, rewritten, settings=NAMED) == 200
    assert status(visitors, "POST", JOIN, rewritten) == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "surprise"])
def test_other_sites_may_only_link_to_the_page(visitors: Visitors, site: str) -> None:
    link = {"sec-fetch-site": site, "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    assert status(visitors, "GET", "/", link) == 200
    assert status(visitors, "GET", "/demo/", link, settings=BELOW) == 200
    assert status(visitors, "GET", "/", {**link, "sec-fetch-dest": "iframe"}) == 403
    for path in ("/config", HEARTBEAT, "/static/img/logo.svg", "/theme.css"):
        assert status(visitors, "GET", path, link) == 403
    for path in (UPLOAD, JOIN, "/login"):
        assert status(visitors, "POST", path, link) == 403


def test_own_page_and_clients_that_are_no_browsers_pass(visitors: Visitors) -> None:
    for headers in ({}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}):
        assert status(visitors, "GET", "/config", headers) == status(visitors, "POST", UPLOAD, headers) == 200


@pytest.mark.parametrize("prefix", ["", "/demo"])
def test_root_path_may_be_removed_by_the_proxy_or_not(visitors: Visitors, prefix: str) -> None:
    for method, path in (("GET", "/"), ("GET", "/assets/a.js"), ("POST", UPLOAD), ("POST", f"{UPLOAD}/")):
        asked = Asked(visitors, method, prefix + path, settings=BELOW)
        assert (asked.status, asked.path) == (200, path)


def test_root_path_without_slash_leads_to_the_page(visitors: Visitors) -> None:
    asked = Asked(visitors, "GET", "/demo", settings=BELOW)
    assert (asked.status, asked.headers["location"]) == (307, "/demo/")
    for path in ("/demonstration/", "/demo/demo/", "/other/"):
        assert status(visitors, "GET", path, settings=BELOW) == 404


CLOSED = [
    "//",
    "/x/",
    f"/x{UPLOAD}",
    f"{UPLOAD}/x",
    UPLOAD.upper(),
    "/monitoring",
    "/monitoring/summary",
    "/docs",
    "/logout",
    "/openapi.json",
    "/svelte/a.js",
    "/pwa_icon",
    "/gradio_api/heartbeat/a/b",
    f"/gradio_api/heartbeat/{'a' * 65}",
    *(
        f"/gradio_api/{name}"
        for name in (
            "openapi.json",
            "deep_link",
            "proxy=http://a.test",
            "token",
            "stream/1",
            "vibe-edit",
            "call/chosen",
            "cancel",
            "file/etc/passwd",
            "upload_progress",
            "dev/reload",
            "run/chosen",
            "run-history/buckets",
            "heartbeat/",
            "custom_component/a/client/b/c",
            "queue/data",
            "process_recording",
        )
    ),
]


def test_unused_routes_are_closed(visitors: Visitors) -> None:
    for path in CLOSED:
        for method in ("GET", "POST", "DELETE"):
            asked = Asked(visitors, method, path)
            assert asked.status in (404, 405), path
            assert asked.path is None


def test_unused_methods_are_rejected(visitors: Visitors) -> None:
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "X"):
        for path in ("/", UPLOAD, JOIN, HEARTBEAT, "/login"):
            assert status(visitors, method, path) == 405
    assert status(visitors, "GET", UPLOAD) == status(visitors, "POST", "/") == 405


@pytest.mark.parametrize("root", ["", "/demo"])
def test_body_sizes(visitors: Visitors, root: str) -> None:
    settings = Settings(root_path=root, limits=Limits(megabytes=MEGABYTES))
    for path in (f"{root}{UPLOAD}", f"{root}{UPLOAD}/"):
        assert status(visitors, "POST", path, LARGE, settings=settings) == 200
        assert status(visitors, "POST", path, {"content-length": "21000000"}, settings=settings) == 413
        assert status(visitors, "POST", path, CHUNKED, settings=settings) == 411
    for path in (CALL, JOIN, PREDICT, "/login"):
        assert status(visitors, "POST", root + path, LARGE, settings=settings) == 413
        assert status(visitors, "POST", root + path, CHUNKED, settings=settings) == 411
        for length in ("1e3", "-1", "٣", "9" * 30):
            assert status(visitors, "POST", root + path, {"content-length": length}, settings=settings) == 413
        assert status(visitors, "POST", root + path, {"content-length": "9000"}, settings=settings) == 200
    for path in ("/", "/config", HEARTBEAT):
        assert status(visitors, "GET", root + path, {"content-length": "1"}, settings=settings) == 413
    assert status(visitors, "POST", root + CALL, {"content-length": "4000000"}, settings=settings) == 200


def test_a_body_that_does_not_arrive_is_given_up(visitors: Visitors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("depdis_demo.guard._BODY_S", 0.01)

    async def never(self: Asked) -> Message:
        return await asyncio.Future()  # type: ignore[no-any-return]

    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await Request(scope, receive).body()
        except ClientDisconnect:
            await PlainTextResponse("failed", 500)(scope, receive, send)
            raise

    monkeypatch.setattr(Asked, "_receive", never)
    for path in (CALL, UPLOAD, "/login"):
        assert status(visitors, "POST", path, {"content-length": "10"}, app=reads) == 408


def test_an_upload_keeps_no_id(visitors: Visitors) -> None:
    assert Asked(visitors, "POST", UPLOAD, query="upload_id=1").query == b""


def test_an_upload_beyond_the_quota_is_rejected() -> None:
    visitors = Visitors(most_bytes=1_000_000)
    assert status(visitors, "POST", UPLOAD, {"content-length": "999000"}) == 200
    assert status(visitors, "POST", UPLOAD, {"content-length": "999000"}) == 200  # it was given back
    assert status(visitors, "POST", UPLOAD, {"content-length": "1000001"}) == 507
    visitors.close()


@pytest.mark.parametrize(
    "name",
    ["http://127.0.0.1/", "HTTPS://a.test", "a.png", "../x", "/etc/passwd", "/", "\0", "/proc/self/environ"],
)
def test_only_results_are_served(visitors: Visitors, name: str) -> None:
    for settings, root in ((LOCAL, ""), (BELOW, "/demo")):
        assert status(visitors, "GET", f"{root}/gradio_api/file={name}", settings=settings) == 403


def test_links_and_uploads_are_not_served(visitors: Visitors) -> None:
    folder = visitors.of("one").task("picture").folder
    (visitors.uploads / "sent.png").touch()
    (folder / "link.png").symlink_to("/etc/passwd")
    (folder / "inner").symlink_to(folder)
    (folder / "there.png").touch()
    assert status(visitors, "GET", f"/gradio_api/file={folder}/there.png") == 200
    inside = ("link.png", "inner/there.png", "../x", f"../{folder.name}/there.png", "", "missing.png")
    for name in (*(f"{folder}/{name}" for name in inside), f"{visitors.uploads}/sent.png"):
        assert status(visitors, "GET", f"/gradio_api/file={name}") == 403, name


def test_who_is_not_signed_in_does_not_learn_which_files_exist(visitors: Visitors) -> None:
    for path in ("/etc/passwd", "/missing"):
        assert status(visitors, "GET", f"/gradio_api/file={path}", settings=SIGNED_IN) == 401
        cookie = {"cookie": "access-token-unsecure-1=a"}
        assert status(visitors, "GET", f"/gradio_api/file={path}", cookie, settings=SIGNED_IN) == 403


def test_results_run_no_scripts(visitors: Visitors) -> None:
    page = visitors.of("one").task("picture").folder / "source.html"
    page.touch()
    asked = Asked(visitors, "GET", f"/gradio_api/file={page}")
    assert asked.headers["content-security-policy"].startswith("sandbox;")
    assert asked.headers["x-content-type-options"] == "nosniff"
    assert "frame-ancestors 'self'" in Asked(visitors, "GET", "/").headers["content-security-policy"]


def test_a_page_is_present_while_it_holds_a_stream(visitors: Visitors) -> None:
    seen: list[int] = []

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(visitors.of("abc123").streams)
        await PlainTextResponse("behind")(scope, receive, send)

    status(visitors, "GET", HEARTBEAT, app=stream)
    status(visitors, "GET", "/gradio_api/queue/data", query="session_hash=abc123", app=stream)
    status(visitors, "GET", "/config", app=stream)
    assert seen == [1, 1, 0]
    assert visitors.of("abc123").streams == 0


def test_a_request_that_fails_is_one_line(visitors: Visitors, capsys: pytest.CaptureFixture[str]) -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("forged\nline")

    assert status(visitors, "POST", CALL, app=fails) == 500
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "KeyError" in error


def test_sign_in_attempts_are_made_one_at_a_time_and_slowed_down(visitors: Visitors) -> None:
    under_way, most, answers = 0, 0, [400, 400, 200, 400]
    pauses: list[float] = []

    async def login(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        assert (await receive())["body"] == b"password"
        await asyncio.sleep(0)
        under_way -= 1
        await PlainTextResponse("", answers.pop())(scope, receive, send)

    async def attempts() -> None:
        guard = Guard(login, LOCAL, visitors, guess_pause_s=0.001)
        pause = asyncio.sleep

        async def counted(seconds: float) -> None:
            pauses.append(seconds)
            await pause(0)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/login",
            "query_string": b"",
            "headers": [(b"content-length", b"8")],
        }

        async def receive() -> Message:
            return {"type": "http.request", "body": b"password"}

        async def send(message: Message) -> None:
            pass

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("depdis_demo.guard.asyncio.sleep", counted)
            await asyncio.gather(*(guard(scope, receive, send) for _ in range(4)))

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, attempts()).result()
    assert most == 1
    assert pauses.count(0.001) == 3
