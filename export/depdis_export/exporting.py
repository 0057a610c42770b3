"""From a checkpoint to a verified model file."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import depdis_deploy
from depdis_deploy.backends.onnxruntime_backend import installed_wheels
from depdis_deploy.backends.trial import vouch
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import file_sha256, written_whole
from depdis_deploy.install_hint import installed
from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.progress import say
from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16
from depdis_deploy.terminal import write_err
from depdis_training.checkpoint import read_checkpoint, round_to_half
from depdis_training.deployed import LABEL_STRIDE
from depdis_training.depth_distribution import DepthDistribution

from .deployable import Deployable, output_names
from .lowering import Lowered, in_engine, lowered
from .openvino_file import write_openvino
from .streets import own_frames, street_frames
from .to_onnx import build, describe, store_weights_as_half
from .verify import (
    STREET_PICTURES,
    Figures,
    ParityError,
    Reference,
    as_record,
    check,
    references,
    street_references,
    verify,
)

if TYPE_CHECKING:
    import onnx

PAPER_SIZE, SMALL_SIZE = (1280, 760), (640, 320)
_MADE_WITH = ("torch", "onnx", "onnxscript", "numpy")


def released_manifest(classes: int, size: tuple[int, int] | None) -> Manifest:
    """What the authors' released files do not say of themselves.

    The full and the small 7-class network have equal shapes, so their input size has to be given.
    """
    if classes == len(CITYSCAPES_7):
        if size is None:
            raise UsageError(
                "a released 7-class file does not say its input size: give --imgsz 1280x760 (full) or "
                "--imgsz 640x320 (small)"
            )
        mixtures = DepthDistribution.published(
            "synthia-cityscapes-7-small" if size == SMALL_SIZE else "synthia-cityscapes-7"
        )
        taxonomy = CITYSCAPES_7
    else:
        taxonomy, mixtures = CITYSCAPES_16, DepthDistribution.published("synthia-cityscapes-16")
    width, height = size or PAPER_SIZE
    return Manifest(
        taxonomy=taxonomy,
        resize=ResizeRule(kind="stretch", width=width, height=height, multiple=1, interpolation="bicubic"),
        density=mixtures.to_dict(),
    )


def resized(manifest: Manifest, size: tuple[int, int] | None, *, dynamic: bool) -> Manifest:
    """The manifest for the wanted input: a graph of one size letterboxes where the aspect is to be kept."""
    rule = manifest.resize
    width, height = size or (rule.width, rule.height)
    kind = rule.kind
    if dynamic:
        if width % rule.multiple or height % rule.multiple:
            raise UsageError(f"--dynamic needs sizes in multiples of {rule.multiple}, got {width}x{height}")
    elif kind == "area":
        kind = "fit"
    return replace(manifest, resize=replace(rule, kind=kind, width=width, height=height), dynamic=dynamic)


def shapes_to_verify(manifest: Manifest, batch: int) -> list[tuple[int, int, int]]:
    """The (batch, width, height) that the file promises.

    Of a dynamic one the corners of its range: 1 and `batch` pictures, each of the nominal size lying and
    standing and of half its sides; and `batch` of as many pixels in a square.
    """
    rule = manifest.resize
    if not manifest.dynamic:
        return [(batch, rule.width, rule.height)]
    half = (_in_steps(rule.width / 2, rule.multiple), _in_steps(rule.height / 2, rule.multiple))
    square = _in_steps((rule.width * rule.height) ** 0.5, rule.multiple)
    corners = [
        (count, width, height)
        for width, height in ((rule.width, rule.height), (rule.height, rule.width), half)
        for count in (1, batch)
    ]
    return list(dict.fromkeys([*corners, (batch, square, square)]))


def _in_steps(side: float, step: int) -> int:
    """A side as the nearest multiple of what the network takes."""
    return max(1, round(side / step)) * step


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What precision a file is to have.

    name: fp32, fp16 or int8. target: which engine's form of INT8, onnxruntime (OpenVINO's too) or tensorrt.
    calibrate: a folder, picture or video of the user to take ranges from; None: generated streets. pictures:
    how many of them. keep_float: names of layers that stay fp32 in any case. street_pictures: how many to
    measure mIoU on.
    """

    name: str = "fp32"
    target: str = "onnxruntime"
    calibrate: Path | None = None
    pictures: int = 32
    keep_float: tuple[str, ...] = ()
    street_pictures: int = STREET_PICTURES


def export(
    source: Path,
    destination: Path,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    dynamic: bool = False,
    half_weights: bool = False,
    precision: Precision | None = None,
) -> tuple[Manifest, list[Figures], str]:
    """Write `source` as the file `destination`, verified against torch; nothing is left if it fails.

    destination: `.onnx`, or `.xml` for OpenVINO's format (with `.bin` and the manifest as `.json` beside it).
    size: (width, height) of the input, the checkpoint's own if None. batch: pictures at a time; the most of
    them where `dynamic` leaves that open with height and width. half_weights: rounds the weights to fp16
    and stores them so; the arithmetic stays fp32. Returns the manifest, the figures of each engine at hand, the
    file's own first, and the table of the search for sensitive layers. Raises ParityError where the file
    disagrees with torch, ValueError where the checkpoint cannot be read.
    """
    precision = precision or Precision()
    say(f"reading {source}")
    checkpoint = read_checkpoint(source)
    network = checkpoint.network
    if half_weights:
        round_to_half(network)
    manifest = checkpoint.manifest
    if manifest is None:
        if checkpoint.kind != "released":
            raise InputError(f"{source} holds weights without a description of their input: not exportable")
        manifest = released_manifest(network.num_classes, size)
    manifest = replace(
        resized(manifest, size, dynamic=dynamic),
        outputs=output_names(network),
        backbone=network.backbone,
        precision=precision.name,
        source_sha256=file_sha256(source),
        versions=made_with(destination),
    )
    if "density" not in manifest.outputs:
        manifest = replace(manifest, density=None)
    deployable = Deployable(network, manifest, LABEL_STRIDE[network.backbone])
    say("building the ONNX graph")
    model = build(deployable, manifest, batch)
    if half_weights:
        store_weights_as_half(model, network)
    result = _lowered(model, manifest, batch, precision)
    with ExitStack() as files:
        path = _opened(files, destination)
        say(f"writing {destination.name}")
        _write(result.model, manifest, path)
        manifest, figures = _checked(path, result, deployable, manifest, batch, precision)
        _write(result.model, manifest, path)
    return manifest, figures, result.table


def made_with(destination: Path) -> dict[str, str]:
    """Versions of the packages that a file of that kind comes of; any of onnxruntime's wheels will do."""
    names = [*_MADE_WITH, *installed_wheels(), *(["openvino"] if destination.suffix == ".xml" else [])]
    return {name: version(name) for name in names} | {"depdis-deploy": depdis_deploy.__version__}


def _lowered(model: onnx.ModelProto, manifest: Manifest, batch: int, precision: Precision) -> Lowered:
    rule = manifest.resize
    sizes = [(rule.width, rule.height)]
    if manifest.dynamic:
        # Standing pictures have other values than lying ones; pictures of several sizes make no batch.
        sizes, batch = [*sizes, (rule.height, rule.width)], 1
    frames = []
    if precision.name == "int8":
        say(f"reading {precision.pictures} images for calibration")
        if precision.calibrate is None:
            each = -(-precision.pictures // len(sizes))
            for index, size in enumerate(sizes):
                frames += list(street_frames(each, *size, purpose="calibration", start=index * each))
        else:
            frames = list(own_frames(precision.calibrate, precision.pictures, manifest))
    return lowered(model, precision.name, precision.target, batch, frames, sizes, precision.keep_float)


def _opened(files: ExitStack, destination: Path) -> Path:
    """The temporary name to write to; its companions' too, which appear first."""
    companions = (".bin", ".json") if destination.suffix == ".xml" else ()
    return files.enter_context(written_whole(destination, companions=companions))


def _write(model: onnx.ModelProto, manifest: Manifest, path: Path) -> None:
    describe(model, manifest)
    if path.suffix == ".xml":
        write_openvino(model, manifest, path)
    else:
        path.write_bytes(model.SerializeToString())
    vouch(path)


def _checked(
    path: Path, result: Lowered, deployable: Deployable, manifest: Manifest, batch: int, precision: Precision
) -> tuple[Manifest, list[Figures]]:
    """The gate; the manifest comes back with its figures. Other engines at hand are measured, not held to."""
    promised = shapes_to_verify(manifest, batch)
    shapes = references(deployable, promised)
    engine = _own_engine(path)
    others = _other_engines(engine)
    streets: list[Reference] = []
    if precision.name == "int8" or any(arithmetic == "bf16" for _, arithmetic in others):
        streets = street_references(deployable, manifest, promised[0], precision.street_pictures)
    own = verify(path, manifest, shapes, streets, kind=precision.name, engine=engine)
    try:
        check(own)
    except ParityError as error:
        raise ParityError(f"{error}{result.advice()}") from None
    figures = [own]
    for other, arithmetic in others:
        # INT8 with the rest in bf16 is held to what INT8 is held to.
        kind = precision.name if arithmetic == "auto" or precision.name == "int8" else arithmetic
        try:
            found = verify(path, manifest, shapes, streets, kind=kind, engine=other, arithmetic=arithmetic)
        except ParityError as error:
            write_err(f"note: {other} is not chosen for this file by itself: {error}")
            continue
        figures.append(found)
    record: dict[str, Any] = {
        **as_record(own, figures[1:]),
        "layers": in_engine(path, result, precision.target, own.layers),
    }
    return replace(manifest, parity=record), figures


def _own_engine(path: Path) -> str:
    """The engine that decides whether the file is kept; of an .onnx the one that is installed."""
    return "openvino" if path.suffix == ".xml" or not installed("onnxruntime") else "onnxruntime"


def _other_engines(own: str) -> list[tuple[str, str]]:
    """(engine, arithmetic) besides `own`, of those installed."""
    if not installed("openvino"):
        return []
    from depdis_deploy.backends.cpu import features

    found = [] if own == "openvino" else [("openvino", "auto")]
    return found + ([("openvino", "bf16")] if "bf16" in features() else [])
