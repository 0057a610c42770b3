"""A run over a cluster that can go on after any kill: its list of pictures, and what is done of it.

All lies in one folder within the output folder, on storage that every node sees, and goes when the run has
ended. The list is cut into chunks; a chunk is done once its part is there, which appears whole.
"""

from __future__ import annotations

import json
import os
import shutil
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.files import is_there, make_plain_folder, written_whole
from depdis_deploy.infer_pictures import Done, Entry, fail_output
from depdis_deploy.prediction import Camera, HeightScale
from depdis_deploy.sources import Source
from depdis_deploy.stages import Stages
from depdis_deploy.write_faults import is_disk_fault

_NAME = ".unfinished"
_RUN, _LIST, _PARTS, _LOGS, _WORK = "run.json", "pictures.ndjson", "parts", "logs", "work"
_LAG_S = 30.0  # how long a network's file system may take to show what another node wrote


@dataclass(frozen=True)
class Unfinished:
    """The folder of an unfinished run; it goes to the workers too.

    out: the output folder, absolute. total: how many pictures; size: how many of them a chunk has. base: the
    folder from which relative paths start; None: there is none of them.
    """

    out: Path
    total: int
    size: int
    base: str | None

    @property
    def folder(self) -> Path:
        """Where all of it lies."""
        return self.out / _NAME

    @property
    def chunks(self) -> int:
        """How many chunks there are."""
        return -(-self.total // self.size)

    def count(self, number: int) -> int:
        """How many pictures a chunk has."""
        return min(self.size, self.total - number * self.size)

    def rows(self) -> Iterator[tuple[int, int]]:
        """(number, where it begins in the list) of each chunk that is not done."""
        done = self.done()
        with (self.folder / _LIST).open("rb") as file:
            offset = 0
            for index, line in enumerate(file):
                if index % self.size == 0 and index // self.size not in done:
                    yield index // self.size, offset
                offset += len(line)

    def entries(self, offset: int) -> list[Entry]:
        """The pictures of the chunk that begins there."""
        with (self.folder / _LIST).open("rb") as file:
            file.seek(offset)
            found = [json.loads(line) for line, _ in zip(file, range(self.size), strict=False)]
        return [Entry(Source("picture", location), stem, record) for location, stem, record in found]

    def done(self) -> set[int]:
        """The numbers of the chunks that are done."""
        return {int(path.stem) for path in (self.folder / _PARTS).glob("[0-9]*.ndjson")}

    def log(self, number: int) -> Path:
        """The file in which the attempts at a chunk are written down."""
        return self.folder / _LOGS / f"{number}.log"

    def work_folder(self) -> Path:
        """A new folder for a worker's files before they get their names in the output folder."""
        folder = self.folder / _WORK / uuid.uuid4().hex
        folder.mkdir(parents=True)
        return folder

    def finish(self, number: int, dones: Sequence[Done], made: Path) -> None:
        """Hand over a chunk: the files `made`, then its part. An image whose file cannot get its name fails."""
        for path in made.iterdir():
            try:
                os.replace(path, self.out / path.name)
            except OSError as error:
                if is_disk_fault(error, self.out):
                    raise
                fail_output(dones, path.name, f"{self.out / path.name}: {error.strerror}")
                path.unlink()
        name = f"{number}.ndjson"
        with (made / name).open("w", encoding="utf-8") as file:
            for done in dones:
                camera = None if done.camera is None else asdict(done.camera)
                told = [done.record, done.line, done.error, camera, done.stages.milliseconds(1)]
                file.write(json.dumps(told) + "\n")
        os.replace(made / name, self.folder / _PARTS / name)

    def part(self, number: int) -> list[Done]:
        """What became of a chunk's pictures. OSError: the part is not to be seen here."""
        path = self.folder / _PARTS / f"{number}.ndjson"
        wait_for(path)
        dones = []
        for text in path.read_text("utf-8").splitlines():
            record, line, error, camera, milliseconds = json.loads(text)
            stages = Stages()
            stages.add_milliseconds(milliseconds)
            dones.append(Done(record, line, error, _camera(camera), stages))
        return dones

    def remove(self) -> None:
        """All is done: only the results stay."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _camera(fields: dict[str, Any] | None) -> Camera | None:
    """The inverse of `asdict`."""
    if fields is None:
        return None
    height = fields.pop("height")
    return Camera(**fields, height=height and HeightScale(**height))


def wait_for(path: Path) -> None:
    """Return once a file written by another node is to be seen here, or after a while."""
    until = time.monotonic() + _LAG_S
    while not is_there(path) and time.monotonic() < until:
        time.sleep(0.05)


def discard(out: Path) -> None:
    """Remove what a run left that was killed before it began; `out` is held by this process."""
    if (out / _NAME).is_dir() and not has_begun(out):
        shutil.rmtree(out / _NAME, ignore_errors=True)


def has_begun(out: Path) -> bool:
    """Whether there is an unfinished run in the output folder."""
    return (out / _NAME / _RUN).is_file()


def begin(
    out: Path, facts: Mapping[str, Any], entries: Iterable[Entry], size: int, base: str | None
) -> Unfinished:
    """A new run over `entries` into `out`, which is held; facts: what must be the same to resume it."""
    folder = out / _NAME
    make_plain_folder(folder)
    for name in (_PARTS, _LOGS):
        (folder / name).mkdir()
    total = 0
    with (folder / _LIST).open("w", encoding="utf-8") as file:
        for entry in entries:
            file.write(json.dumps([entry.source.location, entry.stem, entry.record]) + "\n")
            total += 1
    about = {"total": total, "size": size, "base": base, "facts": facts}
    with written_whole(folder / _RUN) as temporary:
        temporary.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return Unfinished(out.absolute(), total, size, base)


def resumed(out: Path, facts: Mapping[str, Any]) -> Unfinished:
    """The unfinished run in `out`, which is held. InputError: it is one of another command."""
    folder = out / _NAME
    make_plain_folder(folder)
    found = json.loads((folder / _RUN).read_text("utf-8"))
    differing = [key for key, value in facts.items() if found["facts"].get(key) != value]
    if found["base"] not in (None, str(Path.cwd())):
        differing.append(f"working folder ({found['base']})")
    if differing:
        raise InputError(
            f"{out} holds an unfinished run with another {differing[0]}; give its command again to go on with "
            f"it, choose another --outdir, or remove {folder}"
        )
    shutil.rmtree(folder / _WORK, ignore_errors=True)
    return Unfinished(out.absolute(), found["total"], found["size"], found["base"])
