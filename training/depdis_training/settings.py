"""The defaults tree of a training: every value that an experiment's file may change, with what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, SerializeAsAny, field_validator, model_validator

from depdis_deploy.manifest import ResizeRule

from .data_settings import Data, Size, StreetData
from .discriminator import DiscriminatorConfig
from .methods import MethodConfig, method_config
from .methods.depdis import DepDisConfig
from .optimizers import OptimizerConfig
from .section import Section


class Network(Section):
    """start: `package` is the ImageNet weights that come along (efficientnet_lite0), `bundled` the bundled
    model, `scratch` random weights, `file` means that `init` has to name one.

    init: a file to start from instead: a checkpoint, or the backbone's ImageNet weights.
    after: a configuration whose result this goes on from where there is no `init`. It is run before, in a
        folder beside this run's, with what was given of this one's seed, data, input and views (`chain.py`).
    """

    backbone: Literal["resnet101", "efficientnet_lite0"] = "efficientnet_lite0"
    start: Literal["package", "bundled", "scratch", "file"] = "package"
    init: str | None = None
    after: str | None = None


class Input(Section):
    """How pictures become network input outside training, and the camera for which depth is in metres.

    canonical_focal_px: the focal length in pixels of the network's input for which the network learns
        metres; null where source and target have one and the same camera.
    """

    kind: Literal["stretch", "fit", "area"] = "area"
    width: int = Field(default=640, ge=32)
    height: int = Field(default=320, ge=32)
    multiple: int = Field(default=32, ge=1)
    interpolation: Literal["linear", "bicubic"] = "linear"
    canonical_focal_px: float | None = Field(default=400.0, gt=0)

    def rule(self) -> ResizeRule:
        """The manifest's form of it."""
        return ResizeRule(**self.model_dump(exclude={"canonical_focal_px"}))

    def source_rule(self) -> ResizeRule:
        """That of the source: it fills the input even where the target's pictures are padded (`fit`), as the
        release has it; the published mixtures are of such pictures, and padding has neither class nor depth."""
        rule = self.rule()
        return replace(rule, kind="stretch") if rule.kind == "fit" else rule


class Augment(Section):
    """Random views of the training pictures; null in their place: whole pictures by the input's rule.

    crop: (width, height) of the network's input in training; scale: range of the magnification before the
    crop; flip: probability; colour: strength of brightness, contrast and saturation jitter, 0 none.
    """

    crop: Size = (352, 256)
    scale: tuple[float, float] = (0.7, 1.6)
    flip: float = Field(default=0.5, ge=0, le=1)
    colour: float = Field(default=0.0, ge=0, lt=1)

    @model_validator(mode="after")
    def _check(self) -> Augment:
        if min(self.crop) < 32:
            raise ValueError(f"augment.crop is at least 32x32, got {self.crop[0]}x{self.crop[1]}")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"augment.scale is a range of positive magnifications, got {self.scale}")
        return self


class Mixtures(Section):
    """The class-wise depth distributions (eq. 5): the published ones, fitted on `pictures` training inputs, or
    those of the trained model that the network starts from (`start`).

    published: the protocol whose parameters are taken. per_class: points kept of each class. scale: of the
    density map, or `data`: from a quantile of p. variance_floor: the least variance of inverse depth. 400 is
    20 units, a third of 10 m's 65: finer differences of far things are beyond what a picture tells.
    """

    kind: Literal["published", "fit", "start"] = "fit"
    published: str | None = None
    components: int = Field(default=5, ge=1)
    per_class: int = Field(default=10_000, ge=100)
    pictures: int = Field(default=400, ge=1)
    scale: float | Literal["data"] = "data"
    variance_floor: float = Field(default=400.0, ge=0)

    @model_validator(mode="after")
    def _check(self) -> Mixtures:
        if self.kind == "published" and self.published is None:
            raise ValueError("mixtures.kind published needs mixtures.published, the protocol's name")
        return self


class Training(Section):
    """Length and rhythm of stage 1, in iterations.

    schedule: the iterations of the learning rate's decay where the training stops before (the paper's 90,000
        with a stop at 60,000); null: all of it. batch: pictures of each domain in one pass; accumulate: passes
        of one step. precision: `auto` is bf16 where the hardware is faster in it, else fp32; a resumed
        run keeps what it began with. average: decay of the exponential average of the weights that is validated
        and delivered, 0 none, 1 the plain mean over the steps, in which the weights at the start count as
        `average_start` steps. keep: snapshots that stay beside the best.
    """

    iterations: int = Field(default=600, ge=1)
    schedule: int | None = Field(default=None, ge=1)
    batch: int = Field(default=8, ge=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    compile: bool = False
    average: float = Field(default=0.0, ge=0, le=1)
    average_start: int = Field(default=0, ge=0)
    frozen_statistics: bool = False
    log_every: int = Field(default=10, ge=1)
    checkpoint_every: int = Field(default=50, ge=1)
    keep: int = Field(default=1, ge=1)
    validate_every: int = Field(default=200, ge=1)
    validation_pictures: int = Field(default=40, ge=1)

    @model_validator(mode="after")
    def _check(self) -> Training:
        if self.schedule is not None and self.schedule < self.iterations:
            raise ValueError(
                f"training.schedule is at least training.iterations, {self.iterations}; it is {self.schedule}: "
                "the rate would be 0 before the end"
            )
        if self.average_start and self.average != 1:
            raise ValueError(
                "training.average_start is of the plain mean over the steps: set training.average to 1; it is "
                f"{self.average:g}"
            )
        return self


class Labels(Section):
    """Pseudo-labels (eq. 12, algorithm 1).

    class_balanced: a class's threshold is the least of `confidence` and its median confidence.
    minimum_pixels: of a component of each class at the input's size; null: from eq. 12 with `base` and
        `span`, which are of `reference` pixels (width, height), on the source's pixel counts, scaled to the
        input's area. share: of the target's pictures that are labelled. reestimate: batch-norm statistics
        are taken anew from the target's pictures before, for the labels and the training on them.
    scales, mirror: probabilities are the mean over these magnifications of the input, and over the mirror
        image too; not in the paper.
    """

    confidence: float = Field(default=0.9, gt=0, lt=1)
    class_balanced: bool = False
    minimum_pixels: tuple[int, ...] | None = None
    base: float = Field(default=50, ge=0)
    span: float = Field(default=4950, ge=0)
    reference: Size = (1280, 760)
    share: float = Field(default=1.0, gt=0, le=1)
    reestimate: bool = False
    scales: tuple[Annotated[float, Field(ge=0.25, le=4)], ...] = Field(default=(1.0,), min_length=1)
    mirror: bool = False


class SelfTraining(Section):
    """The training on the target's own labels after each labelling; what is not here is as in stage 1.

    rounds: of labelling and training; 0: stage 1 alone, whatever the variant. rate: factor on the
    optimizer's rates. source: every step has passes on the source too, with its losses for all branches; not
    in the paper, whose second stage sees the target alone. mix: the share of the target's pictures into which
    half of a source picture's classes are pasted (`mixing.py`); not in the paper. teacher: the decay of an
    average of the weights, which makes the target's labels anew each step, by the thresholds of the labelling
    and without its spatial prior, and is delivered; 0: the labels stay as they were made, as in the paper.
    """

    rounds: int = Field(default=1, ge=0)
    iterations: int = Field(default=200, ge=1)
    batch: int = Field(default=8, ge=1)
    rate: float = Field(default=1.0, gt=0)
    class_weights: Literal["none", "balanced", "sqrt"] = "none"
    colour: float = Field(default=0.0, ge=0, lt=1)
    frozen_statistics: bool = False
    source: bool = False
    mix: float = Field(default=0.0, ge=0, le=1)
    teacher: float = Field(default=0.0, ge=0, lt=1)


class Verdict(Section):
    """For a start that is trained already: whether it or the result is delivered, told without the target's
    labels (see verdict.py).

    every: of so many pictures of source and target one is kept from the training, for the comparison.
    pictures: at most so many of each are compared.
    """

    decide: bool = False
    every: int = Field(default=6, ge=2)
    pictures: int = Field(default=32, ge=1)


class Config(Section):
    """One experiment: from the source's labels to the target's pictures, scored on the validation set.

    method: the settings of the method that its `name` is of. target: images without labels; null for a
    training on the source alone. validation: with labels; null where there are none.
    """

    name: str
    seed: int = Field(default=0, ge=0)
    method: SerializeAsAny[MethodConfig] = DepDisConfig(name="depdis")
    source: Data = Data(layout="synthia", street=StreetData())
    target: Data | None = Data(layout="cityscapes", street=StreetData(domain="target", seed=1))
    validation: Data | None = Data(
        layout="cityscapes", split="val", street=StreetData(domain="target", pictures=100, seed=2)
    )
    network: Network = Network()
    input: Input = Input()
    augment: Augment | None = Augment()
    mixtures: Mixtures = Mixtures()
    optimizer: OptimizerConfig = OptimizerConfig()
    discriminator: DiscriminatorConfig = DiscriminatorConfig()
    training: Training = Training()
    labels: Labels = Labels()
    self_training: SelfTraining = SelfTraining()
    verdict: Verdict = Verdict()

    @field_validator("method", mode="before")
    @classmethod
    def _of_its_own_class(cls, value: Any) -> Any:
        """Validate the section by the class of settings that the named method has."""
        if isinstance(value, str):
            return method_config(value)
        return method_config(**value) if isinstance(value, dict) and "name" in value else value

    @model_validator(mode="after")
    def _check(self) -> Config:
        unknown_depth = getattr(self.method, "unknown_depth", "left_out")
        if self.self_training.source and unknown_depth == "zero_distance":
            raise ValueError(
                "self_training.source would learn the target's unknown depth as 0 m: set method.unknown_depth "
                "to left_out"
            )
        if self.augment is None:
            if self.input.kind == "area":
                raise ValueError(
                    "without views (augment null) every picture becomes the input's size: set input.kind to "
                    "stretch or fit; it is area"
                )
        elif self.input.canonical_focal_px is None and self.augment.scale[0] != self.augment.scale[1]:
            raise ValueError(
                "without input.canonical_focal_px depth is that of one camera, which views of several "
                f"magnifications are not: set augment.scale to one, as [1, 1]; it is {list(self.augment.scale)}"
            )
        return self

    @property
    def crop(self) -> Size:
        """(width, height) of the network's input in training."""
        return (self.input.width, self.input.height) if self.augment is None else self.augment.crop

    def plain(self) -> dict[str, Any]:
        """The resolved tree as plain JSON values."""
        return self.model_dump(mode="json")
