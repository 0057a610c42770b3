"""The page for others: a password, a reverse proxy, and requests that other sites' pages send."""

from __future__ import annotations

import http.client
import json
import secrets
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from browsing import PATIENCE_MS
from PIL import Image
from playwright.sync_api import Browser, Page, expect
from reverse_proxy import proxied

from depdis_demo.process import started

PASSWORD = "correct horse"
UPLOAD = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\nsent\r\n--x--\r\n'


@pytest.fixture(scope="module")
def public() -> Iterator[str]:
    """The address of a server with a password and a root path."""
    with started("--auth", f"anna:{PASSWORD}", "--root-path", "/depdis") as served:
        yield served.address


def sign_in(page: Page, password: str) -> None:
    page.get_by_label("Username").fill("anna")
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Login").click()


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def asked(server: str, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, bytes]:
    """Status and text of an answer; `sec_fetch_site` is the header Sec-Fetch-Site."""
    connection = http.client.HTTPConnection(urlsplit(server).netloc, timeout=PATIENCE_MS / 1000)
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body or None, given)
    answer = connection.getresponse()
    found = answer.status, answer.read()
    connection.close()
    return found


def test_rejects_other_host_names(server: str) -> None:
    for method, route in (("GET", "/"), ("POST", "/gradio_api/upload"), ("GET", "/gradio_api/heartbeat/a")):
        answer, text = asked(server, method, route, host="evil.test:7860")
        assert answer == 421
        assert b"evil.test:7860" in text


def test_rejects_requests_of_other_sites(server: str) -> None:
    form = {"content_type": "multipart/form-data; boundary=x"}
    sent, path = asked(server, "POST", "/gradio_api/upload", UPLOAD, **form)
    folder = Path(json.loads(path)[0]).parent.parent
    assert sent == 200
    files = sorted(folder.rglob("*"))
    foreign = {"origin": "https://evil.test"}, {"origin": "null"}, {"sec_fetch_site": "cross-site"}
    for headers in foreign:
        changed = UPLOAD.replace(b"sent", b"evil")
        assert asked(server, "POST", "/gradio_api/upload", changed, **form, **headers)[0] == 403
        assert asked(server, "POST", "/gradio_api/queue/join", b"{}", **headers)[0] == 403
        assert asked(server, "GET", "/config", **headers)[0] == 403
    link = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "sec_fetch_dest": "document"}
    assert asked(server, "GET", "/", **link)[0] == 200
    assert asked(server, "POST", "/gradio_api/upload", UPLOAD, **form, origin=server.rstrip("/"))[0] == 200
    assert sorted(folder.rglob("*")) == files


def heard(server: str, **changes: Any) -> dict[str, Any]:
    """The last message to a session about its event."""
    session = secrets.token_hex(8)
    event = {"data": ["bundled"], "event_data": {}, "fn_index": 0, "session_hash": session, **changes}
    kind = {"content_type": "application/json"}
    assert asked(server, "POST", "/gradio_api/queue/join", json.dumps(event).encode(), **kind)[0] == 200
    messages = asked(server, "GET", f"/gradio_api/queue/data?session_hash={session}")[1].decode()
    found = [json.loads(line.removeprefix("data: ")) for line in messages.splitlines() if line]
    return next(message for message in found if message["msg"] == "process_completed")


def test_an_event_that_makes_no_sense_is_no_traceback(server: str) -> None:
    kind = {"content_type": "application/json"}
    for body in (b"{", b"[]", b"{}", b'{"data": [], "fn_index": 999, "session_hash": "a"}'):
        for route in ("queue/join", "run/predict", "component_server"):
            assert asked(server, "POST", f"/gradio_api/{route}", body, **kind)[0] >= 400
    for changes in ({"data": []}, {"data": ["missing"]}, {"event_data": {"path": "\0"}}, {"trigger_id": 999}):
        output = heard(server, **changes)["output"]
        text = str(output["data"][0]["text"] if "data" in output else output["error"])
        assert text in (
            "The request failed; the server's log says why.",
            "the upload did not arrive; choose the file again",
        )
    # the server fixture fails at its end if it finds a traceback


@pytest.mark.parametrize("place", ["data", "event_data"])
def test_an_event_cannot_name_a_file_of_the_server(server: str, tmp_path: Path, place: str) -> None:
    Image.new("RGB", (64, 32)).save(tmp_path / "private.png")
    form = {"content_type": "multipart/form-data; boundary=x"}
    uploads = Path(json.loads(asked(server, "POST", "/gradio_api/upload", UPLOAD, **form)[1])[0]).parent.parent
    file = {"path": str(tmp_path / "private.png"), "meta": {"_type": "gradio.FileData"}}
    event = {
        "data": [file if place == "data" else "bundled"],
        "event_data": {"example": "fog", "asked": file if place == "event_data" else 1},
        "fn_index": 0,
        "session_hash": secrets.token_hex(8),
    }
    status, _ = asked(
        server, "POST", "/gradio_api/queue/join", json.dumps(event).encode(), content_type="application/json"
    )
    if status == 200:
        asked(server, "GET", f"/gradio_api/queue/data?session_hash={event['session_hash']}")
    assert list(uploads.rglob("private.png")) == []
    assert status == 422


def test_a_password_is_asked_and_nothing_is_given_without_it(browser: Browser, public: str) -> None:
    for address in (
        "gradio_api/info",
        "config",
        "gradio_api/file=/etc/passwd",
        "gradio_api/queue/data?session_hash=a",
    ):
        assert status(public + address) == 401
    for path in ("upload", "queue/join", "component_server", "run/predict"):
        kind = {"content_type": "application/json"}
        call = b'{"data": [], "session_hash": "a"}'
        assert asked(public, "POST", f"/depdis/gradio_api/{path}", call, **kind)[0] == 401
    with browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.goto(public)
        sign_in(page, "wrong")
        expect(page.get_by_text("Incorrect")).to_be_visible()
        expect(page.get_by_label("Username")).to_have_value("")  # Gradio empties the form
        expect(page.get_by_role("tab", name="Picture")).to_be_hidden()
        sign_in(page, PASSWORD)
        page.get_by_role("button", name="Dusk").click()
        expect(page.get_by_role("heading", name="Dusk")).to_be_visible()


@pytest.mark.parametrize("strips", [True, pytest.param(False, marks=pytest.mark.long)])
def test_serves_below_the_path_of_a_proxy(browser: Browser, public: str, tmp_path: Path, strips: bool) -> None:
    Image.new("RGB", (320, 180), (90, 120, 150)).save(tmp_path / "a.png")
    upstream = public.removesuffix("depdis/")
    with proxied(upstream, "/depdis", strips=strips) as address, browser.new_context() as context:
        page = context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        outside: list[str] = []
        page.on(
            "request",
            lambda request: (
                None if request.url.startswith((address, "data:", "blob:")) else outside.append(request.url)
            ),
        )
        page.goto(address)
        sign_in(page, PASSWORD)
        page.get_by_label("Choose a picture").set_input_files(tmp_path / "a.png")
        expect(page.get_by_role("heading", name="a.png")).to_be_visible()
        with page.expect_download() as waiting:
            page.get_by_role("button", name="Labels, palette PNG").click()
        with Image.open(waiting.value.path()) as labels:
            assert labels.size == (320, 180)
        assert outside == []
