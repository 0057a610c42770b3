"""What is refused before Gradio sees it: to fetch from other machines, and bodies that no page sends."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BYTES = 4_000_000  # of a request that is no upload: a camera's frame is the largest


class Guard:
    """An ASGI layer around the page.

    Gradio's file route would fetch an address that it is given, which makes the server a way into other
    machines; here nothing but its own files is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403 or 413 for what is refused, and hand on the rest."""
        refusal = _refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        status, text = refusal
        await PlainTextResponse(text, status)(scope, receive, send)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    path = scope["path"]
    target = path.partition("/file=")[2].lower()
    if target and not target.startswith("/"):
        return 403, "only files of this server are served"
    if scope["method"] == "POST" and not path.rstrip("/").endswith("/upload"):
        length = dict(scope["headers"]).get(b"content-length", b"0")
        if not length.isdigit() or int(length) > MOST_BYTES:
            return 413, "too large"
    return None
