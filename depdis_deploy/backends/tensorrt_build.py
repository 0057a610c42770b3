"""TensorRT's builder: a graph -> the bytes of an engine, in the precision that the graph is in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.install_hint import install

from .cuda import Gpu
from .engine_key import Profile
from .local_engines import keep_bytes, own_bytes
from .tensorrt_graph import Graph
from .tensorrt_module import Log, TensorRT, logger


@dataclass(frozen=True)
class Target:
    """What to build for: the GPU here, or compute capabilities ahead of time (`gpu` is None)."""

    gpu: Gpu | None
    capabilities: tuple[str, ...]

    def __str__(self) -> str:
        where = f"compute capability {', '.join(self.capabilities)}"
        return where if self.gpu is None else f"{self.gpu.name} ({where})"


def build(
    tensorrt: TensorRT, graph: Graph, target: Target, profile: Profile, workspace_mib: int | None = None
) -> tuple[bytes, str]:
    """The serialized engine, and TensorRT's one-line descriptions of its layers.

    The network is strongly typed: every layer has the type that the graph gives it. TF32 is off, so that fp32
    is fp32. workspace_mib: the most scratch memory a layer may take; None: what the GPU has. InputError with
    TensorRT's cause where it cannot parse or build the graph.
    """
    trt, log = tensorrt.module, Log()
    keep = logger(tensorrt, log)
    builder = trt.Builder(keep)
    network = builder.create_network(1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
    parser = trt.OnnxParser(network, keep)
    if not parser.parse(graph.data):
        raise InputError(f"{tensorrt} cannot read the graph: {log.cause()}")
    config = builder.create_builder_config()
    config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    config.clear_flag(trt.BuilderFlag.TF32)
    if hasattr(trt.BuilderFlag, "REQUIRE_USER_ALLOCATION"):
        config.set_flag(trt.BuilderFlag.REQUIRE_USER_ALLOCATION)  # or no run could become a CUDA graph
    if workspace_mib is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, workspace_mib << 20)
    if target.gpu is None:
        known = tensorrt.capabilities()
        config.num_compute_capabilities = len(target.capabilities)
        for index, name in enumerate(target.capabilities):
            config.set_compute_capability(known[name], index)
    if None in graph.shape:
        shapes = builder.create_optimization_profile()
        shapes.set_shape("frames", profile.min, profile.opt, profile.max)
        config.add_optimization_profile(shapes)
    timings = _timings(tensorrt, target, config)
    serialized = builder.build_serialized_network(network, config)
    if serialized is None:
        raise InputError(f"{tensorrt} cannot build the engine for {target}: {log.cause()}")
    _keep_timings(tensorrt, target, timings)
    return bytes(serialized), log.layers


def described(tensorrt: TensorRT, data: bytes) -> str:
    """The layers of a serialized engine by TensorRT's inspector, which needs a GPU."""
    log = Log()
    keep = logger(tensorrt, log)
    engine = tensorrt.module.Runtime(keep).deserialize_cuda_engine(data)
    if engine is None:
        raise InputError(f"{tensorrt} cannot load the engine that it has built: {log.cause()}")
    inspector = engine.create_engine_inspector()
    return str(inspector.get_engine_information(tensorrt.module.LayerInformationFormat.ONELINE))


def choose_target(tensorrt: TensorRT, gpu: Gpu | str, wanted: Sequence[str]) -> Target:
    """What to build for: `wanted` capabilities, else the GPU here; in place of a GPU stands why there is none.

    InputError where there is neither, or the installed TensorRT does not build for those; UsageError for a word
    that is no capability.
    """
    names = tuple(dict.fromkeys(_dotted(text) for text in wanted))
    if isinstance(gpu, Gpu) and names in ((), (gpu.capability,)):
        _check_runs_on(tensorrt, gpu)
        return Target(gpu, (gpu.capability,))
    if not names:
        raise InputError(
            f"there is no GPU here to build for ({gpu}): name the compute capability of the target, such "
            "as --compute-capability 8.6, which tensorrt-rtx builds ahead of time"
        )
    known = tensorrt.capabilities()
    if not known:
        raise InputError(
            f"{tensorrt} builds for the GPU at hand only, not for compute capability {', '.join(names)}: "
            f"{install('tensorrt-rtx')}, or build it there"
        )
    unknown = [name for name in names if name not in known]
    if unknown:
        raise InputError(
            f"{tensorrt} does not build for compute capability {', '.join(unknown)}, but for {', '.join(known)}"
        )
    return Target(None, names)


def _check_runs_on(tensorrt: TensorRT, gpu: Gpu) -> None:
    """TensorRT-RTX builds on any GPU, and refuses the engine afterwards on a data centre's (9.0, 10.0)."""
    known = tensorrt.capabilities()
    newest = max((_ordered(name) for name in known), default=(0, 0))
    if known and gpu.capability not in known and _ordered(gpu.capability) < newest:
        names = ", ".join(sorted(known, key=_ordered))
        raise InputError(
            f"{tensorrt} runs on compute capability {names} and newer ones, not "
            f"on this {gpu.name} ({gpu.capability}): {install('tensorrt')} for it"
        )


def _ordered(capability: str) -> tuple[int, int]:
    major, _, minor = capability.partition(".")
    return int(major), int(minor)


def _dotted(text: str) -> str:
    """`8.6` or `86` -> `8.6`."""
    match = re.fullmatch(r"(\d+)\.?(\d)", text.strip())
    if match is None:
        raise UsageError(f"--compute-capability takes numbers such as 8.6, got {text!r}")
    return f"{match[1]}.{match[2]}"


def _timings(tensorrt: TensorRT, target: Target, config: Any) -> Any:
    """Measured times of earlier builds on this GPU; None ahead of time, when nothing is measured."""
    if target.gpu is None:
        return None
    cache = config.create_timing_cache(own_bytes(_timings_name(tensorrt, target.gpu)))
    # One of another version or driver is refused, and begun anew.
    if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
        cache = config.create_timing_cache(b"")
        config.set_timing_cache(cache, ignore_mismatch=False)
    return cache


def _keep_timings(tensorrt: TensorRT, target: Target, cache: Any) -> None:
    if cache is not None and target.gpu is not None:
        keep_bytes(_timings_name(tensorrt, target.gpu), bytes(cache.serialize()))


def _timings_name(tensorrt: TensorRT, gpu: Gpu) -> str:
    name = re.sub(r"\W+", "-", gpu.name)
    return f"timings/{tensorrt.flavour}-{tensorrt.version}-{name}.cache"
