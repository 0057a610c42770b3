"""Where and how far a class usually is: the mixtures in a model's manifest, evaluated without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .command import UsageError
from .manifest import Manifest
from .sizes import LONGEST_SIDE

_LOG_2_PI = math.log(2 * math.pi)
_MOST_COMPONENTS = 256  # of a class; the paper's mixtures have 5


def class_density(manifest: Manifest, name: str, depth_m: float, size: tuple[int, int]) -> NDArray[np.float32]:
    """How usual it is for a class to stand at each place of a picture at one depth: eq. 5, in 0..1.

    depth_m: metres of the model's canonical camera. size: (width, height) of the map. Returns (height, width)
    float32. Places are spread over the mixtures' grid so that the corners of both lie on each other.
    UsageError: no such class, a depth that is not positive, or a model without mixtures or their grid.
    """
    fields = manifest.density
    if fields is None or not fields.get("grid"):
        raise UsageError("this model does not say its mixtures")
    if name not in manifest.taxonomy.names:
        raise UsageError(f"no class {name!r}; the classes are {', '.join(manifest.taxonomy.names)}")
    if not depth_m > 0:
        raise UsageError(f"a depth is above 0 metres, got {depth_m:g}")
    try:
        weights, means, variances = _of_class(fields, manifest.taxonomy.index(name))
        rows, columns = map(int, fields["grid"])
        to_probability = float(fields.get("scale", 1e6))
        if not (0 < rows <= LONGEST_SIDE and 0 < columns <= LONGEST_SIDE and math.isfinite(to_probability)):
            raise ValueError("grid or scale out of range")
    except (KeyError, IndexError, TypeError, ValueError, OverflowError):
        raise UsageError("this model's mixtures are malformed; export it again") from None
    width, height = size
    x, y = np.linspace(0, columns - 1, width), np.linspace(0, rows - 1, height)
    inverse = 65536 / (100 * depth_m + 1)
    with np.errstate(divide="ignore"):
        log_p = np.log(weights) - 0.5 * (np.log(variances).sum(-1) + 3 * _LOG_2_PI)  # (K,)
    log_p -= 0.5 * (inverse - means[:, 2]) ** 2 / variances[:, 2]
    across = -0.5 * (x - means[:, :1]) ** 2 / variances[:, :1]  # (K, width)
    down = -0.5 * (y - means[:, 1:2]) ** 2 / variances[:, 1:2]  # (K, height)
    p = np.exp(log_p[:, None, None] + down[:, :, None] + across[:, None, :]).sum(0)
    return np.asarray(-np.expm1(-to_probability * p), np.float32)


def _of_class(fields: Mapping[str, Any], index: int) -> tuple[NDArray[np.float64], ...]:
    """Weights (K,), means and variances (K, 3) of one class. ValueError: other shapes, or impossible values."""
    found = [np.array(fields[key][index], np.float64) for key in ("weights", "means", "variances")]
    components = found[0].size
    if [part.shape for part in found] != [(components,), (components, 3), (components, 3)]:
        raise ValueError("shapes that do not fit")
    if not 1 <= components <= _MOST_COMPONENTS:
        raise ValueError("too many components")
    found[2][:, 2] = np.maximum(found[2][:, 2], float(fields.get("variance_floor", 0.0)))
    if not all(np.isfinite(part).all() for part in found):
        raise ValueError("values that are not finite")
    if (found[0] < 0).any() or (found[2] <= 0).any():
        raise ValueError("negative weights or variances")
    return tuple(found)
