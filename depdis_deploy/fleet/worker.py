"""What runs on the nodes of a cluster. It knows nothing of the engine that calls it."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.command import UsageError, one_line
from depdis_deploy.files import file_sha256, is_there
from depdis_deploy.infer_model import open_model
from depdis_deploy.infer_pictures import Done, PictureWork
from depdis_deploy.job import Options
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.patience import Never

from .attempts import Attempts
from .unfinished import Unfinished, wait_for

_DEADLY = "the worker died at it again and again (memory that runs out, or a crash of its decoder)"


@dataclass(frozen=True)
class Surroundings:
    """What every node has to see as the node sees it from which the run was started.

    base: the folder from which relative paths start; None: there is none of them. token: a file in the output
    folder, with `text` in it. model: a file and its SHA-256; None: the bundled one. pictures: some of them.
    """

    base: str | None
    token: Path
    text: str
    model: tuple[Path, str] | None
    pictures: tuple[str, ...]

    def enter(self) -> None:
        """Have relative paths mean what they mean there. OSError: there is no such folder here."""
        if self.base is not None:
            os.chdir(self.base)

    def answer(self, node: str) -> str | None:
        """On a node: what it lacks; None: nothing, and the token is answered."""
        try:
            self.enter()
            wait_for(self.token)
            if self.token.read_text() != self.text:
                return f"the output folder {self.token.parent}: it is another one there"
            self._answer_of(node).write_text(self.text)
            if self.model is not None and file_sha256(self.model[0]) != self.model[1]:
                return f"the model {self.model[0]}: it is another file there"
        except OSError as error:
            return one_line(error)
        unseen = [path for path in self.pictures if not is_there(Path(path))]
        return f"the picture {unseen[0]}: no such file" if unseen else None

    def answered(self, node: str) -> bool:
        """Where the run was started: whether what a node wrote is to be seen."""
        wait_for(self._answer_of(node))
        return is_there(self._answer_of(node))

    def forget(self) -> None:
        """Remove the token and the answers to it."""
        for path in self.token.parent.glob(f"{self.token.name}*"):
            path.unlink(missing_ok=True)

    def _answer_of(self, node: str) -> Path:
        return self.token.with_name(f"{self.token.name}.{node}")


def answered(node: str, surroundings: Surroundings) -> str | None:
    """`answer`, as a function: engines take no methods."""
    return surroundings.answer(node)


def described(options: Options, threads: int) -> dict[str, Any]:
    """On a node: the model as it is opened there, or why it cannot be.

    `choice`, `warned`, `manifest` (JSON); or `wrong` (a message) and whether that is wrong `usage`.
    """
    try:
        predictor, warned = open_model(options, threads)
    except (ValueError, OSError) as error:
        return {"wrong": one_line(error), "usage": isinstance(error, UsageError)}
    return {"choice": predictor.choice, "warned": warned, "manifest": predictor.manifest.to_json()}


class ChunkWorker:
    """One process of the cluster: the model, and what is done with chunks of the list.

    Called with columns `chunk` and `offset`; gives `chunk`, `choice` (how the model runs here), `failed`
    (empty, or why the run cannot go on) and `unwritable` (the errno where results cannot be written, else 0).
    """

    def __init__(
        self, options: Options, threads: int, unfinished: Unfinished, surroundings: Surroundings
    ) -> None:  # fmt: skip
        surroundings.enter()
        self._unfinished = unfinished
        predictor, _ = open_model(options, threads)
        self._choice = predictor.choice
        self._folder = unfinished.work_folder()
        self._work = PictureWork(options, predictor, self._folder, ImageDecoder(1), Never())

    def __call__(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
        failed, unwritable = [], []
        for number, offset in zip(rows["chunk"], rows["offset"], strict=True):
            why, disk = self._chunk(int(number), int(offset))
            failed.append(why)
            unwritable.append(disk)
        return {
            "chunk": list(rows["chunk"]), "choice": [self._choice] * len(failed), "failed": failed,
            "unwritable": unwritable,
        }  # fmt: skip

    def _chunk(self, number: int, offset: int) -> tuple[str, int]:
        """Do one; ("", 0) where that went well, else why not and, where it cannot be written, the errno."""
        batch = self._work.options.batch
        try:
            entries = self._unfinished.entries(offset)
            attempts = Attempts(self._unfinished.log(number))
            dones: list[Done] = []
            for start in range(0, len(entries), batch):
                group = entries[start : start + batch]
                if start in attempts.deadly:
                    dones += [Done.of(entry).fail(f"{entry.source.location}: {_DEADLY}") for entry in group]
                else:
                    attempts.go_to(start)
                    dones += self._work(group)
            self._unfinished.finish(number, dones, self._folder)
        except OSError as error:
            return error.strerror or one_line(error), error.errno or errno.EIO
        except ValueError as error:
            return one_line(error), 0
        return "", 0
