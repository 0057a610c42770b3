"""What a model says of itself: everything that whoever runs it has to know, kept inside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from .json_files import parse_any, parse_json, shortened, shown
from .manifest_faults import fault, resize_fault
from .taxonomy import Taxonomy

FORMAT_VERSION = 1
OUTPUTS = ("labels", "depth", "density", "confidence")
IMAGENET_MEAN_BGR = (104.00698793, 116.66876762, 122.67891434)
RESIZE_KINDS = ("stretch", "fit", "area")
INTERPOLATIONS = ("linear", "bicubic")
_PREFIX = "depdis."
MOST_CHARACTERS = 4 * 2**20  # of a manifest as JSON


class ManifestError(ValueError):
    """A model file that does not describe itself as this package's exports do."""


@dataclass(frozen=True, kw_only=True)
class ResizeRule:
    """How a picture of any size becomes the network's input.

    kind: `stretch` to width x height, whatever the aspect (the paper's protocols); `fit` inside width x
        height keeping the aspect, padded at the right and bottom; `area` keeping the aspect with about
        width x height pixels, width a multiple of `multiple` and height padded to one (a model with dynamic
        height and width).
    interpolation: `linear` (area-averaged where it shrinks) or `bicubic` (Pillow's, which the paper used).
    """

    kind: str
    width: int
    height: int
    multiple: int = 32
    interpolation: str = "linear"

    def __post_init__(self) -> None:
        if self.kind not in RESIZE_KINDS:
            raise ManifestError(f"resize kind must be one of {', '.join(RESIZE_KINDS)}, got {shown(self.kind)}")
        if self.interpolation not in INTERPOLATIONS:
            raise ManifestError(
                f"interpolation must be one of {', '.join(INTERPOLATIONS)}, got {shown(self.interpolation)}"
            )
        if (wrong := resize_fault(self)) is not None:
            raise ManifestError(wrong)


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A model's description.

    taxonomy: names and palette of the labels.
    resize: how pictures become input; `dynamic`: whether the graph takes any height and width.
    outputs: the graph's outputs, a subset of labels, depth, density, confidence; a branch that the network
        lacks is missing here.
    mean_bgr: subtracted inside the graph (channel order BGR inside, `frames` outside is RGB).
    canonical_focal_px: the focal length, in pixels of the network's input, for which depth is in metres;
        None where the network learned one camera's metres.
    depth_range_m: the smallest and largest depth that the output can hold.
    density: the class-wise mixtures (`weights`, `means`, `variances`, `grid`, `scale`, `variance_floor`).
    precision: fp32, fp16 or int8, of the convolutions; those of them that were kept in float are counted and
        named in `parity`.
    parity: the figures of the export's check, by shape, and by engine; `versions`: of the packages that made
        the file.
    """

    taxonomy: Taxonomy
    resize: ResizeRule
    outputs: tuple[str, ...] = OUTPUTS
    dynamic: bool = False
    mean_bgr: tuple[float, float, float] = IMAGENET_MEAN_BGR
    canonical_focal_px: float | None = None
    depth_range_m: tuple[float, float] = (0.0, 655.35)
    density: Mapping[str, Any] | None = None
    precision: str = "fp32"
    backbone: str = ""
    source_sha256: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    parity: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        unknown = set(self.outputs) - set(OUTPUTS)
        if unknown or "labels" not in self.outputs:
            raise ManifestError(
                f"outputs are labels and any of {', '.join(OUTPUTS[1:])}, got {shown(self.outputs)}"
            )
        if len(set(self.outputs)) != len(self.outputs):
            raise ManifestError(f"outputs must differ, got {shown(self.outputs)}")
        if (wrong := fault(self)) is not None:
            raise ManifestError(wrong)

    def to_metadata(self) -> dict[str, str]:
        """The manifest as flat strings (JSON each), for ONNX `metadata_props` or a checkpoint."""
        fields = {"format_version": FORMAT_VERSION, **asdict(self)}
        return {_PREFIX + key: json.dumps(value) for key, value in fields.items()}

    def to_json(self) -> str:
        """The manifest as one JSON object, for the file beside an engine's own format."""
        fields = {key.removeprefix(_PREFIX): json.loads(text) for key, text in self.to_metadata().items()}
        return json.dumps(fields, indent=1) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Manifest:
        """The inverse of `to_json`; ManifestError says what is missing or malformed."""
        try:
            _check_length(len(text))
            fields = parse_json(text, dict)
        except ValueError as error:
            raise ManifestError(f"it is not a manifest: {error}") from None
        return cls._from_fields(fields)

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Manifest:
        """The inverse of `to_metadata`; ManifestError says what is missing or malformed."""
        texts = {key: metadata[_PREFIX + key] for key in _KEYS if _PREFIX + key in metadata}
        _check_length(sum(map(len, texts.values())))
        fields = {}
        for key, text in texts.items():
            try:
                fields[key] = parse_any(text)
            except ValueError as error:
                raise ManifestError(f"its metadata {_PREFIX}{key}: {error}") from None
        return cls._from_fields(fields)

    @classmethod
    def _from_fields(cls, fields: dict[str, Any]) -> Manifest:
        missing = [_PREFIX + key for key in _KEYS if key not in fields]
        if missing:
            raise ManifestError(f"its metadata lacks {', '.join(missing)}")
        version = fields["format_version"]
        if version != FORMAT_VERSION:
            raise ManifestError(
                f"its format version is {shown(version)}, this package reads {FORMAT_VERSION}: "
                "export it again or install the package version that made it"
            )
        found = {key: fields[key] for key in cls.__dataclass_fields__}
        try:
            taxonomy = found["taxonomy"]
            found["taxonomy"] = Taxonomy(
                tuple(taxonomy["names"]), tuple((r, g, b) for r, g, b in taxonomy["palette"])
            )
            found["resize"] = ResizeRule(**found["resize"])
            for key in ("outputs", "mean_bgr", "depth_range_m"):
                found[key] = tuple(found[key])
            return cls(**found)
        except ManifestError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise ManifestError(f"its metadata is malformed: {shortened(error, 200)}") from None


_KEYS = ("format_version", *Manifest.__dataclass_fields__)


def _check_length(characters: int) -> None:
    if characters > MOST_CHARACTERS:
        raise ManifestError(f"expected at most {MOST_CHARACTERS} characters, got {characters}")
