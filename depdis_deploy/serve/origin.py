"""Protection of a server without a key from pages of other sites in a browser on the same machine."""

from __future__ import annotations

from collections.abc import Mapping

from depdis_deploy.listening import host_name, is_local

from .refusal import Refused

_PAGES = ("/", "/docs")  # that a link on another site may open


def foreign(method: str, path: str, headers: Mapping[bytes, bytes]) -> Refused | None:
    """Return the error response to a request that a page of another site may have sent, None for others.

    A browser names the page's origin in `Origin` and `Sec-Fetch-Site`; programs send neither. Where a browser
    sends neither, the request's content type is one that needs a preflight request (see `body`).

    Args:
        method: HTTP method.
        path: Path without the root path.
        headers: Headers by name in lower case.
    """
    # HTTP/1.0 has no Host; browsers do not speak it.
    host = headers.get(b"host", b"localhost").decode("latin-1")
    if not is_local(host_name(host)):
        # A site can point its own name to this machine (DNS rebinding).
        return Refused(421, f"Host {host[:80]!r}: expected this machine's own address, such as 127.0.0.1")
    origin = headers.get(b"origin", b"").decode("latin-1")
    if origin and origin.lower() != f"http://{host.lower()}":
        return Refused(403, f"Origin {origin[:80]!r}: pages of other sites cannot use a server without a key")
    site = headers.get(b"sec-fetch-site", b"none").decode("latin-1")
    if site in ("none", "same-origin") or _opens_page(method, path, headers):
        return None
    return Refused(403, f"Sec-Fetch-Site {site[:80]!r}: pages of other sites cannot use a server without a key")


def _opens_page(method: str, path: str, headers: Mapping[bytes, bytes]) -> bool:
    return (
        method == "GET"
        and path in _PAGES
        and headers.get(b"sec-fetch-mode") == b"navigate"
        and headers.get(b"sec-fetch-dest") == b"document"
    )
