"""What the page's guard hands on, by the head of a request."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Message, Scope

from depdis_demo.guard import MOST_BYTES, UPLOAD, Guard

UPLOADED = 20_000_000
LARGE, CHUNKED = {"content-length": str(UPLOADED)}, {"transfer-encoding": "chunked"}


def answer(path: str, headers: dict[str, str], root: str = "") -> int:
    """The status for the head of a request; 200 is from behind the guard."""
    scope: Scope = {
        "type": "http", "method": "POST", "path": path, "root_path": root,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    said: list[Message] = []

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        said.append(message)

    # in a thread of its own: the browser's tests have a loop running in this one
    with ThreadPoolExecutor(1) as thread:
        guard = Guard(PlainTextResponse("behind"), most_upload=UPLOADED)
        thread.submit(asyncio.run, guard(scope, receive, send)).result()
    return int(said[0]["status"])


@pytest.mark.parametrize(
    ("path", "root"),
    [(UPLOAD, ""), (f"{UPLOAD}/", ""), (f"/demo{UPLOAD}", "/demo"), (UPLOAD, "/demo"), (f"/a{UPLOAD}/", "/a/")],
)
def test_an_upload_may_be_as_large_as_a_file_of_the_limit_and_no_larger(path: str, root: str) -> None:
    assert answer(path, LARGE, root) == 200
    assert answer(path, {"content-length": str(UPLOADED + 1_000_000)}, root) == 413
    assert answer(path, CHUNKED, root) == 411


@pytest.mark.parametrize("path", ["/gradio_api/run/upload", f"/x{UPLOAD}", f"{UPLOAD}/x", "/demo", "/upload"])
@pytest.mark.parametrize("root", ["", "/demo"])
def test_a_large_body_is_taken_nowhere_else(path: str, root: str) -> None:
    assert answer(path, LARGE, root) == 413
    assert answer(path, {"content-length": "1e3"}, root) == 413
    assert answer(path, CHUNKED, root) == 411
    assert answer(path, {"content-length": str(MOST_BYTES)}, root) == 200
    assert answer(path, {}, root) == 200


@pytest.mark.parametrize("foreign", ["http://127.0.0.1/", "HTTPS://example.org", "a.png", "../x", "//x/../y"])
def test_only_a_path_of_this_server_is_a_file(foreign: str) -> None:
    wanted = 200 if foreign.startswith("/") else 403
    assert (
        answer(f"/gradio_api/file={foreign}", {}) == answer(f"/d/gradio_api/file={foreign}", {}, "/d") == wanted
    )
