"""The evaluation as Markdown, for a repository or an issue; pictures and diagrams are files beside it."""

from __future__ import annotations

from collections.abc import Sequence

from depdis_training.gallery import Example

from .reading import (
    Cell,
    Metrics,
    Table,
    by_class,
    depth_table,
    main_titles,
    overview,
    plain,
    published_table,
    variants_table,
)
from .words import about_row, how, quoted, summary


def markdown(
    metrics: Metrics,
    examples: Sequence[Example],
    compared: Sequence[Example],
    *,
    folder: str,
    drawn: Sequence[str],
) -> str:
    """The text; folder: where the pictures lie; drawn: which diagrams are there, by their names' stems."""
    of, title = metrics["set"], main_titles(metrics)[0]
    parts = [
        f"# Evaluation: {of['config']}",
        f"{of['pictures']} pictures of `{of['name']}`, split {of['split']}.",
    ]
    parts.append("\n".join(f"- {line}" for line in summary(metrics)))
    published, variants, depth = published_table(metrics), variants_table(metrics), depth_table(metrics)
    if published is not None:
        parts += ["## Beside the paper", metrics["published"]["title"] + ", IoU in %.", as_markdown(published)]
        parts += [as_markdown(variants)] if variants is not None else []
        parts += [metrics["published"]["note"]] if metrics["published"]["note"] else []
    parts += ["## All models", "In brackets the interval.", as_markdown(overview(metrics))]
    parts.append("\n".join(f"- {name}: {about_row(row)}" for name, row in metrics["rows"].items()))
    parts += ["## Class by class", as_markdown(by_class(metrics)), *_drawn("classes", folder, drawn)]
    parts += [f"What is taken for what, of {quoted(title)}:", *_drawn("confusion", folder, drawn)]
    if "reliability" in drawn:
        parts += [f"How sure, how often right, of {quoted(title)}:", *_drawn("reliability", folder, drawn)]
    if depth is not None:
        parts += ["## Depth", dict(how(metrics))["Depth"], as_markdown(depth)]
    for heading, pictures in (
        ("Best, median and worst picture", examples),
        ("Where the models differ most", compared),
    ):
        if pictures:
            parts.append(f"## {heading}")
            parts += [f"{one.title}: {one.note}\n\n![{one.title}]({folder}/{one.key}.jpg)" for one in pictures]
    space = metrics["joint_space"]
    if space is not None:
        parts.append("## What the discriminator sees")
        parts.append(f"{space['pixels']} target pixels; purity by chance {100 * space['chance']:.1f} %.")
        for number, one in enumerate(space["spaces"], 1):
            figures = f"silhouette {plain(one['silhouette'], 3)}, purity {100 * one['purity']:.1f} %"
            line = f"{one['title']} ({one['kind']}): {figures}"
            parts += [line, *_drawn(f"space-{number}", folder, drawn)]
    parts += ["## What each figure is", "\n".join(f"- **{term}**: {text}" for term, text in how(metrics))]
    return "\n\n".join(parts) + f"\n\nMade by depdis {metrics['package']}.\n"


def as_markdown(table: Table) -> str:
    """A table in pipes."""
    lines = [
        "| " + " | ".join(map(_escaped, table.head)) + " |",
        "|---" + "|---:" * (len(table.head) - 1) + "|",
    ]
    for cells, mark in zip(table.rows, table.marks, strict=True):
        texts = [_cell(cell) for cell in cells]
        lines.append("| " + " | ".join(f"**{text}**" if mark and text else text for text in texts) + " |")
    return "\n".join(lines)


def _cell(cell: Cell) -> str:
    return _escaped(cell.text + (f" ({cell.below})" if cell.below else ""))


def _escaped(text: str) -> str:
    return text.replace("|", "\\|")


def _drawn(name: str, folder: str, drawn: Sequence[str]) -> list[str]:
    return [f"![{name}]({folder}/{name}.svg)"] if name in drawn else []
