"""A folder of generated data held by one process at a time: what it is of, and what of it is finished."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from depdis_deploy.command import InputError
from depdis_deploy.files import written_whole
from depdis_deploy.folder_lock import LOCK_FILE, locked
from depdis_deploy.json_files import read_json, shortened
from depdis_training.speech import say

_DESCRIPTION = "street.json"
_FINISHED = "street.finished"  # a line for each finished picture: its stem and its focal length in pixels
# The description while it is being written, as `written_whole` names it.
_BEGUN = re.compile(r"\.street\.\d+(\.[0-9a-f]+)?\.part\.json")
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
    """Hold a folder for this process alone; while another one holds it this waits, and says so once.

    An empty or missing folder becomes one of this description; one that holds the same is taken up again; any
    other is refused with InputError, at once.
    """
    wanted = json.loads(json.dumps({**description, "generator": generator_version()}))
    _compared(root, wanted)
    root.mkdir(parents=True, exist_ok=True)
    with (
        locked(
            root, waiting=lambda: say(f"{root}: another process is at work on it; waiting until it is done")
        ),
        (root / _FINISHED).open("a+", encoding="utf-8") as finished,
    ):
        found = _compared(root, wanted)
        if found is None:
            write_files(root, {_DESCRIPTION: (json.dumps(wanted, indent=1) + "\n").encode()})
        for left in root.rglob(".*.part.*"):
            left.unlink()
        yield Claim(root, finished, same_generator=found is None or found)


def _compared(root: Path, wanted: Mapping[str, object]) -> bool | None:
    """Whether the folder's set is also of the same generator; None: it holds none yet.

    InputError where it holds another set, or something else.
    """
    # Looked at in this order, since another process may just be beginning here.
    names = {path.name for path in root.iterdir()} if root.exists() else set()
    if not (root / _DESCRIPTION).exists():
        if any(name not in (_FINISHED, LOCK_FILE) and not _BEGUN.fullmatch(name) for name in names):
            raise InputError(f"{root} holds something that is no street set; give a new or an empty folder")
        return None
    try:
        found = read_json(root / _DESCRIPTION, dict)
    except InputError:
        raise InputError(
            f"{root / _DESCRIPTION} is not this command's; give a new or an empty folder"
        ) from None
    differing = [key for key in {**wanted, **found} if wanted.get(key) != found.get(key)]
    if set(differing) - {"generator"}:
        raise InputError(
            f"{root} holds another street set (of other {shortened(', '.join(differing), 100)}); "
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
