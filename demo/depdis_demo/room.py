"""What all tabs and visitors share: models, limits, files, and whose turn it is."""

from __future__ import annotations

import itertools
import traceback
from typing import Any

import gradio as gr

from depdis_deploy.backends.cpu import cores
from depdis_deploy.media.image_workers import ImageDecoder

from .models import Models
from .settings import Settings
from .tasks import Task
from .turns import Turns
from .visitors import Visitors


class Room:
    """Made once, when the server starts; InputError and UsageError as the models raise them."""

    def __init__(self, settings: Settings, visitors: Visitors, decoder: ImageDecoder) -> None:
        self.settings, self.limits = settings, settings.limits
        self.decoder = decoder
        self.models = Models(settings.models, settings.device)
        self.visitors = visitors
        waiting = settings.limits.waiting
        self.pictures = Turns(max(1, cores()), waiting)
        self.videos = Turns(1, waiting)
        self.adaptations = Turns(1, 1)
        self._serial = itertools.count(1)

    def serial(self) -> int:
        """A number that differs in every answer, since the page shows only answers that differ."""
        return next(self._serial)

    def wrong(self) -> str:
        """What to tell a visitor of the error being handled, which nobody foresaw; all of it goes to stderr."""
        traceback.print_exc()
        return "Something went wrong here; the server's log says what. Try it again, or with another file."

    def asked(self, event: gr.EventData) -> dict[str, Any]:
        """What the page asks for, as `calls` lets it through."""
        return event._data or {}

    def task(self, kind: str, asked: dict[str, Any], request: gr.Request) -> Task:
        """Begin a task for the visitor who asks; see `Visitor.task`."""
        number = asked.get("asked")
        visitor = self.visitors.of(request.session_hash)
        return visitor.task(kind, number if isinstance(number, int) else None)

    def left(self, request: gr.Request) -> None:
        """A page was closed."""
        self.visitors.leave(request.session_hash)
