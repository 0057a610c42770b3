"""What a TensorRT engine was built from, by what and for what: the `.engine.json` beside the `.engine`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError
from depdis_deploy.json_files import parse_json, read_text, shortened, shown
from depdis_deploy.manifest import MOST_CHARACTERS, Manifest, ManifestError

FORMAT_VERSION = 1
# Only TensorRT-RTX builds for GPUs that are not there.
NATIVE, RTX = FLAVOURS = ("tensorrt", "tensorrt_rtx")
Shape = tuple[int, int, int, int]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """The inputs (N, H, W, 3) that an engine takes, and those that it is fastest at."""

    min: Shape
    opt: Shape
    max: Shape

    @property
    def shape(self) -> tuple[int | None, ...]:
        """(N, H, W, 3), None where more than one size is taken: of height and width neither is free alone."""
        batch, *size = (low if low == high else None for low, high in zip(self.min, self.max, strict=True))
        return (batch, *((None, None) if None in size else size[:2]), 3)

    def takes(self, shape: Sequence[int]) -> bool:
        """Whether frames of that shape lie within it."""
        return len(shape) == 4 and all(
            low <= size <= high for low, size, high in zip(self.min, shape, self.max, strict=True)
        )

    def __str__(self) -> str:
        corners = (self.min, self.opt, self.max)
        words = [f"{batch}x{width}x{height}" for batch, height, width, _ in corners]
        return words[0] if len(set(words)) == 1 else f"{words[0]} to {words[2]}, best at {words[1]}"


@dataclass(frozen=True, kw_only=True)
class Key:
    """Everything that decides whether an engine may be used.

    onnx: the file's name, looked for beside the engine; onnx_sha256: of its bytes. flavour, version: of
    TensorRT. gpu: its name where it was built on one, None for an engine built ahead of time; capabilities: of
    compute, as `8.6`. precision: of the convolutions. workspace_mib: the limit given to the builder, None for
    its own. layers: how many convolutions are in which precision, by TensorRT's own description, and how many
    it does not describe (`unread`). bounds, parity: by how much the engine may differ from the ONNX file and
    by how much it does, by shape; parity None: not measured.
    """

    engine_sha256: str
    onnx: str
    onnx_sha256: str
    flavour: str
    version: str
    gpu: str | None
    capabilities: tuple[str, ...]
    precision: str
    profile: Profile
    workspace_mib: int | None
    layers: Mapping[str, int] = field(default_factory=dict)
    bounds: Mapping[str, Any]
    parity: Sequence[Mapping[str, Any]] | None = None
    manifest: Manifest

    def to_json(self) -> str:
        """The key as a JSON object."""
        fields = {"format_version": FORMAT_VERSION, **asdict(self)}
        fields["manifest"] = json.loads(self.manifest.to_json())
        return json.dumps(fields, indent=1) + "\n"


def beside(engine: Path) -> Path:
    """Where an engine's key is."""
    return engine.with_name(engine.name + ".json")


def read_key(engine: Path) -> Key:
    """The key beside an engine; InputError where it is missing or malformed."""
    path = beside(engine)
    if not path.is_file():
        raise InputError(
            f"{engine}: its key {path.name} is not beside it, so what it was built from is not known: build it "
            "here by depdis-export MODEL.onnx --trt"
        )
    try:
        fields = parse_json(read_text(path, MOST_CHARACTERS), dict)
        version = fields.pop("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(f"its format version is {shown(version)}, this package reads {FORMAT_VERSION}")
        fields["manifest"] = Manifest.from_json(json.dumps(fields["manifest"]))
        corners = {name: _shape(fields["profile"][name]) for name in ("min", "opt", "max")}
        fields["profile"] = Profile(**corners)
        fields["capabilities"] = tuple(fields["capabilities"])
        return _checked(Key(**fields))
    except (ManifestError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path}: not a key of depdis-export: {shortened(str(error))}; build the engine again by "
            "depdis-export MODEL.onnx --trt"
        ) from None


def _shape(sizes: Sequence[Any]) -> Shape:
    batch, height, width, channels = (int(size) for size in sizes)
    if min(batch, height, width) < 1 or channels != 3:
        raise ValueError(f"frames are (N, H, W, 3), got {shown(sizes)}")
    return batch, height, width, channels


def _checked(key: Key) -> Key:
    """The key; ValueError where a field that is worked with is of another kind, as in a file edited by hand."""
    words = (key.engine_sha256, key.onnx, key.onnx_sha256, key.version, key.precision, *key.capabilities)
    numbers = [key.bounds[name] for name in ("labels_equal", "inverse_depth", "density")]
    for fine, name in (
        (all(isinstance(word, str) for word in words), "a hash, name or version"),
        (isinstance(key.gpu, str | None), "gpu"),
        (key.flavour in FLAVOURS, "flavour"),
        (isinstance(key.workspace_mib, int | None), "workspace_mib"),
        (isinstance(key.layers, dict), "layers"),
        (isinstance(key.parity, list | None), "parity"),
        (isinstance(key.bounds["mean"], bool), "bounds"),
        (all(isinstance(number, int | float) for number in numbers), "bounds"),
    ):
        if not fine:
            raise ValueError(f"{name} is not what it writes")
    return key


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()


def differences(
    key: Key, *, flavour: str, version: str, gpu: str | None, capabilities: Sequence[str],
    onnx_sha256: str | None = None, profile: Profile | None = None, workspace_mib: int | None = -1,
) -> list[str]:  # fmt: skip
    """Why an engine does not fit what is here, in words; empty: it does.

    gpu: name of the GPU here, None to build ahead of time. What is left out is not compared. An engine of
    TensorRT-RTX fits every GPU of its capabilities, one of `tensorrt` only GPUs of one name.
    """
    found = []
    if onnx_sha256 is not None and key.onnx_sha256 != onnx_sha256:
        found.append(f"it was built from another {key.onnx}")
    if (key.flavour, key.version) != (flavour, version):
        found.append(f"it was built by {key.flavour} {key.version}, here is {flavour} {version}")
    missing = [name for name in capabilities if name not in key.capabilities]
    if missing:
        found.append(
            f"it was built for compute capability {', '.join(key.capabilities)}, not {', '.join(missing)}"
        )
    if flavour == NATIVE and gpu is not None and key.gpu != gpu:
        found.append(f"it was built on {key.gpu}, here is {gpu}")
    if profile is not None and key.profile != profile:
        found.append(f"it takes frames of {key.profile}, not {profile}")
    if workspace_mib != -1 and key.workspace_mib != workspace_mib:
        found.append("it was built with another workspace")
    return found
