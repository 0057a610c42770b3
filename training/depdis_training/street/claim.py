"""A folder of generated data held by one process: what it is of, and what of it is finished."""

from __future__ import annotations

import fcntl
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole

_DESCRIPTION = "street.json"
_FINISHED = "street.finished"  # a line for each finished picture: its stem and its focal length in pixels
# What only writes files; a change of it changes no picture.
_NOT_GENERATOR = ("claim.py", "writer.py", "formats.py", "drive_writer.py")


def generator_version() -> str:
    """Twelve hexadecimal digits of the generator's source: sets of different versions are not mixed."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in _NOT_GENERATOR:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]


@dataclass(frozen=True)
class Claim:
    """A folder held by this process. finished: its list of finished pictures, open to read and append."""

    root: Path
    finished: IO[str]
    same_generator: bool

    def require_same_generator(self) -> None:
        """Raise InputError where something is to be drawn into a set that another version began.

        A finished one is of use whatever the version: a training that goes on wants the very same pictures.
        """
        if not self.same_generator:
            raise InputError(
                f"{self.root} was begun by another version of the generator; "
                "give a new folder, or remove this one"
            )


@contextmanager
def claimed(root: Path, description: Mapping[str, object]) -> Iterator[Claim]:
    """Hold a folder for this process alone.

    An empty or missing folder becomes one of this description; one that holds the same is taken up again; any
    other is refused with InputError, as is one that another process holds.
    """
    wanted = json.loads(json.dumps({**description, "generator": generator_version()}))
    same_generator = True
    if (root / _DESCRIPTION).exists():
        same_generator = _compared(root, wanted)
    elif root.exists() and any(root.iterdir()):
        raise InputError(f"{root} holds something that is no street set; give a new or an empty folder")
    else:
        write_files(root, {_DESCRIPTION: (json.dumps(wanted, indent=1) + "\n").encode()})
    with (root / _FINISHED).open("a+", encoding="utf-8") as finished:
        try:
            fcntl.flock(finished, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"{root} is being written by another process; wait for it to end") from None
        for left in root.rglob(".*.part.*"):
            left.unlink()
        yield Claim(root, finished, same_generator)


def _compared(root: Path, wanted: Mapping[str, object]) -> bool:
    """Whether the folder's set is also of the same generator; InputError where it is not the wanted one."""
    try:
        found = json.loads((root / _DESCRIPTION).read_text(encoding="utf-8"))
        differing = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    except (ValueError, TypeError):
        raise InputError(
            f"{root / _DESCRIPTION} is not this command's; give a new or an empty folder"
        ) from None
    if set(differing) - {"generator"}:
        raise InputError(
            f"{root} holds another street set (of other {', '.join(differing)}); "
            "give a new folder, or remove this one"
        )
    return not differing


def write_files(root: Path, contents: dict[str, bytes]) -> None:
    """Each file below `root` whole, its folders made as needed."""
    for name, content in contents.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as temporary:
            temporary.write_bytes(content)
