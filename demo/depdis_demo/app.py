"""The server: the page on one address of this computer, without anything that leaves it."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError
from depdis_deploy.listening import listen, url_of
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.terminal import write_err

from .settings import Settings
from .storage import remove_left_over
from .visitors import Visitors

if TYPE_CHECKING:
    from starlette.types import ASGIApp

# What Gradio and the libraries below it would otherwise ask of the network; read when they are imported.
_OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SHARE": "False", "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "GRADIO_HEARTBEAT_INTERVAL": "5",
    "GRADIO_ANALYTICS_MAX_EVENTS": "100",
}  # fmt: skip
_M_ARENA_MAX = -8  # of malloc.h
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
_KEPT_BYTES = 2_000_000_000  # of uploads and results of all visitors together, at least
_UPLOADS_KEPT = 20  # of the largest size, for which there must be space
_MOST_QUEUED = 200  # events; far more than all queues of the tabs hold
_MOST_SESSIONS = 1000  # whose state Gradio keeps
_MOST_CONNECTIONS = 500
_IDLE_S = 60.0  # until a connection on which nothing moves is cut


def serve(settings: Settings) -> None:
    """Serve until Ctrl-C. InputError, UsageError: models that cannot be loaded, an address that is taken."""
    os.environ.update(_OFFLINE)
    _share_arenas()
    listening = listen(settings.host, settings.port)
    remove_left_over()
    visitors = Visitors(max(_KEPT_BYTES, _UPLOADS_KEPT * settings.limits.megabytes * 1_000_000))
    decoder = ImageDecoder(max(1, cores()))
    os.environ["GRADIO_TEMP_DIR"] = str(visitors.uploads)
    try:
        import gradio as gr

        serving = _started(_application(gr, settings, visitors, decoder), listening)
        write_err(f"depdis-demo: {url_of(listening)}{settings.root_path}/")
        while serving.is_alive():
            serving.join(1.0)
    finally:
        listening.close()
        decoder.close()
        visitors.close()


def _share_arenas() -> None:
    """Let all threads allocate from two arenas, where the C library is glibc.

    Gradio answers each request in one of forty threads; with an arena each, memory grew with every picture.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(_M_ARENA_MAX, 2)
    except (OSError, AttributeError):
        return


def _application(gr: Any, settings: Settings, visitors: Visitors, decoder: ImageDecoder) -> ASGIApp:
    from fastapi import FastAPI

    from .guard import Guard
    from .housekeeping import housekeeping
    from .page import ASSETS, build, head
    from .room import Room

    page = build(Room(settings, visitors, decoder))
    page.queue(max_size=_MOST_QUEUED, default_concurrency_limit=None, api_open=False)
    page.state_session_capacity = _MOST_SESSIONS
    page.is_running = True  # a mounted page else sends no sign of life to one that waits
    page.has_launched = True  # else Gradio lets events name any file of this machine
    application = gr.mount_gradio_app(
        FastAPI(openapi_url=None, lifespan=housekeeping(page, visitors)),
        page,
        "/",
        auth=settings.auth,
        root_path=settings.root_path,
        allowed_paths=[str(visitors.results)],
        max_file_size=settings.limits.megabytes * 1_000_000,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        run_history=False,
        enable_monitoring=False,
        show_error=False,
        footer_links=[],
        theme=_theme(gr),
        css_paths=[ASSETS / "demo.css"],
        head=head(),
    )
    return Guard(application, settings, visitors)


def _started(application: ASGIApp, listening: socket.socket) -> threading.Thread:
    """Return the thread that serves, once it does. InputError: the server could not be started."""
    import uvicorn

    from depdis_deploy.serve.connection import AcceptingServer, config_values, connection_limit

    values = config_values(_IDLE_S) | {"lifespan": "on", "log_level": "warning"}
    config = uvicorn.Config(application, **values)
    server = AcceptingServer(config, connection_limit(_MOST_CONNECTIONS), _IDLE_S)
    serving = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, name="server", daemon=True)
    serving.start()
    while not server.started:
        if not serving.is_alive():
            raise InputError("the server could not be started; see the lines above")
        time.sleep(0.01)
    return serving


def _theme(gr: Any) -> Any:
    """Gradio's plain theme in system fonts, so that no font is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.stone, font=_FONT, font_mono=_MONO
    )
