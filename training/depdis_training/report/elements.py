"""The page's parts that several sections share: tables, pictures, legends."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from depdis_training.gallery import Example

from .charts import colour_scale
from .pictures import data_uri
from .reading import Metrics, Table
from .svg import hex_colour

# of a gain, a loss, neither
_SIGNS = {1: ' class="up"', -1: ' class="down"', 0: ""}


def legends(examples: Iterable[Example], metrics: Metrics) -> str:
    """What the colours of some examples' maps mean."""
    kinds = {tile.kind for example in examples for tile in example.tiles}
    text = class_legend(metrics)
    text += '<div class="legend"><span><i style="background:#e8382c"></i>error: wrong</span>'
    text += '<span><i style="background:#a0a0a0"></i>right</span>'
    text += '<span><i style="background:#000"></i>no truth</span></div>'
    scales = [
        f"<figure><figcaption>{name}</figcaption>{colour_scale(kind)}</figure>"
        for kind, name in (("depth", "Depth, in metres (black: no truth)"), ("density", "Density"))
        if kind in kinds
    ]
    return text + (f'<div class="pair">{"".join(scales)}</div>' if scales else "")


def class_legend(metrics: Metrics) -> str:
    """The set's classes with their colours."""
    of = metrics["set"]
    return '<div class="legend">' + "".join(
        f'<span><i style="background:{hex_colour(colour)}"></i>{escape(name)}</span>'
        for name, colour in zip(of["classes"], of["palette"], strict=True)
    ) + "</div>"  # fmt: skip


def tiles(example: Example, kind: str) -> str:
    """An example's maps side by side; kind: their grid in style.css."""
    return f'<div class="{kind}">' + "".join(
        f'<figure><img src="{data_uri(tile)}" alt="{escape(tile.title)} of {escape(example.title)}">'
        f"<figcaption>{escape(tile.title)}</figcaption></figure>"
        for tile in example.tiles
    ) + "</div>"  # fmt: skip


def table_of(table: Table, *, tight: bool = False) -> str:
    """A table; tight: with many columns, whose names stand upright."""
    turned = ' class="turned"' if tight else ""
    head = "".join(f"<th{turned if name else ''}>{escape(name)}</th>" for name in table.head)
    lines = []
    for cells, mark in zip(table.rows, table.marks, strict=True):
        row = "".join(
            f"<td{_SIGNS[cell.sign]}>{escape(cell.text)}"
            + (f"<small>{escape(cell.below)}</small>" if cell.below else "") + "</td>"
            for cell in cells
        )  # fmt: skip
        lines.append(f'<tr class="{mark}">{row}</tr>' if mark else f"<tr>{row}</tr>")
    kind = ' class="tight"' if tight else ""
    body = f"<thead><tr>{head}</tr></thead><tbody>{''.join(lines)}</tbody>"
    return f'<div class="scroll"><table{kind}>{body}</table></div>'
