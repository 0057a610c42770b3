"""Which engines were built here: an engine is code, and code of others is not to be loaded unasked.

A note of each built engine's hash lies in the user's own cache, which nobody else may write to. A file that
came from elsewhere has no note there, whatever lies beside it.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from depdis_deploy.files import written_whole

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def cache_folder() -> Path:
    """This user's cache of this package, which may not exist yet; FileNotFoundError where there is no home."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    if not os.path.isabs(base):  # it would be another one in every folder, also in those of others
        raise FileNotFoundError(f"{base} is no place for a cache")
    return Path(base) / "depdis"


def remember(engine_sha256: str, path: Path) -> bool:
    """Note that an engine was built here; False where the cache cannot be written to."""
    with suppress(OSError):
        folder = cache_folder() / "engines"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if _own(folder):
            with written_whole(folder / engine_sha256) as note:
                note.write_text(f"{path.resolve()}\n", "utf-8")
                note.chmod(0o600)
            return True
    return False


def built_here(engine_sha256: str) -> bool:
    """Whether this user has built the engine of that hash on this machine."""
    with suppress(OSError):  # none, or not to be read
        note = cache_folder() / "engines" / engine_sha256
        return note.is_file() and _own(note) and _own(note.parent)
    return False


def own_bytes(name: str) -> bytes:
    """The bytes of the cache's file of that name; none where it is missing or others may have written it."""
    with suppress(OSError):
        path = cache_folder() / name
        if _own(path) and _own(path.parent):
            return path.read_bytes()
    return b""


def keep_bytes(name: str, data: bytes) -> None:
    """Keep a file in the cache, where that can be written to."""
    with suppress(OSError):
        path = cache_folder() / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            temporary.write_bytes(data)
            temporary.chmod(0o600)


def _own(path: Path) -> bool:
    if not hasattr(os, "geteuid"):
        return True  # a user's folder on Windows is that user's by its access list
    facts = path.lstat()
    return facts.st_uid == os.geteuid() and not facts.st_mode & _OTHERS_MAY_WRITE
