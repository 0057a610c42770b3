"""One image, video, camera or stream, and the names that its results get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from depdis_deploy.address import address_stem, masked
from depdis_deploy.terminal import plain_name


@dataclass(frozen=True)
class Source:
    """One thing to read. kind: picture, video, camera or stream.

    location: a path, a camera's number or an address.
    group: the name shared by the pictures of one folder, list or glob; None for one named by itself.
    word: which of the command line's words it comes from (two folders may share a name).
    """

    kind: str
    location: str
    group: str | None = None
    word: int = 0

    def __repr__(self) -> str:
        """Without a stream's user name and password."""
        return f"Source({self.kind!r}, {self.label!r}, {self.group!r}, {self.word})"

    @property
    def stem(self) -> str:
        """What the names of its output files start with."""
        if self.kind == "camera":
            return f"camera{self.location}"
        return address_stem(self.location) if self.kind == "stream" else plain_name(Path(self.location).stem)

    @property
    def label(self) -> str:
        """The location as shown and recorded: an address without user name and password."""
        return masked(self.location) if self.kind == "stream" else self.location

    @property
    def live(self) -> bool:
        """Whether frames come whether or not anyone is ready for them."""
        return self.kind in ("camera", "stream")
