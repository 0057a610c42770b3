"""Pseudo-labels of the target: confident predictions, refined by the spatial prior (section 3.5)."""

from __future__ import annotations

import copy
import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from depdis_deploy.command import InputError
from depdis_deploy.json_files import shortened
from depdis_deploy.manifest import ResizeRule
from depdis_deploy.pictures import write_rgb
from depdis_deploy.preprocess import plan, resize_picture
from depdis_deploy.progress import Progress
from depdis_deploy.taxonomy import IGNORE, Taxonomy

from .data import reading
from .data.label_images import read_labels, written_code
from .data.samples import Dataset, Sample
from .label_folder import MANIFEST, SHEET, LabelFolder, LabelStatistics, read_manifest
from .label_sheet import LabelRow, label_sheet
from .loading import ahead
from .multi_scale import Inputs, MultiScale
from .network import Network
from .spatial_prior import refine

__all__ = ["LabelStatistics", "PseudoLabelled", "write_pseudo_labels"]

SHEET_PICTURES = 4
_BINS = 10_000  # of the confidence's histograms
_KEPT_PIXELS = 50_000_000  # of predictions made for the thresholds that the labels are then made of


def write_pseudo_labels(
    network: Network, dataset: Dataset, folder: Path, *, resize: ResizeRule, taxonomy: Taxonomy,
    confidence: float = 0.9, class_balanced: bool = False, minimum_pixels: ArrayLike | None, share: float = 1.0,
    scales: Sequence[float] = (1.0,), mirror: bool = False, seed: int = 0,
    device: torch.device | None = None, workers: int = 2, quiet: bool = False,
) -> LabelStatistics:  # fmt: skip
    """Label the pictures of `dataset` with `network` in evaluation mode, one palette PNG each in `folder`.

    A picture becomes the network's input by `resize`; its labels, 255 unlabelled, have the size of the
    input's content, and keep the pixels whose probability is at least the threshold of their class and whose
    connected piece has at least `minimum_pixels` (C,) at that size (None: of any size).
    confidence: the threshold of every class (the paper's 0.9).
    class_balanced: a class whose median probability is lower has that as its threshold, found in a first
        pass over the pictures.
    share: of the pictures, drawn by `seed`; the others are not read.
    scales, mirror: probabilities are the mean over these magnifications of the input, and over the mirror
        image; the labels keep the size of the input itself.
    workers: threads that read ahead, and as many that refine and write, beside the forward pass.

    Beside the labels stand `manifest.json` (settings, model, thresholds, counts) and `sheet.png`. Called
    again with the same network and settings it goes on with what is missing. InputError for a folder of
    other settings; ValueError for settings that do not fit.
    """
    if network.num_classes != len(taxonomy):
        raise ValueError(f"a network of {network.num_classes} classes cannot label {len(taxonomy)} classes")
    if not 0 < share <= 1:
        raise ValueError(f"share is above 0 and at most 1, got {share}")
    least = None if minimum_pixels is None else np.asarray(minimum_pixels)
    if least is not None and least.shape != (len(taxonomy),):
        raise ValueError(f"expected minimum_pixels of {len(taxonomy)} classes, got the shape {least.shape}")
    device = device or torch.device("cpu")
    labelling = _Labelling(
        network, dataset, MultiScale(resize, tuple(scales), mirror), taxonomy, least, device, _Kept()
    )
    chosen = _chosen(len(dataset), share, seed)
    names = list(dataset.names)
    output = LabelFolder(Path(folder), {
        "model_sha256": _fingerprint(network), "resize": asdict(resize), "classes": list(taxonomy.names),
        "palette": [list(colour) for colour in taxonomy.palette], "confidence": float(confidence),
        "class_balanced": class_balanced, "minimum_pixels": None if least is None else least.tolist(),
        "share": float(share), "scales": [float(scale) for scale in scales], "mirror": mirror, "seed": seed,
        "pictures": [names[index] for index in chosen],
    })  # fmt: skip
    absent = set(output.missing())
    if output.finished and not absent:
        return output.statistics()
    with _evaluating(network):
        if output.thresholds is None:
            fixed = np.full(len(taxonomy), float(confidence))
            output.begin(
                labelling.medians(chosen, confidence, workers, quiet=quiet) if class_balanced else fixed
            )
        assert output.thresholds is not None
        missing = [index for index in chosen if names[index] in absent]
        labelling.label(output, missing, workers, quiet=quiet)
        spread = np.linspace(0, len(chosen) - 1, min(SHEET_PICTURES, len(chosen))).round().astype(int)
        rows = [labelling.row(chosen[place], output.thresholds) for place in spread]
    write_rgb(output.folder / SHEET, label_sheet(rows, taxonomy))
    return output.finish()


class PseudoLabelled:
    """The pictures that `write_pseudo_labels` labelled, at the labels' size and with them.

    thresholds: (C,), of each class's confidence. InputError for a folder that is none of it, is unfinished, or
    is of other pictures than the data set's.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        self.dataset, self.folder, self._blank = dataset, Path(folder), False
        manifest = read_manifest(self.folder)
        if manifest["counts"] is None:
            raise InputError(f"{folder}: its labels are unfinished; label again to go on")
        settings = manifest["settings"]
        self.thresholds = np.array(manifest["thresholds"], np.float64)
        try:
            palette = tuple((red, green, blue) for red, green, blue in settings["palette"])
            self.taxonomy = Taxonomy(tuple(settings["classes"]), palette)
            self.names: Sequence[str] = [str(name) for name in settings["pictures"]]
            self._resize = ResizeRule(**settings["resize"])
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.folder / MANIFEST}: malformed settings ({shortened(error)})") from None
        self._code = written_code(self.taxonomy)
        places = {name: index for index, name in enumerate(dataset.names)}
        unknown = [name for name in self.names if name not in places]
        if unknown:
            raise InputError(f"{folder}: labels of other pictures: the data set has no {unknown[0]}")
        self._places = [places[name] for name in self.names]
        reading.require((self._label(name) for name in self.names), str(folder))

    def blank(self) -> PseudoLabelled:
        """The same pictures with class 0 everywhere, for labels that are made later."""
        other = copy.copy(self)
        other._blank = True
        return other

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> Sample:
        sample = self.dataset[self._places[index]]
        width = sample.image.shape[1]
        geometry = plan((width, sample.image.shape[0]), self._resize)
        image = resize_picture(sample.image, geometry.content, self._resize.interpolation)
        if self._blank:
            return Sample(sample.name, image, np.zeros(image.shape[:2], np.uint8))
        labels = read_labels(self._label(sample.name), self._code)
        reading.same_size(str(self._label(sample.name)), image=image, labels=labels)
        focal_px = None if sample.focal_px is None else sample.focal_px * geometry.content[0] / width
        return Sample(sample.name, image, labels, focal_px=focal_px)

    def _label(self, name: str) -> Path:
        return self.folder / f"{name}.png"


class _Kept:
    """Predictions of pictures, in two blocks: as tensors of their own they would leave the memory that each
    forward pass takes and gives back in pieces, a few GB in all."""

    def __init__(self) -> None:
        self._probability, self._labels = torch.empty(0), torch.empty(0, dtype=torch.uint8)
        self._places: dict[int, tuple[int, torch.Size]] = {}
        self._end = 0

    def __contains__(self, index: int) -> bool:
        return index in self._places

    def add(self, index: int, probability: Tensor, labels: Tensor) -> None:
        """Keep a picture's prediction, (h, w) both, if there is room."""
        if not self._places:
            self._probability = torch.empty(_KEPT_PIXELS, device=labels.device)
            self._labels = torch.empty(_KEPT_PIXELS, dtype=torch.uint8, device=labels.device)
        begin, end = self._end, self._end + labels.numel()
        if end <= len(self._labels):
            self._probability[begin:end] = probability.flatten()
            self._labels[begin:end] = labels.flatten()
            self._places[index], self._end = (begin, labels.shape), end

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        begin, shape = self._places[index]
        end = begin + shape.numel()
        return self._probability[begin:end].view(shape), self._labels[begin:end].view(shape)


@dataclass(frozen=True)
class _Labelling:
    """Predictions of a network and what is made of them."""

    network: Network
    dataset: Dataset
    views: MultiScale
    taxonomy: Taxonomy
    least: NDArray[Any] | None
    device: torch.device
    kept: _Kept

    def label(self, output: LabelFolder, missing: Sequence[int], workers: int, *, quiet: bool) -> None:
        """Write the labels of the pictures `missing`: the forward pass here, what follows in other threads."""
        assert output.thresholds is not None
        names, total = self.dataset.names, len(output.names)
        progress = Progress("labels", total, unit="pictures", done=total - len(missing), quiet=quiet)
        waiting: deque[Future[None]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="labels") as pool:
            try:
                for index, predicted in self._predictions(missing, workers):
                    maps = self._confident(predicted, output.thresholds)
                    waiting.append(pool.submit(self._finish, output, names[index], *maps))
                    if len(waiting) > 2 * workers:
                        waiting.popleft().result()
                    progress.advance()
                while waiting:
                    waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()
        progress.close()

    def medians(self, chosen: Sequence[int], most: float, workers: int, *, quiet: bool) -> NDArray[np.float64]:
        """(C,) the median probability of each class's predicted pixels, at most `most`.

        From histograms of 1e-4, by the lower edge, so that at least half of a class is kept. The first
        predictions stay in memory, so that the labels of a camera's few hundred pictures need no second pass.
        """
        classes = len(self.taxonomy)
        counts = torch.zeros(classes * _BINS, dtype=torch.int64, device=self.device)
        progress = Progress("thresholds", len(chosen), unit="pictures", quiet=quiet)
        for index, (probability, labels) in self._predictions(chosen, workers):
            self.kept.add(index, probability, labels)
            bins = (probability * _BINS).long().clamp(max=_BINS - 1) + labels.long() * _BINS
            counts += torch.bincount(bins.flatten(), minlength=len(counts))
            progress.advance()
        progress.close()
        cumulated = counts.reshape(classes, _BINS).cumsum(1).cpu().numpy()
        half = (cumulated[:, -1:] + 1) // 2
        medians = (cumulated < half).sum(1) / _BINS
        return np.where(cumulated[:, -1] > 0, np.minimum(medians, most), most)

    def row(self, index: int, thresholds: NDArray[np.float64]) -> LabelRow:
        """One picture of the sheet."""
        picture = self.dataset[index].image
        inputs = self.views.inputs(picture)
        maps = self._confident(self._predicted(inputs), thresholds)
        image = resize_picture(picture, inputs.content, self.views.resize.interpolation)
        return LabelRow(image, *maps, self._refined(maps[1]))

    def _predictions(self, indices: Sequence[int], workers: int) -> Iterator[tuple[int, tuple[Tensor, Tensor]]]:
        """What is kept first, then what has to be made."""
        unseen = [index for index in indices if index not in self.kept]
        yield from ((index, self.kept[index]) for index in indices if index in self.kept)

        def prepared(place: int) -> Inputs:
            return self.views.inputs(self.dataset[unseen[place]].image)

        made = ahead(prepared, 0, len(unseen), threads=workers, depth=2 * workers)
        yield from ((index, self._predicted(inputs)) for index, inputs in zip(unseen, made, strict=True))

    def _predicted(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        """(h, w) the largest probability, and uint8 its class, on the content of an input."""
        probability, labels = self.views.probabilities(self.network, inputs, self.device).max(0)
        return probability, labels.to(torch.uint8)

    def _confident(
        self, predicted: tuple[Tensor, Tensor], thresholds: NDArray[np.float64]
    ) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The labels (h, w) of an input's content: all, and those whose probability reaches the threshold."""
        probability, labels = predicted
        least = torch.from_numpy(thresholds).to(self.device, torch.float32)[labels.long()]
        confident = labels.masked_fill(probability < least, IGNORE)
        return labels.cpu().numpy(), confident.cpu().numpy()

    def _finish(
        self, output: LabelFolder, name: str, predicted: NDArray[np.uint8], confident: NDArray[np.uint8]
    ) -> None:
        refined = self._refined(confident)
        counts = [self._counts(labels) for labels in (predicted, confident, refined)]
        output.write(name, refined, self.taxonomy, counts)

    def _refined(self, confident: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return confident if self.least is None else refine(confident, self.least)

    def _counts(self, labels: NDArray[np.uint8]) -> list[int]:
        return [int(count) for count in np.bincount(labels.ravel(), minlength=256)[: len(self.taxonomy)]]


@contextmanager
def _evaluating(network: Network) -> Iterator[None]:
    training = network.training
    network.eval()
    try:
        yield
    finally:
        network.train(training)


def _chosen(count: int, share: float, seed: int) -> list[int]:
    """The indices of a share of `count` pictures, at least one, in order."""
    wanted = max(1, round(share * count))
    order = np.random.default_rng([seed, count]).permutation(count)[:wanted]
    return sorted(int(index) for index in order)


def _fingerprint(network: Network) -> str:
    """The SHA-256 of all weights and statistics, with their names."""
    digest = hashlib.sha256()
    for name, value in network.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)};".encode())
        digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
