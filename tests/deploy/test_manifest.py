"""Manifests that make no sense are refused before anything is done by them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tiny_model import manifest

from depdis_deploy.manifest import Manifest, ManifestError


def test_a_manifest_goes_round_whole() -> None:
    assert Manifest.from_json(manifest().to_json()) == manifest()
    assert Manifest.from_metadata(manifest().to_metadata()) == manifest()


@pytest.mark.parametrize(
    ("where", "value", "says"),
    [
        ("resize.width", [64], "whole numbers"), ("resize.width", 64.5, "whole numbers"),
        ("resize.height", True, "whole numbers"), ("resize.height", 0, "positive"),
        ("resize.width", 10**9, "at most"), ("resize.multiple", 10**6, "at most"), ("resize.kind", [], "kind"),
        ("resize.interpolation", None, "interpolation"), ("resize.more", 1, "malformed"),
        ("outputs", ["labels", "labels"], "differ"), ("outputs", ["labels", []], "malformed"),
        ("outputs", ["depth"], "labels"), ("dynamic", "yes", "dynamic"), ("mean_bgr", [1, 2], "mean_bgr"),
        ("mean_bgr", ["a", "b", "c"], "mean_bgr"), ("canonical_focal_px", 0, "canonical_focal_px"),
        ("canonical_focal_px", float("nan"), "canonical_focal_px"), ("canonical_focal_px", [], "canonical"),
        ("depth_range_m", [0, float("inf")], "depth_range_m"), ("depth_range_m", [5, 1], "depth_range_m"),
        ("precision", "fp32\nerror: forged", "precision"), ("backbone", 3, "backbone"),
        ("density", [1], "density"),
        ("versions", [], "versions"), ("parity", [], "parity"), ("parity.engines", {"openvino": []}, "engines"),
        ("parity.engines", {"openvino": {}}, "engines"), ("parity.layers", {"in_graph": 1}, "layers"),
        ("parity.shapes", [{"batch": "x"}], "shapes"), ("parity.shapes", 3, "shapes"),
        ("taxonomy.names", ["a\nb", "c", "d"], "printable"), ("taxonomy.names", ["a", 2, "d"], "printable"),
        ("taxonomy.names", ["a", "x" * 300, "d"], "printable"),
        ("taxonomy.palette", [[0, 0, 0.5]] * 3, "whole"), ("taxonomy.palette", [1, 2, 3], "malformed"),
        ("taxonomy", [], "malformed"), ("taxonomy", None, "malformed"),
        ("format_version", "1", "format version"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused(where: str, value: Any, says: str) -> None:
    fields = json.loads(manifest().to_json())
    *path, last = where.split(".")
    holder = fields
    for key in path:
        holder = holder[key]
    holder[last] = value
    with pytest.raises(ManifestError, match=says) as refusal:
        Manifest.from_json(json.dumps(fields))
    assert len(str(refusal.value)) < 300


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "9" * 5000, "[" * 100_000, '{"a": ' * 50_000, "\x00"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        Manifest.from_json(text)
    with pytest.raises(ManifestError):
        Manifest.from_metadata({**manifest().to_metadata(), "depdis.parity": text})
