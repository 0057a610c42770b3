"""Host names and addresses that reach only this machine."""

from __future__ import annotations

import ipaddress
import re


def is_local(host: str) -> bool:
    """Return whether a host name or address reaches this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_name(header: str) -> str:
    """Return the name in a `Host` header in lower case, without port and brackets."""
    name = header.rpartition(":")[0] if re.search(r":\d*$", header) else header
    return name.strip("[]").lower()
