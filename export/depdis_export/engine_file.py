"""depdis-export --trt: a checkpoint, or an exported ONNX file without torch, -> a TensorRT engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from depdis_deploy.backends import describe
from depdis_deploy.backends.onnx_precision import low_share_warning, shares
from depdis_deploy.backends.tensorrt_engine import Made, Wishes, as_table, builder, make_engine, own_key
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import written_whole
from depdis_deploy.terminal import write_err, write_out

from .bounds import BOUNDS


def from_onnx(source: Path, engine: Path, wishes: Wishes, precision: str | None) -> None:
    """Build `engine` from a file of depdis-export, in its precision; InputError where another is wanted."""
    manifest = describe(source)
    if precision is not None and precision != manifest.precision:
        raise InputError(
            f"{source}: is {manifest.precision}, and an engine has its file's precision: export the checkpoint "
            f"with --precision {precision} --trt"
        )
    _report(engine, make_engine(source, engine, asdict(BOUNDS[manifest.precision]), wishes))
    if source.resolve().parent != engine.resolve().parent:
        note = f"note: the engine is built again by itself only where {source.name} lies beside it"
        write_err(note)


def from_checkpoint(
    onnx: Path, engine: Path, wishes: Wishes, precision: str, export: Callable[[Path], None]
) -> None:
    """Build `engine` and the ONNX file that it comes from; neither is left if one fails.

    export: writes the verified ONNX file of that precision to a path.
    """
    builder(wishes)  # what is missing is said before the long export
    with written_whole(onnx) as temporary:
        export(temporary)
        made = make_engine(temporary, engine, asdict(BOUNDS[precision]), wishes, name=onnx.name)
    _report(engine, made)


def check_engine(engine: Path, *, exist_ok: bool) -> None:
    """UsageError for a name of another form, and for something there that is no engine of ours."""
    if engine.suffix != ".engine":
        raise UsageError(f"with --trt the output's name ends in .engine, got {engine.name}")
    if not engine.parent.is_dir():
        raise InputError(f"{engine.parent} is not a folder: make it first or give another -o")
    if engine.is_dir():
        raise UsageError(f"{engine} is a folder: give another -o")
    if engine.exists() and own_key(engine) is None and not exist_ok:
        raise UsageError(
            f"{engine} exists and has no key that can be read: give another -o, or --exist-ok to replace it"
        )


def _report(engine: Path, made: Made) -> None:
    key = made.key
    write_err(f"{made.news}\n{as_table(key)}")
    counts = {kind: number for kind, number in key.layers.items() if kind != "unread"}
    if (warning := low_share_warning(counts, key.precision)) is not None:
        write_err(warning)
    shown = "" if key.precision == "fp32" else f" ({shares(counts)} convolutions)"
    place = f"{key.gpu or 'any GPU'} of compute capability {', '.join(key.capabilities)}"
    write_out(
        f"{engine}: {engine.stat().st_size / 1e6:.1f} MB, {key.precision}{shown}, frames of {key.profile}, "
        f"{place}, {key.flavour} {key.version}"
    )
