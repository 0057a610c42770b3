"""Addresses of servers: names of this machine, the Host header, root paths, listening sockets."""

from __future__ import annotations

import ipaddress
import os
import re
import socket

from .command import InputError, UsageError

_HOST = re.compile(r"(?:\[(?P<address>[^\[\]]*)\]|(?P<name>[^:\[\]]*))(?::\d*)?")
_ROOT_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+")


def is_local(host: str) -> bool:
    """Return whether a host name or address reaches this machine only."""
    if host.lower().removesuffix(".") == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Return the name in a `Host` header in lower case, without port and brackets; empty if it is malformed."""
    found = _HOST.fullmatch(header)
    return "" if found is None else (found["address"] or found["name"] or "").lower()


def check_root_path(path: str) -> None:
    """Check a path prefix under which a proxy publishes a server; empty for none.

    Raises:
        UsageError: It is malformed.
    """
    if path and (not _ROOT_PATH.fullmatch(path) or {".", ".."} & set(path.split("/"))):
        raise UsageError(
            f"--root-path {path[:80]!r}: expected a path that starts with / and consists of letters, digits "
            "and . _ ~ -, such as /depdis"
        )


def listen(host: str, port: int) -> socket.socket:
    """Return a listening socket; port 0 selects a free port.

    Raises:
        InputError: The address cannot be listened on.
    """
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        return socket.create_server(address, family=family, backlog=1024)
    except (OSError, UnicodeError) as error:
        # The error's own text repeats the address; a name that is not found has a negative number.
        number = getattr(error, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else str(error)
        raise InputError(
            f"cannot listen on {host}:{port} ({reason}); choose another --port or --host"
        ) from None


def url_of(listening: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listening.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
