"""A Dockerfile's instructions, and what of a folder a .dockerignore lets through."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """word: FROM, RUN, ...; text: the rest on one line; stage: how many FROM stood before, from 0."""

    word: str
    text: str
    stage: int

    @property
    def flags(self) -> dict[str, str]:
        """`--name=value` before the words."""
        found = re.match(r"(?:--\S+\s+)*", self.text)
        assert found is not None
        return dict(flag[2:].partition("=")[::2] for flag in found.group().split())

    @property
    def words(self) -> list[str]:
        """The words behind the flags, of the shell's or of the JSON form."""
        rest = re.sub(r"^(?:--\S+\s+)*", "", self.text)
        return list(json.loads(rest)) if rest.startswith("[") else shlex.split(rest)


def instructions(text: str) -> Iterator[Instruction]:
    """Those of a Dockerfile, with continued lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines) + "\n")
    stage = -1
    for line in filter(None, map(str.strip, joined.splitlines())):
        word, _, rest = line.partition(" ")
        stage += word.upper() == "FROM"
        yield Instruction(word.upper(), rest.strip(), stage)


def sent(root: Path, ignore: str) -> set[str]:
    """Files below `root` that a build gets by a .dockerignore, whose last pattern that fits counts."""
    patterns = [line.strip() for line in ignore.splitlines() if line.strip() and not line.startswith("#")]
    found: set[str] = set()
    for folder, inner, files in os.walk(root):
        inner[:] = [name for name in inner if name not in (".git", ".venv")]  # large, and nobody lets them in
        names = (Path(folder, name).relative_to(root).as_posix() for name in files)
        found |= {name for name in names if not _ignored(name, patterns)}
    return found


def _ignored(name: str, patterns: list[str]) -> bool:
    ignored = False
    for pattern in patterns:
        if _fits(name, pattern.removeprefix("!").strip("/")):
            ignored = not pattern.startswith("!")
    return ignored


def _fits(name: str, pattern: str) -> bool:
    """Whether a pattern names the path or a folder above it; `**/` stands for any folders or none."""
    parts = name.split("/")
    wanted = pattern.removeprefix("**/").split("/")
    starts = range(len(parts)) if pattern.startswith("**/") else (0,)
    return any(
        len(parts) - start >= len(wanted)
        and all(fnmatchcase(part, want) for part, want in zip(parts[start:], wanted, strict=False))
        for start in starts
    )
