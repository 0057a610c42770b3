import math

import numpy as np
import pytest
import torch

from depdis_training.supervised import class_weights, relative_depth, sampled


def test_relative_depth_is_the_relative_error_of_what_is_put_too_far():
    truth_m, found_m = torch.tensor([10.0, 10.0, 10.0, 20.0]), torch.tensor([12.0, 20.0, 8.0, 20.0])
    valid = torch.tensor([True, True, False, True])
    assert float(relative_depth(1000 / found_m, 1000 / truth_m, valid)) == pytest.approx((0.2 + 1.0 + 0.0) / 3)


def test_relative_depth_has_no_jumps_and_finite_slopes():
    error = torch.linspace(-4, 6, 2001, dtype=torch.float64, requires_grad=True)
    losses = torch.stack(
        [relative_depth(1e3 * (-e).exp(), torch.tensor(1e3), torch.tensor(True)) for e in error]
    )
    (slope,) = torch.autograd.grad(losses.sum(), error)
    losses = losses.detach()
    assert float(losses.diff().abs().max()) < 0.014
    assert float(losses.min()) == float(losses[800]) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(slope[:800], torch.full((800,), -1.0, dtype=torch.float64))
    assert (slope[801:] >= 1).all()
    assert float(slope.max()) == pytest.approx(math.e)
    assert float(relative_depth(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


def test_sampling_takes_the_pixels_that_an_align_corners_grid_stands_on():
    values = torch.arange(9 * 13).reshape(1, 9, 13)
    torch.testing.assert_close(sampled(values, (9, 13)), values)
    torch.testing.assert_close(sampled(values, (3, 4)), values[:, ::4, ::4])
    corners = sampled(values, (2, 2))[0]
    torch.testing.assert_close(corners, values[0, ::8, ::12])


def test_class_weights_are_scikit_learns_balanced_ones():
    from sklearn.utils.class_weight import compute_class_weight

    labels = np.repeat([0, 1, 2, 3], [50, 30, 15, 5])
    expected = compute_class_weight("balanced", classes=np.arange(4), y=labels)
    counts = np.bincount(labels)
    np.testing.assert_allclose(class_weights(counts, "balanced", 100.0), expected, rtol=1e-6)
    np.testing.assert_allclose(class_weights(counts, "sqrt", 2.0), np.minimum(np.sqrt(expected), 2), rtol=1e-6)
    assert class_weights(counts, "none", 1.0) is None
    absent = class_weights(np.array([10, 0]), "balanced", 3.0)
    assert absent.tolist() == [0.5, 1.0]
