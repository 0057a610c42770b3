"""What is refused before Gradio sees it: to fetch from other machines, and bodies that no page sends."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

MOST_BYTES = 4_000_000  # of a request that is no upload: a camera's frame is the largest
UPLOAD = "/gradio_api/upload"
_FORM = 100_000  # of an upload, around its file


class Guard:
    """An ASGI layer around the page.

    Gradio's file route would fetch an address that it is given, which makes the server a way into other
    machines; here nothing but its own files is served. Of an upload Gradio limits each file, but neither
    their number nor what else is in the form, and of other requests nothing.

    most_upload: bytes of the one file that the page sends at a time.
    """

    def __init__(self, app: ASGIApp, most_upload: int) -> None:
        self.app, self.most_upload = app, most_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, 411 or 413 for what is refused, and hand on the rest."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        if refusal is None:
            await self.app(scope, receive, send)
            return
        status, text = refusal
        await PlainTextResponse(text, status)(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        path = _route(scope)
        target = path.partition("/file=")[2].lower()
        if target and not target.startswith("/"):
            return 403, "only files of this server are served"
        headers = dict(scope["headers"])
        if b"transfer-encoding" in headers:
            return 411, "a body of unknown length"
        most = self.most_upload + _FORM if path.removesuffix("/") == UPLOAD else MOST_BYTES
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > most:
            return 413, "too large"
        return None


def _route(scope: Scope) -> str:
    """The path below that of a proxy, which may have taken its own off or not."""
    path, root = str(scope["path"]), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path
