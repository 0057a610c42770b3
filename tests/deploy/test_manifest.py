"""Manifests that make no sense are refused before anything is done by them."""

from __future__ import annotations

import json
from dataclasses import replace
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
        ("canonical_focal_px", float("nan"), "NaN is not a number"), ("canonical_focal_px", [], "canonical"),
        ("depth_range_m", [0, float("inf")], "Infinity is not a"), ("depth_range_m", [5, 1], "depth_range_m"),
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
        # nothing in a message is longer than a line, however large it is in the file
        ("format_version", [[0] * 1000] * 1000, "format version"), ("format_version", "x" * 10**6, "format"),
        ("resize.kind", "x" * 10**6, "kind"), ("resize.interpolation", [[0] * 1000] * 1000, "interpolation"),
        (f"resize.{'x' * 10**6}", 1, "malformed"), ("outputs", "x" * 10**6, "outputs"),
        ("outputs", ["labels"] * 10**5, "differ"), ("resize.width", 10**39, "beyond 64 bits"),
        ("resize.width", [[0] * 1000] * 1000, "whole numbers"), ("resize.width", 8193, "sides of at most 8192"),
        ("taxonomy.names", [f"{index}" for index in range(256)], "1 to 255 classes"),
        ("taxonomy.names", ["same" * 20] * 255, "same.* twice"),
        ("taxonomy.names", ["\ud800", "b", "c"], "surrogate"),
        ("taxonomy.palette", [[0, 0, 256]] * 3, "0..255"),
        ("taxonomy.palette", [[0, 0]] * 3, "malformed"), ("taxonomy.palette", ["abc"] * 3, "whole"),
        ("mean_bgr", "abc", "mean_bgr"), ("mean_bgr", [1, 2, [3]], "mean_bgr"), ("mean_bgr", 5, "malformed"),
        ("depth_range_m", {"a": 1, "b": 2}, "depth_range_m"), ("canonical_focal_px", 10**30, "beyond 64 bits"),
        ("backbone", "x" * 10**6, "backbone"), ("backbone", "a\nerror: forged", "backbone"),
        ("source_sha256", "\ud800", "surrogate"), ("versions", {"torch": 2}, "versions"),
        ("versions", {"x" * 10**6: "1"}, "versions"), ("parity.shapes", [{"batch": 2**70}], "beyond 64 bits"),
        ("parity.shapes", [{"batch": 0}], "shapes"),
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


DEEP = "[" * 40 + "]" * 40


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "[]", "null", "9" * 5000, "[" * 100_000, '{"a": ' * 50_000, "\x00", DEEP, "-1e999", "NaN",
        f'{{"shapes": {DEEP}}}', '{"a": ' * 40 + "1" + "}" * 40, '{"shapes": [], "shapes": []}',
        '{"shapes": -Infinity}', '{"shapes": ' + "1" * 41 + "}", " " * 5 * 2**20,
    ],
    ids=range(17),
)  # fmt: skip
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError) as whole:
        Manifest.from_json(text)
    with pytest.raises(ManifestError) as part:
        Manifest.from_metadata({**manifest().to_metadata(), "depdis.parity": text})
    assert max(len(str(error.value)) for error in (whole, part)) < 300


def test_manifest_made_in_code_is_checked_too() -> None:
    for fields in ({"mean_bgr": 3}, {"depth_range_m": None}, {"versions": {1: "a"}}, {"backbone": None}):
        with pytest.raises(ManifestError, match=next(iter(fields))):
            replace(manifest(), **fields)
