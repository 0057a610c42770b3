"""Which layers a lower precision hurts, found by measuring: they are kept in float."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from depdis_deploy.backends.onnxruntime_backend import cpu_options
from depdis_deploy.progress import Progress, say

from .bounds import Bounds

if TYPE_CHECKING:
    import onnx

# Towards the outputs layers are measured one by one; the many of the backbone in so many groups.
_SINGLE_AT_THE_END = 16
_GROUPS_BEFORE = 10
# So many layers of groups are measured one by one at most: where more groups have to go, harm is spread evenly.
_PARTS_AT_MOST = 40
# Of the bounds, which other pictures than those of the search are held to.
_AIM = 0.7


@dataclass(frozen=True, kw_only=True)
class Harm:
    """Means over the search's pictures against the graph in fp32; None where there is no such output."""

    labels_changed: float
    inverse_depth: float | None
    density: float | None

    def score(self, bounds: Bounds) -> float:
        """The largest share of what is allowed; NaN counts as infinite."""
        shares = [self.labels_changed / (1 - bounds.labels_equal)]
        if self.inverse_depth is not None:
            shares.append(self.inverse_depth / bounds.inverse_depth)
        if self.density is not None:
            shares.append(self.density / bounds.density)
        return float("inf") if np.isnan(shares).any() else max(shares)


@dataclass
class Group:
    """Neighbouring layers: their nodes, their readable names, and the harm that they do when they alone are in
    the lower precision (None: not measured, since all together kept the bounds)."""

    nodes: tuple[str, ...]
    names: tuple[str, ...]
    harm: Harm | None = None
    kept: bool = False

    @property
    def label(self) -> str:
        """Its name, or its first and last."""
        return self.names[0] if len(self.names) == 1 else f"{self.names[0]} .. {self.names[-1]}"


@dataclass(frozen=True)
class Found:
    """groups: in the graph's order; whole: the harm with those `kept` in float."""

    groups: list[Group]
    whole: Harm
    bounds: Bounds

    @property
    def float_layers(self) -> set[str]:
        """Nodes to keep in float."""
        return {node for group in self.groups if group.kept for node in group.nodes}

    def table(self) -> str:
        """The groups with what each alone does, worst first."""
        lines = [
            f"{'in the lower precision':<60} {'labels':>9} {'inv. depth':>10} {'density':>8} {'of bound':>9}"
        ]
        measured = [group for group in self.groups if group.harm is not None]
        for group in sorted(measured, key=lambda group: -_score(group, self.bounds)):
            assert group.harm is not None
            kept = "  kept in float" if group.kept else ""
            lines.append(_line(f"only {group.label}", group.harm, self.bounds) + kept)
        kept_count = len(self.float_layers)
        what = f"all but {kept_count} layers" if kept_count else "all layers"
        return "\n".join([*lines, _line(what, self.whole, self.bounds)])

    def worst(self, count: int = 3) -> list[str]:
        """Names of the layers that are in the lower precision and do most harm, of those measured."""
        rest = [group for group in self.groups if group.harm is not None and not group.kept]
        rest.sort(key=lambda group: -_score(group, self.bounds))
        return [name for group in rest[:count] for name in group.names]

    def as_record(self) -> dict[str, Any]:
        """For the manifest."""
        return {
            "kept_in_float": [name for group in self.groups if group.kept for name in group.names],
            "whole": asdict(self.whole),
            "alone": {group.label: asdict(group.harm) for group in self.groups if group.harm is not None},
        }


def _score(group: Group, bounds: Bounds) -> float:
    return group.harm.score(bounds) if group.harm is not None else 0.0


def _line(what: str, harm: Harm, bounds: Bounds) -> str:
    shown = what if len(what) <= 60 else what[:57] + "..."
    depth = "absent" if harm.inverse_depth is None else f"{harm.inverse_depth:.2%}"
    density = "absent" if harm.density is None else f"{harm.density:.2f}"
    return f"{shown:<60} {harm.labels_changed:>9.3%} {depth:>10} {density:>8} {harm.score(bounds):>9.2f}"


def grouped(names: Mapping[str, str], forced: Iterable[str] = ()) -> list[Group]:
    """Layers (node -> readable name, in the graph's order) in groups; `forced` ones stand alone, kept."""
    forced = set(forced)
    free = [node for node in names if node not in forced]
    single = free[-_SINGLE_AT_THE_END:]
    before = free[: len(free) - len(single)]
    # The first layer sees the picture itself, so it stands alone too.
    chunks = [before[:1]] if before else []
    size = -(-len(before[1:]) // _GROUPS_BEFORE) or 1
    chunks += [before[at : at + size] for at in range(1, len(before), size)]
    chunks += [[node] for node in single]
    groups = [Group(tuple(chunk), tuple(names[node] for node in chunk)) for chunk in chunks]
    return groups + [Group((node,), (names[node],), kept=True) for node in names if node in forced]


def search(
    base: onnx.ModelProto,
    make: Callable[[set[str]], onnx.ModelProto],
    names: Mapping[str, str],
    frames: Sequence[NDArray[np.uint8]],
    bounds: Bounds,
    forced: Iterable[str] = (),
) -> Found:
    """The layers to keep in float so that the whole stays within 0.7 of the bounds on `frames`.

    make: the graph with the given nodes in float. Where all together do too much harm, each group is measured
    alone, the members of the most harmful ones too, and layers or groups are given back to float from the most
    harmful on, until the rest keeps the bounds or nothing is left: whether it is good enough is for the gate to
    say. Doubling and halving finds how many it takes, since harm may be spread over dozens.
    """
    say("sensitivity analysis: running the graph in fp32")
    reference = _outputs(base, frames)

    def measure(float_nodes: set[str]) -> Harm:
        return harm(reference, _outputs(make(float_nodes), frames))

    return _Search(names, forced, measure, bounds).run()


class _Search:
    """Groups that are given back to float, the most harmful first, and what the whole does then."""

    def __init__(
        self, names: Mapping[str, str], forced: Iterable[str], measure: Callable[[set[str]], Harm],
        bounds: Bounds,
    ) -> None:  # fmt: skip
        self.names, self.measure, self.bounds = names, measure, bounds
        self.groups = grouped(names, forced)
        self.free = [group for group in self.groups if not group.kept]
        self.given: list[Group] = []
        self.parts_left = _PARTS_AT_MOST
        self.progress = Progress("sensitivity analysis", 0, unit="measurements")

    def run(self) -> Found:
        """How many to give back, by doubling and then halving."""
        try:
            return self._found()
        finally:
            self.progress.close()

    def _found(self) -> Found:
        found = self._whole()
        if self._held(found):
            return found
        self._expect(len(self.free))
        for group in self.free:
            self._measure_alone(group)
        too_few, enough = 0, 1
        found = self._give_back(enough)
        while not self._held(found) and len(self.free) > 1:
            too_few, enough = enough, 2 * enough
            found = self._give_back(enough)
        while self._held(found) and enough - too_few > 1:
            middle = (too_few + enough) // 2
            tried = self._give_back(middle)
            if self._held(tried):
                found, enough = tried, middle
            else:
                too_few = middle
        self._keep(enough)
        return found

    def _whole(self) -> Found:
        kept = {node for group in self.groups if group.kept for node in group.nodes}
        self._expect(1)
        harm_of_all = self.measure(kept)
        self.progress.advance()
        return Found(self.groups, harm_of_all, self.bounds)

    def _expect(self, measurements: int) -> None:
        """How many there will be is known step by step."""
        assert self.progress.total is not None
        self.progress.total += measurements

    def _held(self, found: Found) -> bool:
        return found.whole.score(self.bounds) <= _AIM

    def _measure_alone(self, group: Group) -> None:
        group.harm = self.measure(set(self.names) - set(group.nodes))
        self.progress.advance()

    def _give_back(self, count: int) -> Found:
        """The whole with the `count` most harmful in float."""
        while len(self.given) < count and len(self.free) > 1:
            worst = max(self.free, key=lambda group: _score(group, self.bounds))
            self.free.remove(worst)
            if 1 < len(worst.nodes) <= self.parts_left:
                self._take_apart(worst)
            else:
                self.given.append(worst)
        self._keep(count)
        return self._whole()

    def _take_apart(self, group: Group) -> None:
        """Usually a single one of its layers does the harm."""
        parts = [Group((node,), (self.names[node],)) for node in group.nodes]
        self.parts_left -= len(parts)
        self._expect(len(parts))
        at = self.groups.index(group)
        self.groups[at : at + 1] = parts
        for part in parts:
            self._measure_alone(part)
        self.free += parts

    def _keep(self, count: int) -> None:
        """Let the first `count` of those given back be in float, and the others not."""
        for place, group in enumerate(self.given):
            group.kept = place < count


def harm(reference: Sequence[dict[str, NDArray[Any]]], got: Sequence[dict[str, NDArray[Any]]]) -> Harm:
    """Mean differences over pictures."""

    def mean(name: str, difference: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]) -> float | None:
        if name not in reference[0]:
            return None
        pairs = zip(reference, got, strict=True)
        return float(np.mean([difference(true[name], found[name]).mean() for true, found in pairs]))

    changed = mean("labels", lambda true, found: true != found)
    assert changed is not None
    return Harm(
        labels_changed=changed,
        # 1/z differs by the same share as z; depth is 0.01 m below 655.36 / z.
        inverse_depth=mean("depth", lambda true, found: np.abs((true + 0.01) / (found + 0.01) - 1.0)),
        density=mean("density", lambda true, found: 255.0 * np.abs(true - found)),
    )


def _outputs(model: onnx.ModelProto, frames: Sequence[NDArray[np.uint8]]) -> list[dict[str, NDArray[Any]]]:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        model.SerializeToString(), cpu_options(onnxruntime), providers=["CPUExecutionProvider"]
    )
    names = [output.name for output in session.get_outputs()]
    return [dict(zip(names, session.run(names, {"frames": batch}), strict=True)) for batch in frames]
