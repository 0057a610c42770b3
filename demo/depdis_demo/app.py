"""The server: the page on one address of this computer, without anything that leaves it."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError
from depdis_deploy.media.image_workers import ImageDecoder

from .settings import Settings
from .visitors import Visitors

# What Gradio and the libraries below it would otherwise ask of the network; read when they are imported.
_OFFLINE = {
    "GRADIO_ANALYTICS_ENABLED": "False", "GRADIO_SHARE": "False", "GRADIO_RUN_HISTORY": "False",
    "HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "GRADIO_HEARTBEAT_INTERVAL": "5",
}  # fmt: skip
_M_ARENA_MAX = -8  # of malloc.h
_FONT = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "sans-serif")
_MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")


def serve(settings: Settings) -> None:
    """Serve until Ctrl-C. InputError, UsageError: models that cannot be loaded, an address that is taken."""
    os.environ.update(_OFFLINE)
    _share_arenas()
    visitors, decoder = Visitors(), ImageDecoder(max(1, cores()))
    os.environ["GRADIO_TEMP_DIR"] = str(visitors.uploads)
    try:
        try:
            import gradio as gr
        except ModuleNotFoundError:
            raise InputError("the demo needs gradio: pip install 'depdis-deploy[demo,cpu]'") from None
        page = _launched(gr, settings, visitors, decoder)
        print(f"depdis-demo: {page.local_url}", file=sys.stderr, flush=True)
        page.block_thread()
    finally:
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


def _launched(gr: Any, settings: Settings, visitors: Visitors, decoder: ImageDecoder) -> Any:
    from starlette.middleware import Middleware

    from .guard import Guard
    from .page import ASSETS, build, head
    from .room import Room

    most_upload = settings.limits.megabytes * 1_000_000
    page = build(Room(settings, visitors, decoder))
    page.queue(max_size=None, default_concurrency_limit=None)
    try:
        page.launch(
            server_name=settings.host, server_port=settings.port, share=False, auth=settings.auth,
            prevent_thread_lock=True, quiet=True, inbrowser=False, pwa=False, mcp_server=False, ssr_mode=False,
            footer_links=[], run_history=False, enable_monitoring=False, show_error=False,
            max_file_size=most_upload, allowed_paths=[str(visitors.results)],
            theme=_theme(gr), css_paths=[ASSETS / "demo.css"], head=head(),
            app_kwargs={"middleware": [Middleware(Guard, most_upload=most_upload)]},
        )  # fmt: skip
    except OSError as error:
        raise InputError(
            f"{settings.host}:{settings.port} cannot be used ({error}); choose another --port"
        ) from None
    return page


def _theme(gr: Any) -> Any:
    """Gradio's plain theme in system fonts, so that no font is fetched from anywhere."""
    return gr.themes.Base(
        primary_hue=gr.themes.colors.teal, neutral_hue=gr.themes.colors.stone, font=_FONT, font_mono=_MONO
    )
