"""What may stand in a manifest. A model file may come from anyone, and its manifest decides sizes and units."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .manifest import Manifest, ResizeRule

PRECISIONS = ("fp32", "fp16", "int8")
_LARGEST_INPUT = 67_108_864  # pixels, 8192 x 8192
_LARGEST_MULTIPLE = 4096
_FARTHEST = 1e6  # metres, or pixels of a focal length


def resize_fault(rule: ResizeRule) -> str | None:
    """What is wrong with the rule's sizes, as a sentence; None where nothing is."""
    sizes = (rule.width, rule.height, rule.multiple)
    if not all(type(size) is int for size in sizes):
        return f"sizes must be whole numbers, got {_shown(sizes)}"
    if min(sizes) < 1:
        return f"sizes must be positive, got {rule.width}x{rule.height}, {rule.multiple}"
    if rule.width * rule.height > _LARGEST_INPUT or rule.multiple > _LARGEST_MULTIPLE:
        return (
            f"an input has at most {_LARGEST_INPUT} pixels and a multiple of {_LARGEST_MULTIPLE}, got "
            f"{_shown(sizes)}"
        )
    return None


def fault(manifest: Manifest) -> str | None:
    """What is wrong with any other field, as a sentence; None where nothing is."""
    focal = manifest.canonical_focal_px
    if type(manifest.dynamic) is not bool:
        return f"dynamic is true or false, got {_shown(manifest.dynamic)}"
    if not _numbers(manifest.mean_bgr, 3):
        return f"mean_bgr holds three numbers, got {_shown(manifest.mean_bgr)}"
    if focal is not None and not (_numbers((focal,), 1) and 0 < focal <= _FARTHEST):
        return f"canonical_focal_px is null or a positive number, got {_shown(focal)}"
    depth = manifest.depth_range_m
    if not (_numbers(depth, 2) and 0 <= depth[0] < depth[1] <= _FARTHEST):
        return f"depth_range_m is the least and the most in metres, got {_shown(depth)}"
    if manifest.precision not in PRECISIONS:
        return f"precision is one of {', '.join(PRECISIONS)}, got {_shown(manifest.precision)}"
    for name in ("backbone", "source_sha256"):
        if not isinstance(getattr(manifest, name), str):
            return f"{name} is a text, got {_shown(getattr(manifest, name))}"
    if manifest.density is not None and not isinstance(manifest.density, Mapping):
        return f"density is null or an object, got {_shown(manifest.density)}"
    if not isinstance(manifest.versions, Mapping):
        return f"versions is an object, got {_shown(manifest.versions)}"
    return _parity_fault(manifest.parity)


def _parity_fault(parity: Any) -> str | None:
    """Of what is read of it: how each engine held, the shapes tried, the layers of each precision."""
    if not isinstance(parity, Mapping):
        return f"parity is an object, got {_shown(parity)}"
    engines, layers, shapes = parity.get("engines", {}), parity.get("layers", {}), parity.get("shapes", [])
    if not _mappings(engines) or any(type(record.get("held")) is not bool for record in engines.values()):
        return "parity.engines says of each engine whether it held"
    if not isinstance(layers, Mapping) or not isinstance(layers.get("in_graph", {}), Mapping):
        return "parity.layers.in_graph is an object"
    if not isinstance(shapes, Sequence) or isinstance(shapes, str):
        return "parity.shapes is a list"
    if any(not isinstance(row, Mapping) or type(row.get("batch")) is not int for row in shapes):
        return "parity.shapes says of each shape its batch"
    return None


def _mappings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())


def _numbers(values: Any, count: int) -> bool:
    return len(values) == count and all(
        type(value) in (int, float) and abs(value) <= 1e9 and math.isfinite(value) for value in values
    )


def _shown(value: object) -> str:
    """A value as it stands, if it is short."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
