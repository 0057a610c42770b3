"""Gradio's routes that the page uses; all others are closed."""

from __future__ import annotations

import re
from typing import NamedTuple

MOST_BYTES = 4_000_000  # of a call of a server function: a camera's frame is the largest
_EVENT_BYTES = 200_000
_LOGIN_BYTES = 10_000
_FORM_BYTES = 100_000  # of an upload, around its file
_READ = ("GET", "HEAD")
_FILE = "/gradio_api/file="
SESSION = r"[A-Za-z0-9_-]{1,64}"


class Route(NamedTuple):
    """Methods and the largest body in bytes of one kind of request."""

    kind: str
    methods: tuple[str, ...]
    most_bytes: int


def table(most_upload: int) -> list[tuple[re.Pattern[str], Route]]:
    """Return the open routes; `most_upload` is the size of the largest file in bytes."""
    upload_bytes = most_upload + _FORM_BYTES
    return [
        (re.compile(pattern), route)
        for pattern, route in (
            (r"/", Route("page", _READ, 0)),
            (r"/(assets|static)/.+", Route("asset", _READ, 0)),
            (r"/(theme\.css|favicon\.ico|robots\.txt)", Route("asset", _READ, 0)),
            (r"/config/?", Route("config", _READ, 0)),
            (r"/gradio_api/(info|app_id)/?", Route("config", _READ, 0)),
            (rf"{_FILE}.+", Route("file", _READ, 0)),
            (rf"/gradio_api/heartbeat/{SESSION}", Route("heartbeat", ("GET",), 0)),
            (r"/gradio_api/queue/data", Route("events", ("GET",), 0)),
            (r"/gradio_api/upload/?", Route("upload", ("POST",), upload_bytes)),
            (r"/gradio_api/component_server/?", Route("call", ("POST",), MOST_BYTES)),
            (r"/gradio_api/(queue/join|run/predict)", Route("call", ("POST",), _EVENT_BYTES)),
            (r"/login/?", Route("login", ("POST",), _LOGIN_BYTES)),
        )
    ]


def file_of(path: str) -> str:
    """Return the file that a path of kind `file` names."""
    return path.removeprefix(_FILE)


def is_session(text: str) -> bool:
    """Return whether a text can be a session's name."""
    return re.fullmatch(SESSION, text) is not None
