"""The losses of the paper as functions of tensors, and the depth loss of the small network."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from depdis_deploy.taxonomy import IGNORE

# Inverse depth of 655.35 m and of 0 m.
_Z_MIN, _Z_MAX = 1.0, 65536.0


def cross_entropy(logits: Tensor, labels: Tensor, weights: Tensor | None = None) -> Tensor:
    """Cross-entropy over labelled pixels, 0 when none is (eq. 1).

    logits: (B, C, H, W); labels: (B, H, W) integers 0..C-1, 255 ignored; weights: (C,) of the classes, with
    which the mean is weighted too (the release weights the Cityscapes protocols, the paper does not).
    Raises ValueError when shapes do not agree, and on a CPU when a label is out of range (looking at the
    labels on a GPU would halt the host until it has caught up).
    """
    if labels.shape != logits.shape[:1] + logits.shape[2:]:
        raise ValueError(
            f"labels of shape {tuple(labels.shape)} do not fit logits of shape {tuple(logits.shape)}: "
            "expected (B, H, W) for (B, C, H, W)"
        )
    labels = labels.long()
    labelled = labels != IGNORE
    looked_at = labels.device.type == "cpu" and not torch.compiler.is_compiling()
    if looked_at and ((labels >= logits.shape[1]) & labelled).any():
        raise ValueError(
            f"labels are 0..{logits.shape[1] - 1} or {IGNORE}, got {int(labels[labelled].max())}: "
            "is this another taxonomy than the network's?"
        )
    total = F.cross_entropy(logits, labels, weights, ignore_index=IGNORE, reduction="sum")
    if weights is None:
        weight = labelled.sum().to(total.dtype)
    else:
        weight = weights[labels.masked_fill(~labelled, 0)].mul(labelled).sum()
    return total / weight.clamp(min=torch.finfo(total.dtype).tiny)


def berhu(prediction: Tensor, target: Tensor, valid: Tensor | None = None) -> Tensor:
    """The reverse Huber loss of depth (eq. 2-4) and density (eq. 6), in the unit of what it compares.

    |e| up to L, (e^2 + L^2) / 2L beyond, with L = 0.2 max|e| over the batch as a constant of the gradient,
    averaged over all elements, or over those that are `valid` (booleans of the same shape; none gives 0).
    An error of 0 everywhere gives 0. Raises ValueError when the shapes differ.
    """
    _check_same_shape(prediction, target)
    error = (prediction - target).abs()
    if valid is not None:
        error = error.masked_fill(~valid, 0.0)
    limit = 0.2 * error.detach().max()
    # Where nothing is wrong the limit is 0 and the quadratic part is not taken: keep its division finite.
    divisor = (2 * limit).clamp(min=torch.finfo(error.dtype).tiny)
    terms = torch.where(error <= limit, error, (error.square() + limit.square()) / divisor)
    return terms.mean() if valid is None else terms.sum() / valid.sum().clamp(min=1)


def relative_depth(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """The relative error of a distance, tamed: averaged over valid elements, 0 when none is.

    prediction, target: inverse depth, of one shape (else ValueError); valid: boolean, the
    same. With e = log z* - log z, the log of how many times too far a pixel is put: -e where it is too near,
    exp(e) - 1, which is |Rel|, where it is too far, going on in a straight line from e = 1. At the edge of a
    thing before the sky, |log z - log z*| alone is content with a guess between both, which puts the thing
    many times too far.
    """
    error = _log_times_too_far(prediction, target)
    loss = torch.where(error > 0, _too_far(error), -error)
    return loss.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)


def abs_rel(prediction: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """|Rel| itself, tamed: averaged over valid elements, 0 when none is. Arguments as of `relative_depth`.

    What is too far is as there. What is too near costs nine tenths of 1 - exp(e), its |Rel|, and one of -e,
    so that the gradient does not vanish where it is many times too near. Where it cannot be known which of two
    distances a pixel has, this takes the nearer more often than `relative_depth`, and learns more slowly from
    a bad start, for which it is meant to follow that one.
    """
    error = _log_times_too_far(prediction, target)
    too_near = 0.9 * -error.clamp(max=0.0).expm1() - 0.1 * error
    loss = torch.where(error > 0, _too_far(error), too_near)
    return loss.masked_fill(~valid, 0.0).sum() / valid.sum().clamp(min=1)


def _log_times_too_far(prediction: Tensor, target: Tensor) -> Tensor:
    """log z* - log z of inverse depths."""
    _check_same_shape(prediction, target)
    floor = torch.finfo(prediction.dtype).tiny
    return target.clamp(_Z_MIN, _Z_MAX).log() - prediction.clamp(min=floor).log()


def _too_far(error: Tensor) -> Tensor:
    """exp(e) - 1, in a straight line from e = 1 on."""
    return error.clamp(0.0, 1.0).expm1() + math.e * (error - 1.0).clamp(min=0.0)


def self_information(probabilities: Tensor) -> Tensor:
    """-p log2(p + 1e-30) / log2(C) element by element: eq. 9, divided by its maximum.

    (B, C, H, W) -> the same shape. Raises ValueError for fewer than two classes.
    """
    num_classes = probabilities.shape[1] if probabilities.ndim == 4 else 0
    if num_classes < 2:
        raise ValueError(f"expected (B, C, H, W) with C >= 2, got {tuple(probabilities.shape)}")
    return -probabilities * torch.log2(probabilities + 1e-30) / math.log2(num_classes)


def _check_same_shape(prediction: Tensor, target: Tensor) -> None:
    if prediction.shape != target.shape:
        raise ValueError(
            f"prediction and target differ in shape: {tuple(prediction.shape)} and {tuple(target.shape)}"
        )
