"""Server settings and the limits that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import UsageError
from depdis_deploy.listening import check_root_path, is_local

KEY_VARIABLE = "DEPDIS_API_KEY"
MAX_PIXELS = 16_000_000  # twice 4K
MAX_BYTES = 32 * 2**20
_MAX_WORKERS = 8
_GPU_WORKERS = 2  # one image is copied while the other is computed
_NPZ_BYTES_PER_PIXEL = 13  # uint8 labels and three float32 maps
_RESPONSE_OVERHEAD = 2**17
_MIN_RESPONSE_BYTES = 512 * 2**20


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Settings of one server.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 selects a free one.
        root_path: Path prefix under which a proxy publishes the server, such as `/depdis`; empty for none.
        api_key: Bearer token that requests must carry; None disables the check.
        workers: Images predicted in parallel.
        queue: Images that may wait for a worker; further ones are rejected.
        max_bytes: Largest request body, in bytes.
        max_pixels: Largest image, in pixels.
        timeout_s: Seconds for a request to arrive, and between two checks that a client reads its response at
            the minimum rate.
        connections: Open connections.
        drain_s: Seconds that requests in progress may take after a signal to stop.
        response_bytes: Memory for responses that clients have not read yet, in bytes; None derives it from
            `workers` and `max_pixels`.

    Raises:
        UsageError: The host is reachable from other machines without a key, or the root path is malformed.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    root_path: str = ""
    api_key: str | None = None
    workers: int = 1
    queue: int = 16
    max_bytes: int = MAX_BYTES
    max_pixels: int = MAX_PIXELS
    timeout_s: float = 20.0
    connections: int = 500
    drain_s: float = 30.0
    response_bytes: int | None = None

    def __post_init__(self) -> None:
        if self.api_key is None and not is_local(self.host):
            raise UsageError(
                f"--host {self.host} is reachable from other machines: set {KEY_VARIABLE} to a secret that "
                "clients must send (Authorization: Bearer ...), or listen on 127.0.0.1"
            )
        check_root_path(self.root_path)

    @property
    def max_response_bytes(self) -> int:
        """Memory for responses that clients have not read yet, in bytes."""
        if self.response_bytes is not None:
            return self.response_bytes
        # One of the largest responses per worker, and one more that a client is reading.
        largest = _NPZ_BYTES_PER_PIXEL * self.max_pixels + _RESPONSE_OVERHEAD
        return max(_MIN_RESPONSE_BYTES, (self.workers + 1) * largest)


def most_at_once(device: str) -> int:
    """Return how many images to predict in parallel: as many single-threaded calls as there are cores."""
    # Several single-threaded calls have a higher throughput than one multi-threaded call.
    return min(cores(), _MAX_WORKERS) if device in ("auto", "cpu") else _GPU_WORKERS


def key_from(environment: Mapping[str, str]) -> str | None:
    """Return the API key from environment variables, None if there is none.

    Raises:
        UsageError: The key cannot be sent as a header.
    """
    key = environment.get(KEY_VARIABLE, "")
    if not key:
        return None
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(
            f"{KEY_VARIABLE}: expected printable ASCII without spaces, such as `openssl rand -hex 32`"
        )
    return key
