"""An evaluation from beginning to end: all rows over a set, their metrics, and the report of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import depdis_deploy

from . import bootstrap
from .boundary import RATIO
from .config import load_config
from .data.samples import Dataset
from .data_settings import Data
from .entries import Opened, compared
from .evaluated import Options, Row, evaluate
from .gallery import compared as compared_frames
from .gallery import examples
from .joint_space import choose_pixels, described, kind_of, space, weighted_kinds
from .published import counterpart, published
from .report.write import write_report
from .settings import Config
from .speech import say

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Extras:
    """What a report may hold besides.

    compare: frames on which the models differ. joint_space: figure 4's map, of the first two checkpoints'
    networks, or of a single one's two spaces.
    """

    compare: bool = False
    joint_space: bool = False


def full_evaluation(
    opened: Sequence[Opened], dataset: Dataset, config: Config, options: Options, *, out: Path | None,
    extras: Extras = Extras(), quiet: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """The metrics of all that is `opened` on the validation set of `config`; `out`: the report's folder.

    ValueError where a picture has no labels or a model's classes cannot be scored in the set's.
    """
    assert config.validation is not None
    rows = evaluate(compared([entry for one in opened for entry in one.entries]), dataset, options, quiet=quiet)
    metrics = as_metrics(rows, dataset, config, config.validation, options)
    if out is None:
        return metrics
    if extras.joint_space:
        metrics["joint_space"] = _joint_space(opened, dataset, quiet=quiet)
    by_title = {row.entry.title: row for row in rows}
    firsts = [by_title[one.entries[0].title] for one in one_a_run(opened)]
    differing = compared_frames(firsts, dataset) if extras.compare and len(firsts) > 1 else []
    write_report(out, metrics, examples(firsts[0], dataset), differing)
    return metrics


def one_a_run(opened: Sequence[Opened]) -> list[Opened]:
    """One snapshot of each run, to be shown beside other models; all, where that would leave a single one."""
    runs = [one.entries[0].title.rpartition("/")[0] or one.entries[0].title for one in opened]
    firsts = [one for place, one in enumerate(opened) if runs[place] not in runs[:place]]
    return firsts if len(firsts) > 1 else list(opened)


def as_metrics(
    rows: Sequence[Row], dataset: Dataset, config: Config, data: Data, options: Options
) -> dict[str, Any]:  # fmt: skip
    """What `metrics.json` holds: plain values, all that the report prints."""
    results = {row.entry.title: row.results() for row in rows}
    taxonomy = dataset.taxonomy
    known = rows[0].scorer.manifest.canonical_focal_px is not None
    camera = (
        "of each picture's own camera where its focal length is known, else of the model's"
        if known
        else "as learned"
    )
    return {
        "format": FORMAT, "package": depdis_deploy.__version__,
        "set": {
            "config": config.name, "layout": data.layout, "split": data.split, "name": _name(config, data),
            "pictures": len(rows[0].mious), "all_pictures": len(dataset), "classes": list(taxonomy.names),
            "palette": [list(colour) for colour in taxonomy.palette],
        },
        "depth": {"unit": "m", "cap_m": options.cap_m, "align": options.align, "camera": camera},
        "bootstrap": {"replicates": bootstrap.REPLICATES, "level": bootstrap.LEVEL, "over": "pictures"},
        "boundary": {"ratio": RATIO},
        "rows": {
            row.entry.title: row.plain(results[row.entry.title], results.get(row.entry.reference or ""))
            for row in rows
        },
        "published": _published(rows, config),
        "joint_space": None,
    }  # fmt: skip


def _published(rows: Sequence[Row], config: Config) -> dict[str, Any] | None:
    """The paper's tables of this protocol, and which of its rows each measured one is held against."""
    found = published(config.name)
    if found is None or not _on_its_set(config) or found["classes"] != list(rows[0].taxonomy.names):
        return None
    measured = [row.entry for row in rows if row.entry.kind != "deployed"]
    return {**found, "counterparts": {entry.title: counterpart(found, entry.about) for entry in measured}}


def _on_its_set(config: Config) -> bool:
    """Whether what is scored on is of the protocol's own kind, not a drive or another set in its place."""
    own = load_config(config.name).validation
    given = config.validation
    return own is not None and given is not None and (own.layout, own.split) == (given.layout, given.split)


def _joint_space(opened: Sequence[Opened], dataset: Dataset, *, quiet: bool) -> dict[str, Any] | None:
    """Of the first two networks their own spaces; of a single one those weighted by density and by depth."""
    with_network = [one for one in opened if one.network is not None]
    networks = [(one.entries[0], one.network) for one in one_a_run(with_network) if one.network is not None][:2]
    if not networks:
        return None
    wanted = []
    for entry, network in networks:
        kinds = [kind_of(network, entry.about.get("variant"))]
        if len(networks) == 1:
            kinds = weighted_kinds(network) or kinds
        wanted += [(entry, network, kind) for kind in kinds]
    if not quiet:
        say("joint spaces of target pixels")
    pixels = choose_pixels(dataset)
    spaces = [
        space(entry.title, kind, network, entry.manifest.resize, dataset, pixels)
        for entry, network, kind in wanted
    ]
    return described(spaces, pixels, len(dataset.taxonomy))


def _name(config: Config, data: Data) -> str:
    if data.root is not None:
        return Path(data.root).name
    return "generated streets" if data.street is not None else config.name
