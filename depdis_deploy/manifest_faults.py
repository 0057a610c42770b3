"""What may stand in a manifest. A model file may come from anyone, and its manifest decides sizes and units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .json_files import shown
from .sizes import LONGEST_SIDE

if TYPE_CHECKING:
    from .manifest import Manifest, ResizeRule

PRECISIONS = ("fp32", "fp16", "int8")
_LARGEST_MULTIPLE = 4096
_LARGEST_BATCH = 65536
_FARTHEST = 1e6  # metres, or pixels of a focal length
_LONGEST_TEXT = 100
_MOST_VERSIONS = 100


def resize_fault(rule: ResizeRule) -> str | None:
    """What is wrong with the rule's sizes, as a sentence; None where nothing is."""
    sizes = (rule.width, rule.height, rule.multiple)
    if not all(type(size) is int for size in sizes):
        return f"sizes must be whole numbers, got {shown(sizes)}"
    if min(sizes) < 1:
        return f"sizes must be positive, got {shown(sizes)}"
    if max(rule.width, rule.height) > LONGEST_SIDE or rule.multiple > _LARGEST_MULTIPLE:
        return (
            f"an input has sides of at most {LONGEST_SIDE} pixels and a multiple of at most "
            f"{_LARGEST_MULTIPLE}, got {shown(sizes)}"
        )
    return None


def fault(manifest: Manifest) -> str | None:
    """What is wrong with any other field, as a sentence; None where nothing is."""
    focal = manifest.canonical_focal_px
    if type(manifest.dynamic) is not bool:
        return f"dynamic is true or false, got {shown(manifest.dynamic)}"
    if not _numbers(manifest.mean_bgr, 3):
        return f"mean_bgr holds three numbers, got {shown(manifest.mean_bgr)}"
    if focal is not None and not (_numbers((focal,), 1) and 0 < focal <= _FARTHEST):
        return f"canonical_focal_px is null or a positive number, got {shown(focal)}"
    depth = manifest.depth_range_m
    if not (_numbers(depth, 2) and 0 <= depth[0] < depth[1] <= _FARTHEST):
        return f"depth_range_m is the least and the most in metres, got {shown(depth)}"
    if manifest.precision not in PRECISIONS:
        return f"precision is one of {', '.join(PRECISIONS)}, got {shown(manifest.precision)}"
    for name in ("backbone", "source_sha256"):
        if not _is_text(getattr(manifest, name)):
            return f"{name} is a text of at most {_LONGEST_TEXT} letters, got {shown(getattr(manifest, name))}"
    if manifest.density is not None and not isinstance(manifest.density, Mapping):
        return f"density is null or an object, got {shown(manifest.density)}"
    versions = manifest.versions
    if not isinstance(versions, Mapping):
        return f"versions is an object, got {shown(versions)}"
    if len(versions) > _MOST_VERSIONS or not all(map(_is_text, (*versions, *versions.values()))):
        return f"versions maps at most {_MOST_VERSIONS} names to texts, got {shown(versions)}"
    return _parity_fault(manifest.parity)


def _parity_fault(parity: Any) -> str | None:
    """Of what is read of it: how each engine held, the shapes tried, the layers of each precision."""
    if not isinstance(parity, Mapping):
        return f"parity is an object, got {shown(parity)}"
    engines, layers, shapes = parity.get("engines", {}), parity.get("layers", {}), parity.get("shapes", [])
    if not _mappings(engines) or any(type(record.get("held")) is not bool for record in engines.values()):
        return "parity.engines says of each engine whether it held"
    if not isinstance(layers, Mapping) or not isinstance(layers.get("in_graph", {}), Mapping):
        return "parity.layers.in_graph is an object"
    if not isinstance(shapes, Sequence) or isinstance(shapes, str):
        return "parity.shapes is a list"
    for row in shapes:
        batch = row.get("batch") if isinstance(row, Mapping) else None
        if type(batch) is not int or not 1 <= batch <= _LARGEST_BATCH:
            return f"parity.shapes states for each shape a batch of 1 to {_LARGEST_BATCH}"
    return None


def _mappings(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())


def _numbers(values: Any, count: int) -> bool:
    return (
        isinstance(values, Sequence)
        and len(values) == count
        and all(type(value) in (int, float) and abs(value) <= 1e9 for value in values)
    )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and len(value) <= _LONGEST_TEXT and value.isprintable()
