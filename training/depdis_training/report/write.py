"""The files of a report: report.html, report.md with its pictures, and metrics.json, which is written last."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from depdis_deploy.files import make_plain_folder, written_whole
from depdis_training.gallery import Example
from depdis_training.run_folder import METRICS, write_json

from . import drawings
from .markdown import markdown
from .page import page
from .pictures import sheet
from .reading import Metrics

PAGE, MARKDOWN, FOLDER = "report.html", "report.md", "report_files"


def write_report(
    folder: Path, metrics: Metrics, examples: Sequence[Example], compared: Sequence[Example] = ()
) -> None:  # fmt: skip
    """Write all files into `folder`, made if missing; where metrics.json is, the others are."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / METRICS).unlink(missing_ok=True)
    if not (folder / FOLDER).is_symlink():
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
    make_plain_folder(folder / FOLDER)
    for example in (*examples, *compared):
        (folder / FOLDER / f"{example.key}.jpg").write_bytes(sheet(example))
    drawn = {"classes": drawings.bars(metrics), "confusion": drawings.confusion(metrics)}
    drawn["reliability"] = drawings.reliability_of(metrics)
    drawn |= {f"space-{number}": one for number, one in enumerate(drawings.spaces(metrics), 1)}
    drawn = {name: text for name, text in drawn.items() if text}
    for name, text in drawn.items():
        (folder / FOLDER / f"{name}.svg").write_text(_alone(text), encoding="utf-8")
    texts = {
        PAGE: page(metrics, examples, compared),
        MARKDOWN: markdown(metrics, examples, compared, folder=FOLDER, drawn=[*drawn]),
    }
    for name, text in texts.items():
        with written_whole(folder / name) as temporary:
            temporary.write_text(text, encoding="utf-8")
    write_json(folder / METRICS, metrics)


def _alone(svg: str) -> str:
    """A drawing as a file of its own, which brings its colours along."""
    style = (resources.files(__package__) / "style.css").read_text(encoding="utf-8")
    colours, _, shapes = style.partition("* {")
    _, _, shapes = shapes.partition("/* drawings */")
    end = svg.index(">") + 1
    return f"{svg[:end]}<style>{colours}{shapes}</style>{svg[end:]}\n"
