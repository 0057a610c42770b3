"""Losses against the formulas written out in numpy, and their gradients at the edges."""

import math

import numpy as np
import pytest
import torch

from depdis_training.losses import abs_rel, berhu, cross_entropy, relative_depth, self_information


def test_cross_entropy_is_the_weighted_mean_over_labelled_pixels() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(2, 4, 3, 5)), rng.integers(0, 4, (2, 3, 5))
    labels[0, 0] = 255
    weights = np.array([0.5, 1.0, 2.0, 4.0])
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    losses, shares = [], []
    for picture, row, column in zip(*np.nonzero(labels != 255), strict=True):
        label = labels[picture, row, column]
        losses.append(-log_p[picture, label, row, column])
        shares.append(weights[label])
    inputs = torch.from_numpy(logits), torch.from_numpy(labels)
    assert cross_entropy(*inputs).item() == pytest.approx(np.mean(losses))
    expected = np.average(losses, weights=shares)
    assert cross_entropy(*inputs, torch.from_numpy(weights)).item() == pytest.approx(expected)


@pytest.mark.parametrize("weights", [None, torch.ones(3)])
def test_cross_entropy_without_a_labelled_pixel_is_zero(weights: torch.Tensor | None) -> None:
    logits = torch.randn(1, 3, 2, 2, requires_grad=True)
    loss = cross_entropy(logits, torch.full((1, 2, 2), 255), weights)
    loss.backward()
    assert loss.item() == 0
    assert logits.grad is not None
    assert (logits.grad == 0).all()


def test_cross_entropy_refuses_labels_of_another_taxonomy_and_size() -> None:
    logits = torch.zeros(1, 7, 2, 2)
    with pytest.raises(ValueError, match=r"0\.\.6 or 255, got 15"):
        cross_entropy(logits, torch.full((1, 2, 2), 15))
    with pytest.raises(ValueError, match="do not fit"):
        cross_entropy(logits, torch.zeros(1, 4, 4, dtype=torch.long))


def test_berhu_and_its_gradient_with_a_constant_limit() -> None:
    error = np.array([0.0, 0.5, -1.0, 3.0, -10.0])
    limit = 2.0
    expected = [abs(e) if abs(e) <= limit else (e * e + limit * limit) / (2 * limit) for e in error]
    prediction = torch.from_numpy(error + 7).requires_grad_()
    loss = berhu(prediction, torch.full((5,), 7.0, dtype=torch.float64))
    loss.backward()
    assert loss.item() == pytest.approx(np.mean(expected))
    gradient = [0.0, 1.0, -1.0, 3.0 / limit, -10.0 / limit]  # the limit itself has none
    assert prediction.grad is not None
    np.testing.assert_allclose(prediction.grad.numpy(), np.array(gradient) / 5)


def test_berhu_of_no_error_is_zero() -> None:
    prediction = torch.ones(2, 1, 3, 3, requires_grad=True)
    loss = berhu(prediction, torch.ones(2, 1, 3, 3))
    loss.backward()
    assert loss.item() == 0
    assert prediction.grad is not None
    assert (prediction.grad == 0).all()


def test_berhu_over_valid_elements_knows_no_others() -> None:
    prediction = torch.tensor([1.0, 3.0, 0.0, 900.0], requires_grad=True)
    valid = torch.tensor([True, True, True, False])
    loss = berhu(prediction, torch.zeros(4), valid)
    loss.backward()
    limit = 0.2 * 3
    assert loss.item() == pytest.approx(sum((e * e + limit * limit) / (2 * limit) for e in (1, 3)) / 3)
    assert prediction.grad is not None
    assert prediction.grad[3] == 0
    assert berhu(torch.ones(4), torch.zeros(4), torch.zeros(4, dtype=torch.bool)).item() == 0


def test_berhu_of_one_error_everywhere_is_quadratic_and_of_huge_errors_finite() -> None:
    same = torch.full((2, 3), 5.0, dtype=torch.float64)
    assert berhu(same, torch.zeros_like(same)).item() == pytest.approx((25 + 1) / 2)  # L is 1
    huge = berhu(torch.tensor([65536.0, 1e-3]), torch.zeros(2))
    assert huge.item() == pytest.approx((65536 * 2.6 + 1e-3) / 2, rel=1e-6)


def test_self_information() -> None:
    p = torch.tensor([0.5, 0.25, 0.25, 0.0], dtype=torch.float64, requires_grad=True)
    found = self_information(p.reshape(1, 4, 1, 1))
    found.sum().backward()
    np.testing.assert_allclose(found.detach().flatten().numpy(), [0.25, 0.25, 0.25, 0.0], atol=1e-12)
    assert p.grad is not None
    assert p.grad.isfinite().all()
    uniform = self_information(torch.full((2, 16, 3, 3), 1 / 16))
    torch.testing.assert_close(uniform.sum(1), torch.ones(2, 3, 3))


def test_relative_depth_is_the_relative_error_of_what_is_put_too_far() -> None:
    truth_m, found_m = torch.tensor([10.0, 10.0, 10.0, 20.0]), torch.tensor([12.0, 20.0, 8.0, 20.0])
    valid = torch.tensor([True, True, False, True])
    assert float(relative_depth(1000 / found_m, 1000 / truth_m, valid)) == pytest.approx((0.2 + 1.0 + 0.0) / 3)


def test_relative_depth_has_no_jumps_and_finite_slopes() -> None:
    error = torch.linspace(-4, 6, 2001, dtype=torch.float64, requires_grad=True)
    losses = torch.stack(
        [relative_depth(1e3 * (-e).exp(), torch.tensor(1e3).double(), torch.tensor(True)) for e in error]
    )
    (slope,) = torch.autograd.grad(losses.sum(), error)
    losses = losses.detach()
    assert float(losses.diff().abs().max()) < 0.014
    assert float(losses.min()) == float(losses[800]) == pytest.approx(0, abs=1e-6)
    torch.testing.assert_close(slope[:800], torch.full((800,), -1.0, dtype=torch.float64))
    assert (slope[801:] >= 1).all()
    assert float(slope.max()) == pytest.approx(math.e)
    assert float(relative_depth(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


def test_abs_rel_is_the_relative_error_on_both_sides() -> None:
    truth_m, found_m = torch.full((4,), 10.0), torch.tensor([12.0, 20.0, 8.0, 1.0])
    near = [0.9 * rel + 0.1 * log for rel, log in ((0.2, math.log(10 / 8)), (0.9, math.log(10)))]
    for index, expected in enumerate((0.2, 1.0, *near)):
        one = slice(index, index + 1)
        loss = abs_rel(1000 / found_m[one], 1000 / truth_m[one], torch.tensor([True]))
        assert float(loss) == pytest.approx(expected, rel=1e-5)
    left_out = abs_rel(1000 / found_m, 1000 / truth_m, torch.tensor([True, False, False, False]))
    assert float(left_out) == pytest.approx(0.2, rel=1e-5)
    assert float(abs_rel(torch.ones(3), torch.ones(3), torch.zeros(3, dtype=torch.bool))) == 0


def test_abs_rel_pulls_from_anywhere() -> None:
    """Slopes of either sign and never near 0, however wrong a pixel is."""
    error = torch.linspace(-6, 6, 1200, dtype=torch.float64, requires_grad=True)
    losses = [abs_rel(1e3 * (-e).exp(), torch.tensor(1e3).double(), torch.tensor(True)) for e in error]
    (slope,) = torch.autograd.grad(torch.stack(losses).sum(), error)
    assert (slope[:600] <= -0.1).all()
    assert (slope[600:] >= 1).all()
    assert float(slope.max()) == pytest.approx(math.e)


@pytest.mark.parametrize("loss", [
    berhu,
    lambda prediction, target: relative_depth(prediction, target, target > 0),
    lambda prediction, target: abs_rel(prediction, target, target > 0),
])  # fmt: skip
def test_shapes_must_agree(loss) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match="shape"):
        loss(torch.zeros(2, 1, 3, 3), torch.zeros(2, 3, 3))


def test_self_information_needs_classes() -> None:
    with pytest.raises(ValueError, match="C >= 2"):
        self_information(torch.ones(1, 1, 2, 2))
