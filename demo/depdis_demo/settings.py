"""The command line of `depdis-demo`, as values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from depdis_deploy.command import UsageError
from depdis_deploy.listening import check_root_path, is_local

from .limits import Limits

AUTH_VARIABLE = "DEPDIS_DEMO_AUTH"
_HOST_NAME = re.compile(r"[a-z0-9._-]+|\[?[0-9a-f:.]+\]?")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """models: beside the bundled one. adapt: settings (KEY=VALUE) handed to every adaptation.

    auth: (name, password), or nobody is asked. root_path: below which a proxy serves the page, such as
    "/depdis". allow_hosts: further names under which browsers may reach the page, such as a proxy's.
    """

    models: tuple[Path, ...] = ()
    device: str = "auto"
    host: str = "127.0.0.1"
    port: int = 7860
    auth: tuple[str, str] | None = None
    limits: Limits = field(default_factory=Limits)
    adapt: tuple[str, ...] = ()
    root_path: str = ""
    allow_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.auth is None and not is_local(self.host.strip("[]")):
            raise UsageError(
                f"--host {self.host} can be reached from other machines: set {AUTH_VARIABLE} to the "
                "NAME:PASSWORD that visitors must sign in with, or listen on 127.0.0.1"
            )
        check_root_path(self.root_path)
        for name in self.allow_hosts:
            if not _HOST_NAME.fullmatch(name):
                raise UsageError(
                    f"--allow-host {name}: expected a name without scheme and port, such as demo.example.org"
                )


def auth_of(option: str | None, environment: Mapping[str, str]) -> tuple[str, str] | None:
    """Return name and password of `--auth`, or else of the environment. UsageError: not NAME:PASSWORD."""
    source, given = "--auth", option
    if given is None:
        source, given = AUTH_VARIABLE, environment.get(AUTH_VARIABLE) or None
    if given is None:
        return None
    name, colon, password = given.partition(":")
    if not (name.strip() and colon and password):
        raise UsageError(f"{source} takes NAME:PASSWORD")
    return name.strip(), password  # Gradio strips the name that a visitor gives
