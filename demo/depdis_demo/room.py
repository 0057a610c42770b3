"""What all tabs and visitors share: models, limits, files, and whose turn it is."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from pathlib import Path

import gradio as gr

from depdis_deploy.backends.cpu import cores

from .limits import Limits
from .models import Models
from .turns import Turns
from .visitors import Visitor, Visitors


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The command line of `depdis-demo`.

    adapt: settings (KEY=VALUE) handed to every adaptation. auth: (name, password), or nobody is asked.
    """

    models: tuple[Path, ...] = ()
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7860
    auth: tuple[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    adapt: tuple[str, ...] = ()


class Room:
    """Made once, when the server starts; InputError and UsageError as the models raise them."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.limits = settings, settings.limits
        self.models = Models(settings.models, settings.device)
        self.visitors = Visitors()
        waiting = settings.limits.waiting
        self.pictures = Turns(max(1, cores()), waiting)
        self.videos = Turns(1, waiting)
        self.adaptations = Turns(1, 1)
        self._serial = itertools.count(1)

    def serial(self) -> int:
        """A number that differs in every answer, since the page shows only answers that differ."""
        return next(self._serial)

    def visitor(self, request: gr.Request) -> Visitor:
        """Who asks."""
        return self.visitors.of(request.session_hash)

    def left(self, request: gr.Request) -> None:
        """A page was closed."""
        self.visitors.leave(request.session_hash)

    def close(self) -> None:
        """The server ends."""
        self.visitors.close()
