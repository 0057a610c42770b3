"""The page: one tab for each thing to do, each an HTML part with a script of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from depdis_deploy.command import one_line
from depdis_deploy.terminal import write_err

from .about_answers import AboutAnswers
from .adapt_answers import AdaptAnswers
from .live_answers import LiveAnswers
from .long_answers import LongAnswers
from .picture_answers import PictureAnswers
from .room import Room
from .video_answers import VideoAnswers

ASSETS = Path(__file__).parent / "assets"
SCRIPTS = ("common.js", "layers.js", "picture.js", "chart.js", "video.js", "live.js", "adapt.js", "about.js")
TITLE = "depdis: street pictures understood"
_FAILED = "The request failed; the server's log says why."
# Something else may be chosen while one choice is at work.
_HIDDEN: dict[str, Any] = {
    "show_progress": "hidden", "api_visibility": "private", "concurrency_limit": None,
    "trigger_mode": "multiple",
}  # fmt: skip


class Page(gr.Blocks):
    """Gradio's page, whose failed events are one line on stderr."""

    async def process_api(self, *arguments: Any, **keywords: Any) -> dict[str, Any]:
        """Handle one event, or one step of it. gr.Error: it failed."""
        try:
            return await super().process_api(*arguments, **keywords)
        except Exception as error:  # mostly an event that no page sends
            write_err(f"depdis-demo: event failed: {type(error).__name__}: {one_line(error)[:200]}")
            raise gr.Error(_FAILED, print_exception=False) from None


def build(room: Room) -> Page:
    """The page of a room; `launch` (app.py) serves it."""
    page: Page
    with Page(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(html_template=_asset("head.html"), apply_default_css=False, js_on_load=None)
        model = _model_choice(room)
        about = AboutAnswers(room)
        with gr.Tabs(overflow_behavior="wrap"):
            with gr.Tab("Picture"):
                _picture(PictureAnswers(room, about.pictures), model)
            with gr.Tab("Video"):
                _long(VideoAnswers(room), model)
            with gr.Tab("Live"):
                live = LiveAnswers(room)
                _part("live", live.first(), (), [live.frame])
            with gr.Tab("Adapt"):
                _long(AdaptAnswers(room), model)
            with gr.Tab("About"):
                _part("about", about.first(), (), [about.density])
        page.unload(room.left)
    return page


def head() -> str:
    """What goes into the page's head: the scripts, as they are in their files."""
    return "<script>" + "\n".join(_asset(name) for name in SCRIPTS) + "</script>"


def _asset(name: str) -> str:
    return (ASSETS / name).read_text("utf-8")


def _model_choice(room: Room) -> gr.Dropdown:
    names = room.models.names
    return gr.Dropdown(
        names, value=names[0], label="Model", visible=len(names) > 1, interactive=True, elem_classes="dd-model"
    )


def _part(
    name: str, value: dict[str, Any], events: tuple[str, ...], functions: list[Callable[..., Any]]
) -> gr.HTML:
    """The part called `name`: its template, and its script with all that Gradio gives to one.

    Gradio offers a part's own events where their names stand in its script.
    """
    return gr.HTML(
        value=value, html_template=_asset(f"{name}.html"), apply_default_css=False,
        js_on_load=f"depdis.{name}({{element, trigger, props, server, upload, watch}}); // {events}",
        elem_id=f"dd-{name}", elem_classes="dd-tab",
        server_functions=[_function(one) for one in functions],
    )  # fmt: skip


def _function(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A function around a method, which takes no mark such as Gradio puts on what a page may call."""

    def called(asked: Any) -> Any:
        return method(asked)

    called.__name__ = method.__name__
    return called


def _picture(answers: PictureAnswers, model: gr.Dropdown) -> None:
    part = _part("picture", answers.first(), ("chosen",), [answers.download])
    part.chosen(answers.chosen, model, part, **_HIDDEN)


def _long(answers: LongAnswers[Any], model: gr.Dropdown) -> None:
    part = _part(answers.kind, answers.first(), ("started", "stopped"), [])
    part.started(answers.started, model, part, **_HIDDEN)
    part.stopped(answers.stop, None, None, queue=False, **_HIDDEN)
