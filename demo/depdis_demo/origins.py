"""Names under which browsers may reach the server, and pages that may send it requests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from depdis_deploy.listening import host_name, is_local

from .settings import Settings

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?")
_OWN_SITE = ("", "same-origin", "none")  # of Sec-Fetch-Site; clients that are no browsers send none


class Origins:
    """Protection from DNS rebinding and from requests that other sites' pages send.

    Without a password, a page could reach the server under a name that its own site resolves to this machine.
    With one, such a name has no sign-in cookie.
    """

    def __init__(self, settings: Settings) -> None:
        self._names = settings.allow_hosts
        self._any_name = settings.auth is not None and not settings.allow_hosts

    def host_fault(self, headers: Mapping[bytes, bytes]) -> str | None:
        """Return why the `Host` header, or the one that a proxy received, is rejected, or None."""
        host = headers.get(b"host", b"localhost").decode("latin-1")
        forwarded = headers.get(b"x-forwarded-host", b"localhost").decode("latin-1").partition(",")[0].strip()
        for given in (host, forwarded):
            if not _HOST.fullmatch(given):  # an event whose address Gradio cannot parse never ends
                return f"Host {given[:80]!r}: expected a name, and a port if there is one"
        name = host_name(host)
        if self._any_name or is_local(name) or name in self._names:
            return None
        return (
            f"Host {host[:80]!r}: expected this machine's own address, such as 127.0.0.1. Behind a proxy, "
            "start depdis-demo with --allow-host NAME"
        )

    def sender_fault(self, headers: Mapping[bytes, bytes], *, opens_page: bool) -> str | None:
        """Return why the page that sends a request is rejected, or None.

        Args:
            headers: The request's headers, names in lower case.
            opens_page: Whether the request asks for the page itself, to which other sites may link.
        """
        site = headers.get(b"sec-fetch-site", b"").decode("latin-1").lower()
        linked = opens_page and headers.get(b"sec-fetch-dest") == b"document"
        if site not in _OWN_SITE and not linked:
            return f"Sec-Fetch-Site {site[:20]!r}: expected a request from this server's own page"
        origin = headers.get(b"origin")
        if origin is not None and not self._is_own(origin.decode("latin-1"), headers.get(b"host", b"")):
            return f"Origin {origin[:80].decode('latin-1')!r}: expected this server's own page"
        return None

    def _is_own(self, origin: str, host: bytes) -> bool:
        """Return whether an origin is this server; its scheme may differ, since a proxy may add TLS."""
        try:
            parts = urlsplit(origin)
            name, port = parts.hostname or "", parts.port
            own = urlsplit(f"//{host.decode('latin-1')}")
            own_name, own_port = own.hostname or "", own.port
        except ValueError:
            return False
        if parts.scheme not in _DEFAULT_PORTS or not name:
            return False
        if name in self._names:
            return True
        default = _DEFAULT_PORTS[parts.scheme]
        return name == own_name and (port or default) == (own_port or default)
