"""The figures of the paper's tables 1 to 5, to stand above measured ones; they are in published_results.json.

"Unsupervised Domain Adaptation for Semantic Segmentation using Depth Distribution", NeurIPS 2022; as printed.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Any

from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16

OURS = "DepDis"
_OWN_NAMES = {"advent": "AdvEnt", "dada": "DADA", "depdis": OURS}
_MISPRINT = "DADA's mean is printed 70.4; its classes average 69.2."


def published(protocol: str) -> dict[str, Any] | None:
    """What the paper prints of a protocol (a configuration's name); None for any other.

    title: which table. classes: names. rows: method to {iou: (C,) in % or null, miou: number of classes to %}.
    variants: the mIoU in % of ablations (tables 3 and 4) where there are any. depth: variant to Eigen's errors
    (table 5). note: what a reader has to know.
    """
    tables = _tables()
    if protocol == "synthia-cityscapes-16":
        return {
            "title": "Table 1: SYNTHIA to Cityscapes, 16 classes",
            "classes": list(CITYSCAPES_16.names), "rows": tables["table1"],
            "variants": {**tables["table3"], **tables["table4"]}, "depth": tables["table5"],
            "note": "Table 5 states neither cap, nor unit, nor alignment of its depth errors.",
        }  # fmt: skip
    if protocol not in tables["table2"]:
        return None
    target = "Cityscapes" if "cityscapes" in protocol else "Mapillary Vistas"
    size = "640x320" if protocol.endswith("-small") else "full resolution"
    return {
        "title": f"Table 2: SYNTHIA to {target}, seven classes, {size}",
        "classes": list(CITYSCAPES_7.names), "rows": tables["table2"][protocol], "variants": {}, "depth": {},
        "note": _MISPRINT if protocol == "synthia-cityscapes-7" else "",
    }  # fmt: skip


def counterpart(found: Mapping[str, Any], about: Mapping[str, Any]) -> str:
    """Which of the published rows a model is held against, by what it says of its training."""
    name = _OWN_NAMES.get(str(about.get("method", "depdis")), OURS)
    return name if name in found["rows"] else OURS


@cache
def _tables() -> dict[str, Any]:
    text = (resources.files(__package__) / "published_results.json").read_text(encoding="utf-8")
    return dict(json.loads(text))
