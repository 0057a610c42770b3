"""Networks on disk: our checkpoints and weights, and the files that the paper's authors released.

Nothing is executed on loading: pickles are read with `weights_only=True`, weights alone as safetensors.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from depdis_deploy.files import written_whole
from depdis_deploy.json_files import parse_json, shortened, shown
from depdis_deploy.manifest import Manifest

from .branches import Network
from .efficientnet import EfficientNetLite, load_imagenet_lite0
from .network import build_network
from .released import is_released, read_released
from .torch_file import RefusedError, read_torch_file
from .weights import describe, load_imagenet_resnet, load_weights

FORMAT = "depdis-checkpoint"
FORMAT_VERSION = 1
_WEIGHT_TYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
_KINDS = {int: "an integer", str: "a name", list: "a list of names", bool: "true or false"}
LARGEST_HEADER = 4 << 20  # bytes, of safetensors; a network's with its manifest has 0.2 MB
_PLAIN = (Tensor, str, int, float, bool, type(None))


class CheckpointError(ValueError):
    """A file that no network can be read from; the message says why and what to do."""


@dataclass(frozen=True)
class Checkpoint:
    """What a file held.

    kind: `checkpoint` (ours, with everything a training needs to go on), `weights` (ours, safetensors) or
        `released` (the authors').
    config, step, state: the resolved configuration, the iterations done, optimiser and random state; of a
        released file whatever it held besides the weights, of weights nothing.
    notes: what the reader should be told, such as branches that the file lacks.
    """

    network: Network
    manifest: Manifest | None
    step: int
    config: Mapping[str, Any]
    state: Mapping[str, Any]
    kind: str
    notes: tuple[str, ...] = ()


def load_network(path: Path | str) -> Network:
    """The network in a file of ours or of the authors, in evaluation mode and float32.

    Raises CheckpointError as `read_checkpoint` does.
    """
    return read_checkpoint(path).network.eval()


def read_checkpoint(path: Path | str) -> Checkpoint:
    """Read any of the three kinds of file; the content decides which, the suffix only safetensors.

    Raises CheckpointError for a file that is missing, truncated, of something else, or that would execute code.
    """
    path = Path(path)
    if path.suffix.lower() == ".safetensors":
        return _read_weights(path)
    content = load_plain(path)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return _from_ours(path, content)
    if is_released(content):
        network, notes = _said_of(path, read_released, content)
        state = {key: value for key, value in content.items() if key != "model"}
        return Checkpoint(network, None, 0, {}, state, "released", notes)
    raise CheckpointError(
        f"{path}: neither a checkpoint of depdis-train nor one of the authors' released files "
        f"({_looks_like(content)})"
    )


def load_plain(path: Path) -> Any:
    """A torch file of tensors and plain values; CheckpointError for anything that would run code."""
    _check_exists(path)
    try:
        return read_torch_file(path)
    except RefusedError as error:
        raise CheckpointError(f"{path}: refused: {error}") from None
    except Exception as error:  # whatever arbitrary bytes lead the unpickler to
        raise CheckpointError(f"{path}: truncated or not a torch file ({_first_line(error)})") from None


def write_checkpoint(
    path: Path | str,
    network: Network,
    manifest: Manifest | None,
    *,
    config: Mapping[str, Any],
    step: int,
    state: Mapping[str, Any],
) -> None:
    """Write a checkpoint of a training (.pt), whole or not at all.

    config: plain values; state: tensors and plain values (optimiser, random state), nested in dicts, lists
    and tuples. Raises TypeError for anything that `weights_only=True` would refuse to read back, OSError where
    there is no space for it.
    """
    content = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "network": _description(network),
        "weights": network.state_dict(),
        "manifest": None if manifest is None else manifest.to_metadata(),
        "config": dict(config),
        "step": step,
        "state": dict(state),
    }
    _check_plain(content, "checkpoint")
    with written_whole(path) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:  # of torch's own writer, which knows no errno
            raise OSError(f"{path}: cannot be written, is the disk full? ({_first_line(error)})") from None


def write_weights(path: Path | str, network: Network, manifest: Manifest | None) -> None:
    """Write the weights alone in float16 as safetensors, the manifest in its metadata.

    Call `round_to_half` before scores are taken, so that they are those of the file.
    """
    from safetensors.torch import save

    weights = {
        name: (value.half() if value.is_floating_point() else value).contiguous()
        for name, value in network.state_dict().items()
    }
    metadata = {"format": FORMAT, "version": str(FORMAT_VERSION), "network": json.dumps(_description(network))}
    if manifest is not None:
        metadata |= manifest.to_metadata()
    with written_whole(path) as temporary:
        temporary.write_bytes(save(weights, metadata))


def write_released(path: Path | str, network: Network, state: Mapping[str, Any] | None = None) -> None:
    """Write a resnet101 in the layout of the authors' files, {"model": ..., "optimizer": ...}.

    state: what the file held besides the weights, as `read_checkpoint` gives it. Raises ValueError for a
    network that has no such layout.
    """
    if network.backbone != "resnet101" or network.fusion:
        raise ValueError(f"the authors' layout is of resnet101 networks, this is {describe(network)}")
    content = {"optimizer": {}, **(state or {}), "model": network.state_dict()}
    _check_plain(content, "checkpoint")
    with written_whole(path) as temporary:
        torch.save(content, temporary)


def load_imagenet(network: Network, path: Path | str) -> None:
    """Start a network's backbone from ImageNet weights in a file, its heads untouched.

    resnet101: DeepLab_resnet_pretrained_imagenet.pth; efficientnet_lite0: the package's own file. Raises
    CheckpointError for any other file.
    """
    path = Path(path)
    content = load_plain(path)
    load = load_imagenet_lite0 if isinstance(network, EfficientNetLite) else load_imagenet_resnet
    _said_of(path, load, network, content)


@torch.no_grad()
def round_to_half(network: Network) -> None:
    """Round every weight and statistic to a float16 value in place, kept as float32.

    Raises ValueError when a value does not fit in float16.
    """
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            rounded = value.half().to(value.dtype)
            if not torch.isfinite(rounded).all():
                raise ValueError(f"{name} holds values beyond float16's range of 65504: write it as float32")
            value.copy_(rounded)


def _check_exists(path: Path) -> None:
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; expected a .pt, .pth or .safetensors file of weights")


def _read_weights(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    _check_exists(path)
    _check_header(path)
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            weights = {}
            for name in file.keys():  # noqa: SIM118
                kind = file.get_slice(name).get_dtype()
                if kind not in _WEIGHT_TYPES:
                    raise CheckpointError(
                        f"{path}: {shown(name)} has type {kind}, expected one of {', '.join(_WEIGHT_TYPES)}"
                    )
                weights[name] = file.get_tensor(name)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: cannot be read, truncated or not safetensors ({_first_line(error)})"
        ) from None
    if metadata.get("format") != FORMAT:
        raise CheckpointError(
            f"{path}: its metadata does not say which network it is: not written by this package"
        )
    description = _said_of(path, _network_metadata, metadata)
    network = _said_of(path, _rebuild, description, weights)
    return Checkpoint(network, _said_of(path, _manifest, metadata, network), 0, {}, {}, "weights")


def _check_header(path: Path) -> None:
    """Check the size of a safetensors file's header, which its reader parses whole."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
    if LARGEST_HEADER < length <= path.stat().st_size:
        raise CheckpointError(f"{path}: refused: a header of {length} bytes, at most {LARGEST_HEADER} are read")


def _network_metadata(metadata: Mapping[str, str]) -> dict[str, Any]:
    """The description of the network in the metadata of safetensors."""
    if "network" not in metadata:
        raise ValueError("its metadata has no description of the network: write the file again")
    try:
        return parse_json(metadata["network"], dict)
    except ValueError as error:
        raise ValueError(f"the description of the network in its metadata: {error}") from None


def _from_ours(path: Path, content: Mapping[str, Any]) -> Checkpoint:
    version = content.get("version")
    if type(version) is not int or version != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: checkpoint version {shown(version)}, this package reads {FORMAT_VERSION}: "
            "install the package version that wrote it"
        )
    missing = {"network", "weights", "manifest", "step", "config", "state"} - content.keys()
    if missing:
        raise CheckpointError(f"{path}: the checkpoint lacks {', '.join(sorted(missing))}")
    step = content["step"]
    if type(step) is not int or not 0 <= step < 2**63:
        raise CheckpointError(f"{path}: its step is {shown(step)}, expected a number of iterations")
    for key in ("config", "state"):
        if not isinstance(content[key], Mapping):
            raise CheckpointError(f"{path}: its {key} is {shown(content[key])}, expected a mapping")
    network = _said_of(path, _rebuild, content["network"], content["weights"])
    manifest = None if content["manifest"] is None else _said_of(path, _manifest, content["manifest"], network)
    return Checkpoint(network, manifest, step, content["config"], content["state"], "checkpoint")


def _rebuild(description: Any, weights: Any) -> Network:
    """Build the described network with the weights; ValueError names what is malformed or does not fit."""
    if not isinstance(description, Mapping):
        raise ValueError(f"its description of the network is {shown(description)}, expected a mapping")
    missing = [key for key in ("num_classes", "backbone", "branches") if key not in description]
    if missing:
        raise ValueError(f"its description of the network lacks {', '.join(missing)}")
    fields = {"fusion": False, **description}
    branches = fields["branches"]
    for key, kind in (("num_classes", int), ("backbone", str), ("branches", list), ("fusion", bool)):
        if type(fields[key]) is not kind:
            raise ValueError(f"the network's {key} is {shown(fields[key])}, expected {_KINDS[kind]}")
    if not all(isinstance(branch, str) for branch in branches):
        raise ValueError(f"the network's branches are {shown(branches)}, expected names")
    network = build_network(fields["num_classes"], fields["backbone"], branches, fusion=fields["fusion"])
    load_weights(network, weights)
    return network


def _manifest(metadata: Any, network: Network) -> Manifest | None:
    if not isinstance(metadata, Mapping) or not all(
        isinstance(key, str) and isinstance(text, str) for key, text in metadata.items()
    ):
        raise ValueError(f"its manifest is {shown(metadata)}, expected names and JSON texts")
    if not any(key.startswith("depdis.") for key in metadata):
        return None
    manifest = Manifest.from_metadata(metadata)
    if len(manifest.taxonomy) != network.num_classes:
        raise ValueError(
            f"its manifest names {len(manifest.taxonomy)} classes, its network has {network.num_classes}"
        )
    return manifest


def _said_of(path: Path, function: Any, *arguments: Any) -> Any:
    """The function's result; its ValueError becomes a CheckpointError that names the file."""
    try:
        return function(*arguments)
    except ValueError as error:
        raise CheckpointError(f"{path}: {shortened(error, 500)}") from None


def _description(network: Network) -> dict[str, Any]:
    return {
        "num_classes": network.num_classes,
        "backbone": network.backbone,
        "branches": list(network.branches),
        "fusion": network.fusion,
    }


def _check_plain(value: Any, where: str) -> None:
    if isinstance(value, Mapping):
        for key, item in value.items():
            _check_plain(item, f"{where}[{key!r}]")
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            _check_plain(item, f"{where}[{index}]")
    elif type(value) not in _PLAIN and not isinstance(value, Tensor):
        raise TypeError(
            f"{where} is a {type(value).__name__}; a checkpoint holds tensors and plain values only"
        )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:120] if lines else type(error).__name__


def _looks_like(content: Any) -> str:
    if isinstance(content, Mapping):
        return "it holds " + (", ".join(str(key)[:80] for key in list(content)[:4]) or "nothing") + ", ..."
    return f"it holds a {type(content).__name__}"
