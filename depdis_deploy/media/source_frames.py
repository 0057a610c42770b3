"""Frames of one source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

from depdis_deploy.command import InputError

from .frame import Frame
from .source import Source

if TYPE_CHECKING:
    from depdis_deploy.interruption import Switch


def frames_of(
    source: Source, *, stride: int = 1, note: Callable[[str], None] = lambda text: None
) -> Iterator[Frame]:
    """The frames of one source, every `stride`-th of a video's; of a live one the newest each time.

    note: is called with a line about each property of a video that is not honoured.
    InputError: it cannot be read.
    """
    if source.kind == "picture":
        from depdis_deploy.pictures import read_picture

        yield Frame(read_picture(source.location), source.location)
        return
    from depdis_deploy.clip import open_clip
    from depdis_deploy.interruption import Switch
    from depdis_deploy.patience import Patience

    over = Switch()
    with open_clip(source, stride=stride, patience=Patience(over=over, note=note)) as clip:
        yield from newest(clip, over) if source.live else clip
        if clip.damage:
            raise InputError(clip.damage)


def newest(frames: Iterable[Frame], over: Switch) -> Iterator[Frame]:
    """Frames that are read meanwhile; one that has not been taken gives way to the next.

    over: set once nobody takes any more, so that a lost source is not waited for.
    """
    from depdis_deploy.pipeline import ReadAhead, Ready

    with closing(ReadAhead(frames, 1, drop=True)) as ahead:
        try:
            while (frame := ahead.get(over)) is not None and frame is not Ready.READY:
                yield frame
        finally:
            over.set()
