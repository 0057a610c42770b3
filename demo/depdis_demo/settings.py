"""The command line of `depdis-demo`, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .limits import Limits


@dataclass(frozen=True, kw_only=True)
class Settings:
    """models: beside the bundled one. adapt: settings (KEY=VALUE) handed to every adaptation.

    auth: (name, password), or nobody is asked.
    """

    models: tuple[Path, ...] = ()
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7860
    auth: tuple[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    adapt: tuple[str, ...] = ()
