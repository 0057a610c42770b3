"""Checks that a source can be opened: accepted addresses, regular files with content."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from depdis_deploy.address import fault_of, is_address
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import is_there

from .source import Source

STREAM_SCHEMES = ("rtsp", "rtsps")


def names_address(word: str) -> bool:
    return is_address(word) and not is_there(Path(word))


def require_accepted(address: str) -> None:
    if (fault := _fault(address)) is not None:
        raise InputError(fault)


def _fault(address: str) -> str | None:
    return fault_of(address, STREAM_SCHEMES)


def require_ends(sources: Sequence[Source], fix: str) -> None:
    """Check that a camera or stream, which does not end by itself, comes after all other sources.

    Args:
        sources: In the order in which they are read, one after the other.
        fix: The advice in the error, after "start one process per camera".

    Raises:
        UsageError: A source would never be read.
    """
    for source, following in pairwise(sources):
        if source.kind == "camera" or (source.kind == "stream" and _fault(source.location) is None):
            raise UsageError(
                f"{_shown(following)}: would never be read, because {_shown(source)} before it does not end; "
                f"start one process per camera{fix}"
            )


def _shown(source: Source) -> str:
    return f"camera {source.label}" if source.kind == "camera" else source.label


def require_readable(source: Source) -> None:
    """Check that opening a source neither fails because of its kind nor waits for another program.

    A named pipe is read only where it is the user's own word, not as an entry of a list, glob or folder.

    Raises:
        InputError: It is an address that is not accepted, or no file with content.
    """
    if source.kind == "stream":
        require_accepted(source.location)
    if source.live:
        return
    try:
        status = os.stat(source.location)
    except OSError as error:
        raise InputError(f"{source.location}: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{source.location}: a path has no NUL byte; expected one path a line") from None
    if not stat.S_ISFIFO(status.st_mode) or source.group is not None:
        require_content(source.location, status)
    if source.location.lower().endswith(".txt"):
        raise InputError(f"{source.location}: a list in a list is not read; name it on the command line")


def require_content(name: str, status: os.stat_result) -> None:
    """Check for a regular file that is not empty. A file of /proc is empty by its status, and may block."""
    kinds = (
        (stat.S_ISDIR, "folder"),
        (stat.S_ISFIFO, "named pipe"),
        (stat.S_ISSOCK, "socket"),
        (stat.S_ISCHR, "terminal or other device"),
        (stat.S_ISBLK, "block device"),
    )
    for is_kind, kind in kinds:
        if is_kind(status.st_mode):
            hint = "; name the pipe itself on the command line" if kind == "named pipe" else ""
            raise InputError(f"{name}: expected an image or a video, got a {kind}{hint}")
    if status.st_size == 0:
        raise InputError(f"{name}: the file is empty; expected an image or a video")
