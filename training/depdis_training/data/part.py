"""Some of a data set's samples."""

from __future__ import annotations

from collections.abc import Sequence

from depdis_deploy.taxonomy import Taxonomy

from .samples import Dataset, Sample


class Part:
    """The samples `indices` of a data set, in that order."""

    def __init__(self, dataset: Dataset, indices: Sequence[int]) -> None:
        self.dataset, self.indices = dataset, list(indices)
        self.names: Sequence[str] = [dataset.names[index] for index in self.indices]

    @property
    def taxonomy(self) -> Taxonomy:
        return self.dataset.taxonomy

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Sample:
        return self.dataset[self.indices[index]]


def held_out(dataset: Dataset, every: int) -> tuple[Part, Part]:
    """A set without every `every`-th sample, and those: the middle one of each `every` in order."""
    kept: list[int] = []
    apart: list[int] = []
    for index in range(len(dataset)):
        (apart if index % every == every // 2 else kept).append(index)
    return Part(dataset, kept), Part(dataset, apart)
