"""The evaluation as one HTML file: no script, nothing fetched, light and dark by the reader's own setting."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from depdis_training.figure_names import (
    BOUNDARY_IOU,
    CALIBRATION_ERROR,
    DENSITY_ERROR,
    DEPTH_ERROR,
    FLIPS,
    PIXEL_ACCURACY,
)
from depdis_training.gallery import Example

from . import drawings
from .elements import class_legend, legends, table_of, tiles
from .reading import (
    Metrics,
    between,
    by_class,
    depth_table,
    main_titles,
    miou_names,
    overview,
    plain,
    published_table,
    shown,
    variants_table,
)
from .words import about_row, how, quoted, summary

_CARDS = (
    (PIXEL_ACCURACY, "Pixel accuracy", "%", 1, "labelled pixels that are right"),
    (BOUNDARY_IOU, "Boundary IoU", "%", 1, "IoU of the regions' borders alone"),
    (
        CALIBRATION_ERROR,
        "Calibration error",
        "%",
        1,
        "between its confidence and its accuracy; 0 is best",
    ),
    (DEPTH_ERROR, "Depth |Rel|", "", 3, "mean error as a share of the true distance; 0 is best"),
    (DENSITY_ERROR, "Density error", "", 3, "of 0 to 1, against the truth's; 0 is best"),
    (FLIPS, "Label flips", "/ s", 2, "a pixel, where the truth stands still"),
)


def page(metrics: Metrics, examples: Sequence[Example], compared: Sequence[Example]) -> str:
    """The whole file; examples and compared: the pictures of the sections of those names."""
    style = (resources.files(__package__) / "style.css").read_text(encoding="utf-8")
    title = f"Evaluation: {metrics['set']['config']}"
    sections = [
        section for section in (
            ("summary", "What the figures say", _summary(metrics)),
            ("published", "Beside the paper", _published(metrics)),
            ("models", "All models", _models(metrics)),
            ("classes", "Class by class", _classes(metrics)),
            ("confusion", "What is taken for what", _confusion(metrics)),
            ("confidence", "How sure, how often right", _confidence(metrics)),
            ("depth", "Depth", _depth(metrics)),
            ("pictures", "Best, median and worst picture", _examples(metrics, examples)),
            ("compared", "Where the models differ most", _compared(metrics, compared)),
            ("space", "What the discriminator sees", _space(metrics)),
            ("how", "What each figure is", _how(metrics)),
        ) if section[2]
    ]  # fmt: skip
    links = "".join(f'<a href="#{key}">{escape(name)}</a>' for key, name, _ in sections)
    body = "".join(
        f'<section id="{key}"><h2>{escape(name)}</h2>{text}</section>' for key, name, text in sections
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{style}</style></head><body><main>"
        f"<h1>{escape(title)}</h1>{_lead(metrics)}{_cards(metrics)}<nav>{links}</nav>{body}"
        f"<footer>Made by depdis {escape(metrics['package'])}. The same data: metrics.json, report.md.</footer>"
        "</main></body></html>\n"
    )


def _first(metrics: Metrics) -> str:
    """The title of the model that sections on a single one are about."""
    return escape(quoted(main_titles(metrics)[0]))


def _lead(metrics: Metrics) -> str:
    of = metrics["set"]
    some = "" if of["pictures"] == of["all_pictures"] else f"the first {of['pictures']} of "
    return (
        f'<p class="lead">{some}{of["all_pictures"]} labelled pictures of <code>{escape(of["name"])}</code> '
        f"(layout {escape(of['layout'])}, split {escape(of['split'])}), {len(of['classes'])} classes.</p>"
    )


def _cards(metrics: Metrics) -> str:
    title = main_titles(metrics)[0]
    row, name = metrics["rows"][title], miou_names(metrics)[0]
    figures = row["figures"]
    margin = between(row["intervals"].get(name))
    note = f"interval {margin}" if margin else "mean over the classes"
    cards = [("mIoU", f"{shown(figures[name])} %", f"{len(row['classes'])} classes; {note}")]
    for key, head, unit, digits, explained in _CARDS:
        if figures.get(key) is not None:
            cards.append((head, f"{shown(figures[key], digits)} {unit}".strip(), explained))
    of = f"Figures of {quoted(title)}: {about_row(row)}."
    return f'<p class="soft">{escape(of)}</p><div class="cards">' + "".join(
        f'<div class="card"><span class="name">{escape(head)}</span><b>{escape(value)}</b>'
        f'<span class="soft">{escape(explained)}</span></div>'
        for head, value, explained in cards
    ) + "</div>"  # fmt: skip


def _summary(metrics: Metrics) -> str:
    return '<ul class="says">' + "".join(f"<li>{escape(line)}</li>" for line in summary(metrics)) + "</ul>"


def _published(metrics: Metrics) -> str:
    table = published_table(metrics)
    if table is None:
        return ""
    published = metrics["published"]
    text = f"<p>{escape(published['title'])}. IoU in %, the paper's rows as printed; what was measured here is "
    text += "marked, and below it stands its difference from the row of its method.</p>"
    text += table_of(table, tight=True)
    variants = variants_table(metrics)
    if variants is not None:
        text += "<h3>Ablations: tables 3 and 4, mIoU over 16 classes in %</h3>" + table_of(variants)
    return text + (f'<p class="soft">{escape(published["note"])}</p>' if published["note"] else "")


def _models(metrics: Metrics) -> str:
    lines = "".join(
        f"<li><b>{escape(title)}</b>: {escape(about_row(row))}</li>" for title, row in metrics["rows"].items()
    )
    return (
        "<p>Below each mIoU and each difference stands its interval. What a difference is from, the last "
        "section says; its colour says that the interval leaves zero out.</p>"
        f"{table_of(overview(metrics))}<details><summary>What each model is</summary>"
        f'<ul class="says">{lines}</ul></details>'
    )


def _classes(metrics: Metrics) -> str:
    titles = main_titles(metrics)[: drawings.MOST_SERIES]
    keys = ""
    if len(titles) > 1:
        keys = '<div class="legend">' + "".join(
            f'<span><i style="background:var(--{colour})"></i>{escape(title)}</span>'
            for title, colour in zip(titles, drawings.SERIES_COLOURS, strict=False)
        ) + "</div>"  # fmt: skip
    return (
        "<p>IoU in %, with whiskers for the interval.</p>" + keys + drawings.bars(metrics)
        + f"<details><summary>As a table</summary>{table_of(by_class(metrics))}</details>"
    )  # fmt: skip


def _confusion(metrics: Metrics) -> str:
    return (
        f"<p>Of {_first(metrics)}: where the pixels of each true class went, in % of its row. "
        f"Green is right, red is taken for another class.</p>{drawings.confusion(metrics)}"
    )


def _confidence(metrics: Metrics) -> str:
    drawn = drawings.reliability_of(metrics)
    if not drawn:
        return ""
    return (
        f'<div class="beside">{drawn}<p>Of {_first(metrics)}. A bar is the share of right '
        "labels among the pixels of that confidence; on the dashed line a model is right as often as it says. "
        "Red is the gap to what the pixels' own confidence promises. Below, how many pixels are that sure.</p>"
        "</div>"
    )


def _depth(metrics: Metrics) -> str:
    table = depth_table(metrics)
    if table is None:
        return ""
    term = dict(how(metrics))["Depth"]
    return f"<p>{escape(term)}</p>{table_of(table)}"


def _examples(metrics: Metrics, examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    text = f"<p>Of {_first(metrics)}, ordered by each picture's own mIoU.</p>" + legends(examples, metrics)
    for example in examples:
        text += f'<h3>{escape(example.title)} <span class="soft">{escape(example.note)}</span></h3>'
        text += tiles(example, "tiles")
    return text


def _compared(metrics: Metrics, compared: Sequence[Example]) -> str:
    if not compared:
        return ""
    text = (
        "<p>The pictures in which the models' mIoU is farthest apart; in the boxes most pixels have different "
    )
    text += "labels.</p>" + class_legend(metrics)
    for example in compared:
        text += f'<h3>{escape(example.title)} <span class="soft">{escape(example.note)}</span></h3>'
        text += tiles(example, "tiles" if len(example.tiles) % 4 == 0 else "tiles three")
    return text


def _space(metrics: Metrics) -> str:
    space = metrics["joint_space"]
    if space is None:
        return ""
    drawn = drawings.spaces(metrics)
    cells = []
    for one, picture in zip(space["spaces"], drawn, strict=True):
        kind = one["kind"].replace("segmentation", "self-information").replace("*", " \N{MULTIPLICATION SIGN} ")
        cells.append(
            f"<figure><h3>{escape(one['title'])}</h3>{picture}<figcaption>{escape(kind)}; "
            f"silhouette <b>{plain(one['silhouette'], 3)}</b>, nearest-neighbour purity "
            f"<b>{100 * one['purity']:.1f} %</b></figcaption></figure>"
        )
    return (
        f"<p>{space['pixels']} target pixels, of each class as many where it has them, placed by t-SNE so that "
        "those lie together which the discriminator sees alike (figure 4 of the paper). Distances on such a "
        "map mean little, so two figures are taken in the space itself: silhouette (1: the classes lie apart, "
        "0: they overlap, below: they lie among others) and the share of pixels whose nearest one is of the "
        f"same class (by chance {100 * space['chance']:.1f} %).</p>{class_legend(metrics)}"
        f'<div class="pair">{"".join(cells)}</div>'
    )


def _how(metrics: Metrics) -> str:
    return (
        "<dl>"
        + "".join(f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in how(metrics))
        + "</dl>"
    )
