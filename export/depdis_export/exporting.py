"""From a checkpoint to a verified model file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import written_whole
from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.taxonomy import CITYSCAPES_7, CITYSCAPES_16
from depdis_training.checkpoint import read_checkpoint, round_to_half
from depdis_training.depth_distribution import DepthDistribution

from .deployable import Deployable, output_names
from .to_onnx import build, describe, store_weights_as_half
from .verify import Parity, as_record, check, verify

# The paper evaluates at full size; the small network's tail would cost a quarter of it.
LABEL_STRIDE = {"resnet101": 1, "efficientnet_lite0": 2}
PAPER_SIZE, SMALL_SIZE = (1280, 760), (640, 320)
_MADE_WITH = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy", "depdis-deploy")


def sha256(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
    """The (batch, width, height) that the file promises; for a dynamic one its nominal size and the corners."""
    rule = manifest.resize
    if not manifest.dynamic:
        return [(batch, rule.width, rule.height)]
    square = max(rule.multiple, round((rule.width * rule.height) ** 0.5 / rule.multiple) * rule.multiple)
    return [
        (1, rule.width, rule.height),
        (1, rule.height, rule.width),
        (2, square, square),
        (3, 4 * rule.multiple, 3 * rule.multiple),
    ]


def export(
    source: Path,
    destination: Path,
    *,
    size: tuple[int, int] | None = None,
    batch: int = 1,
    dynamic: bool = False,
    half_weights: bool = False,
) -> tuple[Manifest, list[Parity]]:
    """Write `source` as the ONNX file `destination`, verified against torch; nothing is left if it fails.

    size: (width, height) of the input, the checkpoint's own if None. half_weights: rounds the weights to fp16
    and stores them so; the arithmetic stays fp32. Raises ParityError where the file disagrees with torch,
    ValueError where the checkpoint cannot be read.
    """
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
        precision="fp32",
        source_sha256=sha256(source),
        versions={name: version(name) for name in _MADE_WITH},
    )
    if "density" not in manifest.outputs:
        manifest = replace(manifest, density=None)
    deployable = Deployable(network, manifest, LABEL_STRIDE[network.backbone])
    model = build(deployable, manifest, batch)
    if half_weights:
        store_weights_as_half(model, network)
    describe(model, manifest)
    with written_whole(destination) as temporary:
        temporary.write_bytes(model.SerializeToString())
        figures = verify(temporary, deployable, manifest, shapes_to_verify(manifest, batch))
        check(figures)
        manifest = replace(manifest, parity=as_record(figures))
        describe(model, manifest)
        temporary.write_bytes(model.SerializeToString())
    return manifest, figures
