"""What a server is started with, and the borders that follow from it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import UsageError

KEY_VARIABLE = "DEPDIS_API_KEY"
# Twice 4K. On its way such a picture takes 160 MB for JSON, 600 MB for a quad, 800 MB for its maps as arrays.
MAX_PIXELS = 16_000_000
MAX_BYTES = 32 * 2**20
_MOST_WORKERS = 8
_GPU_WORKERS = 2  # one is copied for while the other is computed


@dataclass(frozen=True, kw_only=True)
class Settings:
    """host, port: where to listen; 0 takes a free port.

    api_key: what requests must carry as bearer token; None: nothing.
    workers: requests predicted at once; queue: how many more may wait, beyond which they are refused.
    max_bytes, max_pixels: of one picture. timeout_s: within which a request's body must have arrived, and after
    which a connection that sends no request, or does not take its answer, is cut. connections: open at once.
    drain_s: how long requests under way may still take once the server is to end.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    api_key: str | None = None
    workers: int = 1
    queue: int = 16
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    timeout_s: float = 20.0
    connections: int = 500
    drain_s: float = 30.0

    def __post_init__(self) -> None:
        if self.api_key is None and not is_local(self.host):
            raise UsageError(
                f"--host {self.host} can be reached from other machines: set {KEY_VARIABLE} to a secret that "
                "clients must send (Authorization: Bearer ...), or listen on 127.0.0.1"
            )


def most_at_once(device: str) -> int:
    """How many pictures to predict at once: as many calls of one thread as there are cores."""
    # Together they do more than one call of several threads, and none waits for another's.
    return min(cores(), _MOST_WORKERS) if device in ("auto", "cpu") else _GPU_WORKERS


def is_local(host: str) -> bool:
    """Whether an address reaches this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def key_from(environment: Mapping[str, str]) -> str | None:
    """The API key of the environment; UsageError where it cannot be sent as a header."""
    key = environment.get(KEY_VARIABLE, "")
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"{KEY_VARIABLE}: expected printable ASCII without spaces, such as `openssl rand -hex 32`"
        )
    return key
