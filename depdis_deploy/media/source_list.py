"""Text lists of sources, from a file or from stdin."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from depdis_deploy.address import has_credentials
from depdis_deploy.command import InputError
from depdis_deploy.text_encoding import decode_text

from .file_kinds import kind_by_suffix, kind_of
from .source import Source
from .source_checks import names_address

_MOST_LIST_BYTES = 64 * 2**20


def text_of_stdin() -> str:
    if sys.stdin is None or sys.stdin.isatty():
        raise InputError("-: expected a list of paths on stdin; pipe one in: ls *.png | depdis-infer -")
    stream = getattr(sys.stdin, "buffer", sys.stdin)  # a program may have put a text stream there
    data = stream.read(_MOST_LIST_BYTES + 1)
    return data if isinstance(data, str) else _text(data, "the list on stdin")


def text_of_list(path: Path) -> str:
    if not path.is_file():
        raise InputError(f"{path}: expected a text list in a file; pipe it to `-` instead")
    if path.stat().st_size == 0:
        raise InputError(f"{path} holds no path; expected one path a line")
    with path.open("rb") as file:
        return _text(file.read(_MOST_LIST_BYTES + 1), str(path))


def _text(data: bytes, what: str) -> str:
    if len(data) > _MOST_LIST_BYTES:
        raise InputError(f"{what}: a list has at most {_MOST_LIST_BYTES // 2**20} MiB; split it")
    return decode_text(data, what, errors="surrogateescape")  # names of an old encoding


def listed(text: str, group: str, folder: Path | None, what: str) -> list[Source]:
    """One path a line, as seen from the working folder or else from the list's; blank lines and # left out.

    An entry that cannot be read is a source all the same, whose error is raised when it is its turn.
    """
    lines = (line.strip() for line in re.split(r"[\r\n]", text))
    found = [_entry(line, group, folder) for line in lines if line and not line.startswith("#")]
    if not found:
        raise InputError(f"{what} holds no path; expected one path a line")
    return found


def _entry(line: str, group: str, folder: Path | None) -> Source:
    if names_address(line):
        return Source("stream", line)
    path = Path(line)
    status = _status(path)
    if status is None and folder is not None and (status := _status(folder / path)) is not None:
        path = folder / path
    if status is not None:
        return Source(kind_of(path, status), str(path), group)
    if has_credentials(line):  # an address without its scheme
        return Source("stream", line)
    return Source(kind_by_suffix(path), str(path), group)


def _status(path: Path) -> os.stat_result | None:
    """None where there is no such file, and for a name that cannot be one."""
    try:
        return path.stat()
    except (OSError, ValueError):
        return None
