"""Networks and exported files as one thing: a picture in, maps at the picture's size out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional

from depdis_deploy.manifest import Manifest
from depdis_deploy.prediction import Prediction
from depdis_deploy.preprocess import Geometry, plan, to_frame, to_input

from .deployed import INVERSE_DEPTH_SCALE, LABEL_STRIDE, deployed, largest_softmax, metres
from .loading import network_images
from .network import Network, NetworkOutput


@dataclass(frozen=True)
class Maps:
    """What a model says of a picture, at its (H, W): labels uint8, depth in metres of the canonical camera
    (of the picture's where the manifest names none), density 0..1, confidence 0..1; None without that branch or
    where it was not asked for."""

    labels: NDArray[np.uint8]
    depth_m: NDArray[np.float32] | None
    density: NDArray[np.float32] | None
    confidence: NDArray[np.float32] | None = None


Model = Callable[[NDArray[np.uint8]], Maps]
Forward = Callable[[NDArray[np.uint8]], tuple[NetworkOutput, Geometry]]


def torch_model(network: Network, manifest: Manifest, device: torch.device | None = None) -> Model:
    """A network in evaluation mode as a Model: logits up-sampled (align_corners) to the picture, arg-max."""
    return _evaluated(_forward(network, manifest, device), confidence=False)


def torch_models(
    network: Network, manifest: Manifest, device: torch.device | None = None
) -> tuple[Model, Model]:
    """(as `torch_model`, with confidence; labels and maps made exactly as the network's export makes them).

    One pass through the network serves both where they are asked for the same picture in turn.
    """
    forward = _latest(_forward(network, manifest, device))
    stride = LABEL_STRIDE[network.backbone]

    @torch.inference_mode()
    def as_exported(picture: NDArray[np.uint8]) -> Maps:
        output, geometry = forward(picture)
        found = deployed(output, geometry.input[::-1], stride)
        maps = {
            name: values[0].cpu().numpy()
            for name, values in found._asdict().items()
            if values is not None and name != "logits"
        }
        prediction = Prediction(picture, maps, geometry, manifest)
        return Maps(prediction.labels, prediction.depth, prediction.density, prediction.confidence)

    return _evaluated(forward, confidence=True), as_exported


def exported_model(path: Path, *, imgsz: tuple[int, int] | None = None) -> tuple[Model, Manifest]:
    """An exported model (.onnx, ...) as a Model, run by the runtime as users run it, with its manifest.

    A file is computed in its own precision; `auto` might take bf16, and scores would depend on the machine.
    imgsz: as Predictor's.
    """
    from depdis_deploy import Predictor

    predictor = Predictor(path, "auto" if path.suffix.lower() == ".engine" else "cpu", imgsz=imgsz)

    def predict(picture: NDArray[np.uint8]) -> Maps:
        prediction = predictor(picture)
        return Maps(prediction.labels, prediction.depth, prediction.density, prediction.confidence)

    return predict, predictor.manifest


def _forward(network: Network, manifest: Manifest, device: torch.device | None) -> Forward:
    @torch.inference_mode()
    def forward(picture: NDArray[np.uint8]) -> tuple[NetworkOutput, Geometry]:
        geometry = plan((picture.shape[1], picture.shape[0]), manifest.resize)
        images = network_images(to_input(picture, geometry, manifest.resize)[None])
        training = network.training
        network.eval()
        output = network(images if device is None else images.to(device))
        network.train(training)
        return output, geometry

    return forward


def _latest(forward: Forward) -> Forward:
    """The same, which remembers the picture that it was last asked for."""
    kept: list[tuple[NDArray[np.uint8], tuple[NetworkOutput, Geometry]]] = []

    def remembering(picture: NDArray[np.uint8]) -> tuple[NetworkOutput, Geometry]:
        if not kept or kept[0][0] is not picture:
            kept[:] = [(picture, forward(picture))]
        return kept[0][1]

    return remembering


def _evaluated(forward: Forward, *, confidence: bool) -> Model:
    @torch.inference_mode()
    def predict(picture: NDArray[np.uint8]) -> Maps:
        output, geometry = forward(picture)
        depth_m = density = sure = None
        if output.depth is not None:
            # between a thing and the sky behind it, metres on the way from one to the other are nobody's
            z = output.depth[0, 0].float().clamp(1, INVERSE_DEPTH_SCALE)
            depth_m = metres(_framed(z.cpu().numpy(), geometry))
        if output.density is not None:
            density = _framed((output.density[0, 0].float().clamp(0, 255) / 255).cpu().numpy(), geometry)
        logits = _on_picture(output.segmentation.float(), geometry)
        if confidence:
            sure = largest_softmax(logits)[0].cpu().numpy()
        return Maps(logits[0].argmax(0).to(torch.uint8).cpu().numpy(), depth_m, density, sure)

    return predict


def _on_picture(logits: torch.Tensor, geometry: Geometry) -> torch.Tensor:
    (wide, high), (width, height) = geometry.input, geometry.content
    if geometry.content != geometry.input:
        # padding can only be cut off at the input's size
        logits = functional.interpolate(logits, (high, wide), mode="bilinear", align_corners=True)
        logits = logits[:, :, :height, :width]
    size = geometry.frame[::-1]
    return functional.interpolate(logits, size, mode="bilinear", align_corners=True)


def _framed(values: NDArray[np.float32], geometry: Geometry) -> NDArray[np.float32]:
    return np.asarray(to_frame(values, geometry, smooth=True), np.float32)
