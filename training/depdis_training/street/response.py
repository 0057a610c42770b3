"""From light to a picture file's levels: exposure, lens, sensor, the camera's own processing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from depdis_training.street.kernel import kernel

if TYPE_CHECKING:
    from depdis_training.street.appearance import Appearance

_CURVE = 4096
_BRIGHTEST = 8.0  # of white; all beyond is clipped


@kernel
def metered(light: NDArray[np.float32], seen: NDArray[np.int32], factor: int) -> float:
    """The mean luminance of what is not sky, on a scale in which bright spots count less."""
    total, count = 0.0, 0
    for j in range(0, light.shape[0], 3):
        for i in range(0, light.shape[1], 3):
            if seen[j * factor, i * factor] >= 0:
                total += math.sqrt(max(0.0, 0.3 * light[j, i, 0] + 0.6 * light[j, i, 1] + 0.1 * light[j, i, 2]))
                count += 1
    if count == 0:
        return 1.0
    return (total / count) ** 2


@kernel
def _blurred(picture: NDArray[np.float32], weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """A separable blur; written out, since libraries round differently on different processors."""
    height, width = picture.shape[:2]
    reach = len(weights) // 2
    flat = picture.reshape(height, 3 * width)
    margin = 3 * reach
    row = np.empty(3 * width + 2 * margin, np.float32)  # a blurred row, its ends repeated
    result = np.zeros((height, 3 * width), np.float32)
    for j in range(height):
        row[:] = 0.0
        for k in range(-reach, reach + 1):
            source, weight = min(height - 1, max(0, j + k)), weights[k + reach]
            for i in range(3 * width):
                row[margin + i] += weight * flat[source, i]
        for i in range(margin):
            row[i] = row[margin + i % 3]
            row[margin + 3 * width + i] = row[3 * width + margin - 3 + i % 3]
        for k in range(2 * reach + 1):
            weight = weights[k]
            for i in range(3 * width):
                result[j, i] += weight * row[3 * k + i]
    return result.reshape(height, width, 3)


def _gaussian(sigma: float) -> NDArray[np.float32]:
    reach = max(1, math.ceil(2.5 * sigma))
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    return np.asarray(weights / weights.sum(), np.float32)


@kernel
def _developed(
    light: NDArray[np.float32], gain: NDArray[np.float64], curve: NDArray[np.float64], brightest: float,
    vignette: float, saturation: float,
) -> NDArray[np.float32]:  # fmt: skip
    """Levels 0..255 of linear light, through a lens that darkens its corners and a response curve."""
    height, width = light.shape[:2]
    levels = np.empty_like(light)
    tone = np.empty(3)
    for j in range(height):
        y = (j - 0.5 * height) / (0.5 * width)
        for i in range(width):
            x = (i - 0.5 * width) / (0.5 * width)
            falloff = 1.0 - vignette * min(1.0, (x * x + y * y) * 0.7)
            for c in range(3):
                value = min(1.0, max(0.0, light[j, i, c] * gain[c] * falloff / brightest))
                position = math.sqrt(value) * (len(curve) - 2)
                k = int(position)
                tone[c] = curve[k] + (curve[k + 1] - curve[k]) * (position - k)
            grey = 0.3 * tone[0] + 0.59 * tone[1] + 0.11 * tone[2]
            for c in range(3):
                levels[j, i, c] = grey + (tone[c] - grey) * saturation
    return levels


@kernel
def _finished(
    levels: NDArray[np.float32], soft: NDArray[np.float32], sharpen: float, noise: NDArray[np.float32],
    noise_sigma: float, chroma: NDArray[np.float32],
) -> NDArray[np.uint8]:  # fmt: skip
    """Sharpened, noisy, rounded. Noise is of luminance, but for a little in slow blotches of colour."""
    height, width = levels.shape[:2]
    result = np.empty((height, width, 3), np.uint8)
    for j in range(height):
        for i in range(width):
            grain = noise_sigma * noise[j, i]
            for c in range(3):
                value = levels[j, i, c] + sharpen * (levels[j, i, c] - soft[j, i, c]) + grain
                value += 0.35 * noise_sigma * chroma[j // 3, i // 3, c]
                result[j, i, c] = np.uint8(min(255.0, max(0.0, math.floor(value + 0.5))))
    return result


def _curve(appearance: Appearance) -> NDArray[np.float64]:
    """Levels 0..255 over the square root of light, up to `_BRIGHTEST` times white, with a soft shoulder."""
    light = np.linspace(0.0, 1.0, _CURVE) ** 2 * _BRIGHTEST
    shoulder = np.where(light < 0.7, light, 0.7 + 0.3 * (1.0 - np.exp(-(light - 0.7) / 0.3)))
    level = np.minimum(shoulder, 1.0) ** (1.0 / appearance.gamma)
    bent = level + appearance.contrast * (level * level * (3.0 - 2.0 * level) - level)
    black = appearance.black_level
    return np.asarray(255.0 * (black + (1.0 - black) * bent), np.float64)


def developed(
    light: NDArray[np.float32], mean: float, appearance: Appearance, seed: int
) -> NDArray[np.uint8]:  # fmt: skip
    """A picture (H, W, 3) uint8 of linear light, exposed so that luminance `mean` gets the wanted level."""
    rng = np.random.default_rng([seed, 7])
    if appearance.blur_sigma > 0.15:
        light = _blurred(light, _gaussian(appearance.blur_sigma))
    gain = np.asarray(appearance.gain, np.float64) * appearance.exposure / max(mean, 1e-6)
    levels = _developed(light, gain, _curve(appearance), _BRIGHTEST, appearance.vignette, appearance.saturation)
    soft = _blurred(levels, _gaussian(1.0)) if appearance.sharpen > 0 else levels
    height, width = light.shape[:2]
    noise = rng.standard_normal((height, width), np.float32)
    chroma = rng.standard_normal((height // 3 + 1, width // 3 + 1, 3), np.float32)
    picture = _finished(levels, soft, appearance.sharpen, noise, appearance.noise_sigma, chroma)
    if appearance.jpeg_quality is None:
        return picture
    _, packed = cv2.imencode(".jpg", picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, appearance.jpeg_quality])
    unpacked = cv2.imdecode(packed, cv2.IMREAD_COLOR)  # noqa: TID251 (encoded here)
    assert unpacked is not None
    return np.ascontiguousarray(unpacked[..., ::-1], np.uint8)
