"""An ONNX file -> an engine beside its key: built, its precision read back, kept only if it is right."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import written_whole
from depdis_deploy.manifest import Manifest
from depdis_deploy.terminal import write_err

from .cuda import Gpu, find_gpu
from .engine_key import NATIVE, RTX, Key, Profile, Shape, beside, differences, read_key, sha256
from .local_engines import built_here, remember
from .model_file import read_model
from .onnx_precision import shares
from .tensorrt_backend import TensorRtSession
from .tensorrt_build import Target, build, choose_target, described
from .tensorrt_graph import Graph, read_graph
from .tensorrt_layers import EngineError, check_layers, read_layers
from .tensorrt_module import TensorRT, installed
from .tensorrt_parity import agreement


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What a user may ask for.

    min, opt, max: (N, H, W, 3); None: the file's own size with one frame. capabilities: of compute, to build
    ahead of time; empty: for the GPU here. flavour: tensorrt or tensorrt_rtx; None: the first that can do it.
    """

    min: Shape | None = None
    opt: Shape | None = None
    max: Shape | None = None
    workspace_mib: int | None = None
    capabilities: tuple[str, ...] = ()
    flavour: str | None = None


@dataclass(frozen=True)
class Made:
    """key: of the engine that is there now; news: what was done and why, in a line."""

    key: Key
    news: str


def builder(wishes: Wishes, device: str = "auto") -> tuple[TensorRT, Target]:
    """The TensorRT that builds, and what for; InputError where that cannot be had here, UsageError as
    `choose_target`."""
    gpu, cause = _gpu_here(device)
    tensorrt = _flavour(wishes, gpu)
    return tensorrt, choose_target(tensorrt, gpu or cause, wishes.capabilities)


def make_engine(
    onnx: Path, engine: Path, bounds: Mapping[str, Any], wishes: Wishes | None = None, *,
    name: str | None = None, device: str = "auto",
) -> Made:  # fmt: skip
    """Build `engine` from a file of depdis-export, unless the one that is there fits what is wanted.

    bounds: by how much the engine may differ from the file, which is measured where there is a GPU. name: what
    the file will be called beside the engine, where `onnx` is a temporary name. Raises EngineError where the
    engine is not in the file's precision or does not give what the file gives, InputError where it cannot be
    built; nothing is left then, and what was there before stays.
    """
    wishes = wishes or Wishes()
    file = read_model(onnx)
    data, manifest = file.data, file.manifest
    name = name or onnx.name
    tensorrt, target = builder(wishes, device)
    gpu = None if target.gpu is None else target.gpu.name
    graph, profile = _graph(data, manifest, wishes, onnx)
    _check_graph(graph, manifest, onnx)
    before = own_key(engine)
    reasons: list[str] = []
    if before is not None:
        reasons = differences(
            before, flavour=tensorrt.flavour, version=tensorrt.version, gpu=gpu,
            capabilities=target.capabilities, onnx_sha256=sha256(data), profile=profile,
            workspace_mib=wishes.workspace_mib,
        )  # fmt: skip
        if sha256(engine.read_bytes()) != before.engine_sha256:
            reasons.append("it is not the file that its key is of")
        elif not built_here(before.engine_sha256):
            reasons.append("it was not built here by you, and would not be loaded")
        if not reasons:
            return Made(before, f"{engine} fits already: built by {tensorrt} for {target}")
    write_err(f"building {engine} by {tensorrt} for {target}, frames of {profile}")
    serialized, layers = build(tensorrt, graph, target, profile, wishes.workspace_mib)
    if target.gpu is not None:
        layers = described(tensorrt, serialized)
    found = read_layers(layers, graph.convolutions)
    check_layers(found, manifest.precision, str(target))
    key = Key(
        engine_sha256=sha256(serialized), onnx=name, onnx_sha256=sha256(data), flavour=tensorrt.flavour,
        version=tensorrt.version, gpu=gpu, capabilities=target.capabilities, precision=manifest.precision,
        profile=profile, workspace_mib=wishes.workspace_mib,
        layers={**found.counts, "unread": len(found.unread)}, bounds=bounds,
        manifest=_for_profile(manifest, profile),
    )  # fmt: skip
    if target.gpu is not None:
        session = TensorRtSession(engine, serialized, key, tensorrt, target.gpu)
        key = replace(key, parity=agreement(session, onnx, key))
    _write(engine, serialized, key)
    news = f"built {engine}" if before is None else f"built {engine} again: {'; '.join(reasons)}"
    if not remember(key.engine_sha256, engine):
        news += "; the user's cache cannot be written to, so it loads with --trust-engine only"
    return Made(key, news)


def own_key(engine: Path) -> Key | None:
    """The key of an engine that is there; None: there is no engine, or none with a key that can be read."""
    if not engine.is_file():
        return None
    try:
        return read_key(engine)
    except InputError:
        return None


def rebuilt(engine: Path, key: Key, reasons: Sequence[str], device: str) -> Made:
    """Build an engine anew where its ONNX file is beside it; InputError with the reasons where it is not."""
    onnx = engine.parent / Path(key.onnx).name
    why = f"{engine}: {'; '.join(reasons)}"
    if onnx.name != key.onnx or not onnx.is_file():
        raise InputError(
            f"{why}; its ONNX file {key.onnx} is not beside it: build it here by depdis-export MODEL.onnx --trt"
        )
    if sha256(onnx.read_bytes()) != key.onnx_sha256:
        raise InputError(
            f"{why}; {onnx.name} beside it is another file than it was built from: build it here by "
            f"depdis-export {onnx.name} --trt"
        )
    profile = key.profile
    wishes = Wishes(min=profile.min, opt=profile.opt, max=profile.max, workspace_mib=key.workspace_mib)
    return make_engine(onnx, engine, key.bounds, wishes, device=device)


def _gpu_here(device: str) -> tuple[Gpu | None, str]:
    """The GPU, or why there is none."""
    try:
        return find_gpu(device), ""
    except InputError as error:
        return None, str(error)


def _flavour(wishes: Wishes, gpu: Gpu | None) -> TensorRT:
    if wishes.flavour is not None:
        return installed([wishes.flavour])
    # Ahead of time only the one for RTX builds.
    return installed([NATIVE, RTX] if gpu is not None and not wishes.capabilities else [RTX, NATIVE])


def _graph(data: bytes, manifest: Manifest, wishes: Wishes, path: Path) -> tuple[Graph, Profile]:
    """The graph, and the inputs that the engine is to take; of one size unless more are asked for."""
    rule = manifest.resize
    try:
        graph = read_graph(data)
        own = tuple(
            size if size is not None else free
            for size, free in zip(graph.shape, (1, rule.height, rule.width, 3), strict=True)
        )
        only = Profile(min=own, opt=own, max=own)  # type: ignore[arg-type]
        opt = wishes.opt or wishes.max or wishes.min or only.opt
        profile = Profile(min=wishes.min or opt, opt=opt, max=wishes.max or opt)
        _check_profile(profile, graph.shape, rule.multiple if manifest.dynamic else 1)
        if None not in graph.shape and profile != only:
            raise UsageError(f"{path}: takes frames of {only} only; export it with --dynamic for others")
        if None in graph.shape and profile.min == profile.max:
            graph = read_graph(data, profile.opt)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return graph, profile


def _check_profile(profile: Profile, shape: Sequence[int | None], multiple: int) -> None:
    for low, best, high in zip(profile.min, profile.opt, profile.max, strict=True):
        if not low <= best <= high:
            raise UsageError(
                f"--min, --opt and --max have to rise in every number, got {_words(profile.min)}, "
                f"{_words(profile.opt)}, {_words(profile.max)}"
            )
    for corner in (profile.min, profile.opt, profile.max):
        for size, own in zip(corner[1:3], shape[1:3], strict=True):
            if own is None and size % multiple:
                raise UsageError(f"this model takes sizes in multiples of {multiple}, got {_words(corner)}")


def _words(shape: Shape) -> str:
    batch, height, width, _ = shape
    return f"{batch}x{width}x{height}"


def _check_graph(graph: Graph, manifest: Manifest, path: Path) -> None:
    """EngineError where the file is not in the precision that it says of itself."""
    kinds = [convolution.precision for convolution in graph.convolutions.values()]
    promised: Mapping[str, int] = manifest.parity.get("layers", {}).get("in_graph", {})
    found = {kind: kinds.count(kind) for kind in set(kinds)}
    if manifest.precision not in found or (promised and dict(promised) != found):
        counts = ", ".join(f"{number} in {kind}" for kind, number in sorted(found.items()))
        raise EngineError(
            f"{path}: says that it is {manifest.precision}, but has convolutions {counts}; nothing was kept: "
            "export the checkpoint again"
        )


def _for_profile(manifest: Manifest, profile: Profile) -> Manifest:
    """The engine's own description: an engine of one size letterboxes where the file took any."""
    _, height, width, _ = profile.opt
    fixed = profile.min[1:3] == profile.max[1:3]
    kind = "fit" if fixed and manifest.resize.kind == "area" else manifest.resize.kind
    rule = replace(manifest.resize, kind=kind, width=width, height=height)
    return replace(manifest, resize=rule, dynamic=not fixed)


def _write(engine: Path, serialized: bytes, key: Key) -> None:
    with ExitStack() as files:
        # The last entered appears first: never an engine without its key.
        path = files.enter_context(written_whole(engine))
        words = files.enter_context(written_whole(beside(engine)))
        path.write_bytes(serialized)
        words.write_text(key.to_json(), "utf-8")


def as_table(key: Key) -> str:
    """What is known of an engine, in lines."""
    counts = shares({kind: number for kind, number in key.layers.items() if kind != "unread"})
    if key.layers.get("unread"):
        counts += f"; {key.layers['unread']} not described"
    lines = [f"convolutions by TensorRT's description: {counts}"]
    if key.parity is None:
        lines.append("its agreement with the ONNX file was not measured: it was not run here")
    for row in key.parity or ():
        lines.append(", ".join(f"{name} {value}" for name, value in row.items()))
    return "\n".join(lines)
