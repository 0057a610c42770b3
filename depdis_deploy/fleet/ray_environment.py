"""What Ray reads from the environment: a private local cluster, and the token of one that exists.

It has to be set before Ray is imported.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

LOCAL = "local"  # an address, to Ray too
_REACHED_S = 10.0
_MOST_TEMPORARY = 16  # characters; Ray's sockets lie 90 deeper, and their names have at most 107 (104 on macOS)


def chosen_address(given: str | None) -> str:
    """Return the address of the cluster to use: `given`, RAY_ADDRESS, this user's on this machine, or LOCAL.

    The processes of other users, and local clusters of other commands, are no candidates.
    """
    return given or os.environ.get("RAY_ADDRESS") or _own_cluster() or LOCAL


def reach(address: str) -> None:
    """Connect to HOST:PORT and hang up.

    Raises:
        OSError: Nothing listens, which Ray would try for many minutes.
        ValueError: Not HOST:PORT.
    """
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise ValueError("it is no HOST:PORT")
    socket.create_connection((host.strip("[]"), int(port)), _REACHED_S).close()


def _own_cluster() -> str | None:
    """The address that `ray start` of this user has left on this machine, if something listens there."""
    file = _ray_folder() / "ray" / "ray_current_cluster"
    try:
        status = file.lstat()
        if not stat.S_ISREG(status.st_mode) or (hasattr(os, "geteuid") and status.st_uid != os.geteuid()):
            return None
        address = file.read_text("utf-8").strip()
        reach(address)
    except (OSError, ValueError):
        return None
    return address


def _ray_folder() -> Path:
    """Where Ray keeps its folder `ray`."""
    if "RAY_TMPDIR" in os.environ:
        return Path(os.environ["RAY_TMPDIR"])
    if sys.platform == "darwin":
        return Path("/tmp")
    return Path(tempfile.gettempdir())


@contextmanager
def environment_of(address: str) -> Iterator[Path | None]:
    """Set what a cluster needs, for the block; gives the folder for Ray's files of a local one.

    A local cluster has a folder and a token of its own, which no other user can read, and listens on the
    loopback interface alone. The mode of one at an address is found out once it is reached.
    """
    # Before Ray is imported: it reports its use otherwise.
    variables: dict[str, str | None] = {
        "RAY_USAGE_STATS_ENABLED": os.environ.get("RAY_USAGE_STATS_ENABLED", "0")
    }
    if address != LOCAL:
        with _set(variables | {"RAY_AUTH_MODE": os.environ.get("RAY_AUTH_MODE")}):
            yield None
        return
    folder = Path(tempfile.mkdtemp(prefix="depdis-ray-", dir=_short_temporary_folder()))  # mode 0700
    try:
        token = folder / "token"
        descriptor = os.open(token, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_hex(32))
        variables |= {
            "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_TOKEN": None,
            "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # on all systems: no other machine can join
        }  # fmt: skip
        with _set(variables):
            yield folder / "ray"  # Ray lets everyone write in its folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def has_unused_token() -> bool:
    """Return whether Ray has a token of this user, and the environment does not say whether to use it."""
    if "RAY_AUTH_MODE" in os.environ:
        return False
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return (Path(path) if path else Path.home() / ".ray" / "auth_token").is_file()


def _short_temporary_folder() -> str | None:
    """None: Python's own."""
    folder = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    return "/tmp" if len(folder) > _MOST_TEMPORARY and os.access("/tmp", os.W_OK) else folder


@contextmanager
def _set(variables: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables for the block; None removes one."""
    before = {name: os.environ.get(name) for name in variables}
    _put(variables)
    try:
        yield
    finally:
        _put(before)


def _put(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
