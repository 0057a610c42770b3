"""The gate: an exported file is kept only when it gives what torch gives, for every shape that it promises."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from depdis_deploy.backends import Session, open_session
from depdis_deploy.backends.openvino_backend import OpenVinoSession
from depdis_deploy.command import InputError
from depdis_deploy.manifest import OUTPUTS, Manifest
from depdis_deploy.progress import Progress, tracked
from depdis_training.deployed import DeployedOutput
from depdis_training.evaluation import confusion, mean_iou

from .bounds import BOUNDS
from .deployable import Deployable
from .streets import street_frames, street_truth

# Fewer, and one rare class's few pixels move mIoU by a point.
STREET_PICTURES = 16


class ParityError(ValueError):
    """The exported file does not give what the network gives."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """Agreement of one (batch, width, height) with torch in fp32; a figure is None where the output is missing.

    bounds: the key of `BOUNDS` that it is held to, which says whether errors are means or the largest;
    labels_equal: share of the compared pixels; inverse_depth: relative difference; density: difference on the
    0..255 scale; confidence: difference.
    """

    bounds: str = "fp32"
    batch: int
    width: int
    height: int
    labels_equal: float
    inverse_depth: float | None
    density: float | None
    confidence: float

    def breaches(self) -> list[str]:
        """What is out of bounds, with its bound."""
        bounds = BOUNDS[self.bounds]
        found = []
        # Written so that NaN is a breach.
        if not self.labels_equal >= bounds.labels_equal:
            found.append(f"labels equal on {self.labels_equal:.4%}, at least {bounds.labels_equal:.1%} needed")
        for name, value, bound in (
            ("relative inverse depth", self.inverse_depth, bounds.inverse_depth),
            ("density (of 255)", self.density, bounds.density),
            ("confidence", self.confidence, bounds.confidence),
        ):
            if value is not None and bound is not None and not value <= bound:
                found.append(f"{name} off by {value:.3g}, at most {bound:g} allowed")
        return found


@dataclass(frozen=True, kw_only=True)
class StreetScore:
    """A file beside the network in fp32 torch on more pictures than a shape's: one or two are too few to tell
    a share of labels from.

    labels_equal: share of all pixels; miou_fp32, miou: in points, None where the model's classes are not of
    streets.
    """

    bounds: str
    pictures: int
    labels_equal: float
    miou_fp32: float | None = None
    miou: float | None = None

    def breaches(self) -> list[str]:
        """What is out of bounds, with its bound."""
        bounds, on = BOUNDS[self.bounds], f"on {self.pictures} street pictures"
        found = []
        if not self.labels_equal >= bounds.labels_equal:
            found.append(
                f"labels equal {on} at {self.labels_equal:.2%}, at least {bounds.labels_equal:.1%} needed"
            )
        if self.miou is not None and self.miou_fp32 is not None and bounds.miou_lost is not None:
            lost = self.miou_fp32 - self.miou
            if not lost <= bounds.miou_lost:
                found.append(f"{lost:.2f} points of mIoU lost {on}, at most {bounds.miou_lost:g} allowed")
        return found


@dataclass(frozen=True, kw_only=True)
class Reference:
    """Frames (N, H, W, 3) uint8 RGB, what torch makes of them, and their truth (N, H, W) where there is one."""

    frames: NDArray[np.uint8]
    expected: DeployedOutput
    truth: NDArray[np.uint8] | None = None


def references(deployable: Deployable, shapes: Sequence[tuple[int, int, int]]) -> list[Reference]:
    """What each (batch, width, height) is compared with."""
    progress = tracked(shapes, "reference outputs in torch", len(shapes))
    return [_reference(deployable, street_frames(*shape)) for shape in progress]


def street_references(
    deployable: Deployable, manifest: Manifest, shape: tuple[int, int, int], pictures: int
) -> list[Reference]:
    """At least `pictures` street pictures in batches of one shape, with truth where the model's classes are of
    streets."""
    batch, width, height = shape
    count = -(-pictures // batch) * batch
    frames = street_frames(count, width, height)
    truth = street_truth(count, width, height, manifest.taxonomy)
    parts = [slice(at, at + batch) for at in range(0, count, batch)]
    progress = tracked(parts, "reference outputs in torch for mIoU", len(parts))
    return [_reference(deployable, frames[part], None if truth is None else truth[part]) for part in progress]


def _reference(
    deployable: Deployable, frames: NDArray[np.uint8], truth: NDArray[np.uint8] | None = None
) -> Reference:
    with torch.no_grad():
        return Reference(frames=frames, expected=deployable.full(torch.from_numpy(frames)), truth=truth)


def compare(reference: Reference, outputs: dict[str, NDArray[Any]], kind: str = "fp32") -> Parity:
    """The figures of one shape; ParityError where an output has another shape or type."""
    bounds, expected = BOUNDS[kind], reference.expected
    batch, height, width = reference.frames.shape[:3]
    for name, value in zip(OUTPUTS, expected[: len(OUTPUTS)], strict=True):
        if value is not None:
            wanted = (tuple(value.shape), str(value.dtype).removeprefix("torch."))
            got = (outputs[name].shape, str(outputs[name].dtype))
            if wanted != got:
                raise ParityError(f"output {name} should be {wanted[1]} {wanted[0]}, is {got[1]} {got[0]}")
    best = expected.logits.topk(min(2, expected.logits.shape[1]), dim=1).values  # (N, 2, H', W')
    margin = (best[:, :1] - best[:, -1:] > bounds.margin).to(torch.uint8)  # (N, 1, H', W')
    clear = torch.nn.functional.interpolate(margin, size=(height, width), mode="nearest")[:, 0].bool().numpy()
    equal = outputs["labels"] == expected.labels.numpy()
    over = np.mean if bounds.mean else np.max
    inverse_depth = density = None
    if expected.depth is not None:
        # 1/z differs by the same share as z; depth is 0.01 m below 655.36 / z.
        true, got_depth = expected.depth.numpy() + 0.01, outputs["depth"] + 0.01
        inverse_depth = float(over(np.abs(true / got_depth - 1.0)))
    if expected.density is not None:
        density = 255.0 * float(over(np.abs(expected.density.numpy() - outputs["density"])))
    return Parity(
        bounds=kind,
        batch=batch,
        width=width,
        height=height,
        labels_equal=float(equal[clear].mean()) if clear.any() else float("nan"),
        inverse_depth=inverse_depth,
        density=density,
        confidence=float(over(np.abs(expected.confidence.numpy() - outputs["confidence"]))),
    )


def street_score(
    session: Session, manifest: Manifest, streets: Sequence[Reference], kind: str,
    done: Callable[[], None] = lambda: None,
) -> StreetScore | None:  # fmt: skip
    """The file's labels beside torch's, and both beside the truth; None without pictures. done: after each."""
    if not streets:
        return None
    classes = len(manifest.taxonomy)
    torch_counts = np.zeros((classes, classes), np.int64)
    counts = np.zeros_like(torch_counts)
    equal = []
    for reference in streets:
        expected, found = reference.expected.labels.numpy(), session.run(reference.frames, ["labels"])["labels"]
        equal.append((expected == found).mean())
        if reference.truth is not None:
            torch_counts += confusion(expected, reference.truth, classes)
            counts += confusion(found, reference.truth, classes)
        done()
    known = bool(counts.any())
    return StreetScore(
        bounds=kind,
        pictures=sum(len(reference.frames) for reference in streets),
        labels_equal=float(np.mean(equal)),
        miou_fp32=100 * mean_iou(torch_counts) if known else None,
        miou=100 * mean_iou(counts) if known else None,
    )


@dataclass(frozen=True)
class Figures:
    """What one engine gave: by shape, and on streets with truth where that was measured.

    layers: how many convolutions OpenVINO computes in which precision; None of other engines.
    """

    engine: str
    shapes: list[Parity]
    street: StreetScore | None
    layers: Mapping[str, int] | None = None

    def breaches(self) -> list[str]:
        """What is out of bounds, each with its shape."""
        found = [
            f"{row.batch}x{row.width}x{row.height}: {breach}"
            for row in self.shapes
            for breach in row.breaches()
        ]
        return found + (self.street.breaches() if self.street else [])


def verify(
    path: Path, manifest: Manifest, shapes: Sequence[Reference], streets: Sequence[Reference] = (), *,
    kind: str = "fp32", engine: str = "onnxruntime", arithmetic: str = "auto",
) -> Figures:  # fmt: skip
    """Run the file in an engine beside torch for each shape.

    kind: the key of `BOUNDS` that it will be held to. arithmetic: bf16, or auto for the file's own. Raises
    ParityError where names, shapes or types disagree; returns the figures otherwise.
    """
    title = f"{engine} {arithmetic}".removesuffix(" auto")
    session = open_session(path, device="cpu", engine=engine, precision=arithmetic)
    names = session.output_names
    if tuple(names) != tuple(manifest.outputs):
        raise ParityError(f"outputs should be {', '.join(manifest.outputs)}, are {', '.join(names)}")
    scored = streets if BOUNDS[kind].miou_lost is not None else ()
    progress = Progress(f"parity check in {title}", len(shapes) + len(scored), unit="batches")
    try:
        rows = []
        for reference in shapes:
            rows.append(compare(reference, session.run(reference.frames), kind))
            progress.advance()
        street = street_score(session, manifest, scored, kind, progress.advance)
    except InputError as error:  # such as outputs that are not finite
        raise ParityError(str(error)) from None
    finally:
        progress.close()
    layers = None
    if isinstance(session, OpenVinoSession):
        layers = session.layer_precisions(shapes[0].frames.shape)
    return Figures(title, rows, street, layers)


def table(all_figures: Sequence[Figures]) -> str:
    """The figures as a text table."""
    lines = [
        f"{'engine':<16} {'batch':>5} {'size':>10} {'labels equal':>13} {'inverse depth':>14} "
        f"{'density/255':>12} {'conf':>8}  held"
    ]
    for figures in all_figures:
        for row in figures.shapes:
            inverse = "absent" if row.inverse_depth is None else f"{row.inverse_depth:.1e}"
            density = "absent" if row.density is None else f"{row.density:.4f}"
            lines.append(
                f"{figures.engine:<16} {row.batch:>5} {f'{row.width}x{row.height}':>10} "
                f"{row.labels_equal:>13.4%} {inverse:>14} {density:>12} {row.confidence:>8.1e}  "
                f"{'no' if row.breaches() else 'yes'}"
            )
        lines.append(f"{figures.engine:<16} {_street_line(figures)}")
    return "\n".join(lines)


def _street_line(figures: Figures) -> str:
    score = figures.street
    if score is None:
        return "mIoU not measured: the labels' agreement bounds it"
    miou = "mIoU not measured: these classes are not the streets'; held by the labels' agreement alone"
    if score.miou is not None:
        miou = f"mIoU {score.miou:.2f}, torch fp32 {score.miou_fp32:.2f}"
    return (
        f"on {score.pictures} generated streets labels equal {score.labels_equal:.2%}, {miou}  "
        f"{'no' if score.breaches() else 'yes'}"
    )


def check(figures: Figures) -> None:
    """ParityError naming every breach."""
    breaches = figures.breaches()
    if breaches:
        raise ParityError("the export does not give what the network gives: " + "; ".join(breaches))


def as_record(own: Figures, others: Sequence[Figures] = ()) -> dict[str, Any]:
    """The figures for the manifest: the format's own engine's first, then what other engines made of it."""
    return {
        "against": f"torch {torch.__version__}",
        "engine": own.engine,
        "bounds": asdict(BOUNDS[own.shapes[0].bounds]),
        "shapes": [_fields(row) for row in own.shapes],
        "street": _fields(own.street) if own.street else None,
        "engines": {
            figures.engine: {
                "held": not figures.breaches(),
                "layers": figures.layers and dict(figures.layers),
                "shapes": [_fields(row) for row in figures.shapes],
                "street": _fields(figures.street) if figures.street else None,
            }
            for figures in others
        },
    }


def _fields(row: Parity | StreetScore) -> dict[str, Any]:
    """A row's fields; null for what is not a finite number, which JSON has no word for."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in asdict(row).items()
    }
