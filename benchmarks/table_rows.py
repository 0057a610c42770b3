"""The rows of the tables with controls: what each trains, what it goes on from, on which targets it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from depdis_training.experiment import Options, configurations
from depdis_training.settings import Config

TARGETS = ("street", "camvid", "camvid-one")
# Those that the rows stand on where nothing else is said, and those whose pictures are CamVid's.
_MAIN, CAMVID = TARGETS[:2], TARGETS[1:]
SEEDS = (0, 1, 2)

# One precision on every machine, and no validation: a snapshot chosen by the target's truth has no place here.
_ALWAYS = (
    "training.precision=fp32", "training.validate_every=1000000", "training.checkpoint_every=100",
)  # fmt: skip
# Three quarters of the configuration's size, so that three seeds of all rows stay within a few hours; the
# adversarial weight is the one that was chosen for `street`.
_ON_CAMVID = (
    "input.width=480", "input.height=240", "input.canonical_focal_px=300", "augment.crop=[256,192]",
    "augment.scale=[0.525,1.2]", "self_training.iterations=200", "method.adversarial=0.001",
)  # fmt: skip
_OF_TARGET = {
    # The settings of `street` were chosen on its target; here its two appearances are exchanged, so that the
    # target is one on which nothing was chosen.
    "street": ("source.street.domain=target", "target.street.domain=source", "validation.street.domain=source"),
    "camvid": _ON_CAMVID,
    # Streets of one appearance in place of one for each picture.
    "camvid-one": (*_ON_CAMVID, "source.street.domain=source", "source.street.pictures=1000"),
}  # fmt: skip
_ITERATIONS = {"street": 600, "camvid": 400, "camvid-one": 400}
_SUPERVISED = {
    "street": (
        "source.street.domain=source", "source.street.seed=1", "target=null",
    ),
    "camvid": (
        "source.layout=camvid", "source.street=null", "source.taxonomy=camvid-11", "target=null",
    ),
}  # fmt: skip
_PAPER_STAGE = (
    "self_training.rounds=2", "self_training.source=false", "self_training.mix=0",
    "self_training.frozen_statistics=false", "labels.class_balanced=false", "labels.reestimate=false",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One training.

    after: the row of the same seed whose stage 1 is this one's too; start: the row whose weights are this one's
    start, in place of a stage 1. length: of stage 1, in shares of the others'. targets: where it stands.
    """

    says: str
    variant: str | None = "M4"
    method: str = "depdis"
    settings: tuple[str, ...] = ()
    after: str | None = None
    start: str | None = None
    length: float = 1.0
    targets: tuple[str, ...] = _MAIN
    supervised: bool = False

    @property
    def needs(self) -> str | None:
        """The row that has to be there before."""
        return self.after or self.start


_MIX = "self_training.mix="
_SIZES = (f"{_MIX}0.5", "labels.scales=[1.0, 1.5]", "labels.mirror=true")
ROWS: Mapping[str, Row] = {
    "source-only": Row("source only", "source_only", targets=TARGETS),
    "source-longer": Row("source only, half as many steps more", "source_only", length=1.5),
    "source-branches": Row("source only, three branches", "source_branches"),
    "branches-self-training": Row(
        "the same, then the self-training of M4 with mixing", settings=(f"{_MIX}0.5",), start="source-branches",
        length=0,
    ),
    "branches-sizes": Row(
        "the same, labels of two sizes and mirror images", settings=_SIZES, start="source-branches", length=0,
        targets=("camvid",),
    ),
    "advent": Row("AdvEnt", None, "advent"),
    "minent": Row("MinEnt", None, "minent"),
    "dada": Row("DADA", None, "dada"),
    "M1": Row("M1", "M1"),
    "M2": Row("M2", "M2", targets=TARGETS),
    "M2-expected": Row(
        "M2, density as the prediction expects it", "M2", settings=("method.density_target=expected",),
        targets=("street",),
    ),
    "M3": Row("M3, source in each step", "M3", settings=(f"{_MIX}0",), after="M2"),
    "M4": Row("M4, source in each step", "M4", settings=(f"{_MIX}0",), after="M2"),
    "M4-mixing": Row(
        "M4, source in each step, mixing", "M4", settings=(f"{_MIX}0.5",), after="M2", targets=TARGETS,
    ),
    "M4-sizes": Row(
        "M4, source in each step, mixing, labels of two sizes and mirror images", "M4", settings=_SIZES,
        after="M2", targets=("camvid",),
    ),
    "M4-teacher": Row(
        "M4, source in each step, mixing, labels of a teacher", "M4",
        settings=(f"{_MIX}0.5", "self_training.teacher=0.99"), after="M2", targets=("street",),
    ),
    "M4-paper": Row("M4, second stage as in the paper", "M4", settings=_PAPER_STAGE, after="M2"),
    **{f"S{n}": Row(f"S{n}", f"S{n}", targets=("street",)) for n in range(1, 5)},
    "weights-0.1": Row("M2, weights of section 4.5 at 0.1", "weights-0.1", targets=("street",)),
    "weights-0.001": Row("M2, weights of section 4.5 at 0.001", "weights-0.001", targets=("street",)),
    "supervised": Row("the target's own labels", "source_only", supervised=True),
}  # fmt: skip


def configuration(target: str, name: str, seed: int, camvid: Path | None, start: Path | None) -> Config:
    """The configuration of a row. start: the weights that it begins with, where the row has a `start`."""
    row = ROWS[name]
    iterations = max(1, round(row.length * _ITERATIONS[target]))
    settings = [*_ALWAYS, *_OF_TARGET[target], f"training.iterations={iterations}"]
    if row.supervised:
        settings += _SUPERVISED[target]
        if target == "camvid":
            settings.append(f"source.root={camvid}")
    settings += row.settings
    options = Options(
        config="street-camvid" if target in CAMVID else "street", method=row.method,
        variants=(row.variant,) if row.variant else (), seeds=(seed,), settings=tuple(settings), init=start,
        target=camvid if target in CAMVID else None,
    )  # fmt: skip
    ((_, config),) = configurations(options).items()
    return config
