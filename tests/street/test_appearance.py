"""Appearances: their ranges, and that what they describe is seen."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray

from depdis_training.street.appearance import Appearance, appearance_for
from depdis_training.street.mesh import Builder, Material
from depdis_training.street.renderer import Camera, render

QUIET = Appearance(noise_sigma=0.0, blur_sigma=0.0, sharpen=0.0, vignette=0.0)


def _picture(appearance: Appearance) -> NDArray[np.float64]:
    builder = Builder()
    builder.quad(
        (-99, 0, -9), (99, 0, -9), (99, 0, 400), (-99, 0, 400), Material(0, (110.0, 110.0, 110.0), grain=0.0)
    )
    builder.box((-2, 0, 60), (2, 4, 62), Material(12, (160.0, 30.0, 30.0), grain=0.0))
    return render(builder.build(), Camera(0, 1.5, 0, 0, 0, 0, 60.0, 96, 64), appearance, 0).image.astype(float)


def test_random_appearances_all_differ_and_stay_in_range() -> None:
    drawn = [appearance_for("random", np.random.default_rng([0, k])) for k in range(300)]
    assert len({a.sky_seed for a in drawn}) > 298
    assert len({a.exposure for a in drawn}) > 270
    for a in drawn:
        assert 0.02 <= a.exposure <= 0.4
        assert 0.05 < a.sun_elevation < np.pi / 2
        assert np.linalg.norm(a.sun_direction()) == pytest.approx(1)
        assert min(*a.zenith, *a.horizon, *a.gain, a.fog_density, a.noise_sigma + 1) >= 0
        assert a.jpeg_quality is None or 1 <= a.jpeg_quality <= 100
        assert np.isfinite(a.light()).all()
    assert 0.3 < np.mean([a.sun_strength > 0.5 for a in drawn]) < 0.8


def test_the_same_generator_draws_the_same_appearance() -> None:
    for domain in ("source", "target", "random", "near"):
        one, again = (appearance_for(domain, np.random.default_rng(7)) for _ in range(2))
        assert one == again
    with pytest.raises(ValueError, match="source, target, random or near"):
        appearance_for("winter", np.random.default_rng(0))  # type: ignore[arg-type]


def test_the_target_is_darker_and_duller_than_the_source() -> None:
    source, target = (_picture(appearance_for(d, np.random.default_rng(1))) for d in ("source", "target"))
    assert target[40:].mean() < source[40:].mean() - 10
    assert np.ptp(target, axis=2).mean() < np.ptp(source, axis=2).mean()


def test_exposure_gain_and_saturation_do_what_they_say() -> None:
    plain = _picture(QUIET)
    assert _picture(dataclasses.replace(QUIET, exposure=0.05))[40:].mean() < plain[40:].mean() - 30
    red = _picture(dataclasses.replace(QUIET, gain=(1.4, 1.0, 0.7)))
    assert (red - plain)[40:, :, 0].mean() > 10
    assert (red - plain)[40:, :, 2].mean() < -10
    grey = _picture(dataclasses.replace(QUIET, saturation=0.0))
    assert np.ptp(grey, axis=2).max() <= 1


def test_fog_hides_what_is_far_and_spares_what_is_near() -> None:
    box = np.s_[28:32, 47:49]
    near = np.s_[60:, :]
    clear, foggy = (
        _picture(dataclasses.replace(QUIET, fog_density=density, fog_colour=(1.0, 1.0, 1.0)))
        for density in (0.0, 0.03)
    )
    assert np.ptp(foggy[box].mean((0, 1))) < 0.4 * np.ptp(clear[box].mean((0, 1)))
    assert np.ptp(foggy[near].mean((0, 1))) == pytest.approx(np.ptp(clear[near].mean((0, 1))), abs=12)


def test_noise_is_of_luminance_and_as_strong_as_asked() -> None:
    clean = _picture(QUIET)
    noisy = _picture(dataclasses.replace(QUIET, noise_sigma=6.0)) - clean
    inside = (clean > 40).all(-1) & (clean < 215).all(-1)
    grain = noisy[inside]
    assert grain.mean(1).std() == pytest.approx(6, rel=0.2)
    assert (grain - grain.mean(1, keepdims=True)).std() < 2.5


def test_vignette_darkens_corners_only() -> None:
    dark = _picture(dataclasses.replace(QUIET, vignette=0.5)) / np.maximum(_picture(QUIET), 1)
    assert dark[60:, :4].mean() < 0.9
    assert dark[33:36, 44:52].mean() > 0.97
