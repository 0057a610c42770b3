"""Densities against scipy, fits against the distribution that was drawn from, and the way through JSON."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal

from depdis_training.depth_distribution import PUBLISHED, DepthDistribution

ROAD, SKY = 0, 9


@pytest.fixture(scope="module")
def published() -> DepthDistribution:
    return DepthDistribution.published("synthia-cityscapes-16")


def scipy_density(
    of: DepthDistribution, labels: NDArray[np.int64], z: NDArray[np.float32]
) -> NDArray[np.float64]:
    rows, columns = np.mgrid[: labels.shape[1], : labels.shape[2]]
    points = np.stack(np.broadcast_arrays(columns[None], rows[None], z.astype(np.float64)), -1)
    found = np.zeros(labels.shape)
    for index in np.unique(labels):
        here = labels == index
        terms = [
            np.log(of.weights[index, k])
            + multivariate_normal(of.means[index, k], np.diag(of.variances[index, k])).logpdf(points[here])
            for k in range(of.components)
        ]
        found[here] = -np.expm1(-of.scale * np.exp(logsumexp(terms, axis=0))) * 255
    return found


def test_density_agrees_with_scipy_needles_and_sky_included(published: DepthDistribution) -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 16, (2, 96, 161))
    labels[0, :20] = SKY
    component = rng.integers(0, 5, labels.shape)
    spread = np.sqrt(published.variances[labels, component, 2])
    z = (published.means[labels, component, 2] + spread * rng.normal(size=labels.shape)).astype(np.float32)
    z[0, 10:20] = 1.0
    expected = scipy_density(published, labels, z)
    assert (expected[labels == SKY] > 100).mean() > 0.5
    found = published.density(torch.from_numpy(labels), torch.from_numpy(z), zero_invalid=False)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_raw_depths_0_and_65535_agree_with_scipy(published: DepthDistribution) -> None:
    labels = np.arange(16)[:, None, None] * np.ones((1, 96, 161), np.int64)
    for raw_cm in (0, 65535):
        z = np.full(labels.shape, 65536 / (raw_cm + 1), np.float32)
        expected = scipy_density(published, labels, z)
        assert expected.max() > 200  # some classes have such pixels
        found = published.density(torch.from_numpy(labels), torch.from_numpy(z))
        np.testing.assert_allclose(found.numpy(), expected, atol=1e-3)


def test_what_a_prediction_expects_is_the_mean_over_its_classes(published: DepthDistribution) -> None:
    torch.manual_seed(0)
    probabilities = torch.rand(2, 16, 12, 20).softmax(dim=1)
    z = torch.rand(2, 12, 20) * 300
    z[0, 0] = 0
    maps = [published.density(torch.full(z.shape, index), z) for index in range(16)]
    wanted = (probabilities * torch.stack(maps, dim=1)).sum(dim=1)
    torch.testing.assert_close(published.expected(probabilities, z), wanted, rtol=1e-5, atol=1e-3)
    assert published.expected(probabilities, z)[0, 0].max() == 0


def test_the_expected_density_has_the_gradients_of_its_formula() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([[0.4, 0.6], [0.5, 0.5], [0.0, 0.0]])  # the last class was never seen
    means, variances = rng.uniform((0, 0, 10), (5, 3, 60), (3, 2, 3)), rng.uniform(50, 400, (3, 2, 3))
    of = DepthDistribution(weights, means, variances, scale=2e6)
    probabilities = torch.from_numpy(rng.dirichlet(np.ones(3), (1, 4, 6))).permute(0, 3, 1, 2).float()
    z = torch.from_numpy(rng.uniform(5, 80, (1, 4, 6))).float()
    leaves = probabilities.requires_grad_(), z.requires_grad_()
    of.expected(*leaves).sum().backward()
    with torch.no_grad():
        step = 0.05
        slopes = (of.expected(probabilities, z + step) - of.expected(probabilities, z - step)) / (2 * step)
        maps = [of.density(torch.full(z.shape, index), z) for index in range(3)]
    torch.testing.assert_close(z.grad, slopes, rtol=0.02, atol=0.02)
    torch.testing.assert_close(probabilities.grad, torch.stack(maps, dim=1), rtol=1e-4, atol=1e-3)
    assert (z.grad.abs() > 0.1).any()


def test_needles_leave_the_expected_densitys_gradient_finite(published: DepthDistribution) -> None:
    probabilities = torch.full((1, 16, 96, 161), 1 / 16, requires_grad=True)
    z = torch.full((1, 96, 161), 65536.0, requires_grad=True)
    published.expected(probabilities, z).sum().backward()
    assert torch.isfinite(probabilities.grad).all()
    assert torch.isfinite(z.grad).all()


def test_a_needle_around_a_mean_that_float32_cannot_hold() -> None:
    mean = 64270.1234567
    of = DepthDistribution([[1.0]], [[[0, 0, mean]]], [[[1, 1, 1e-4]]])
    z = np.float32(mean) + np.float32([-0.00390625, 0, 0.00390625])
    labels = np.zeros((1, 3, 1), np.int64)
    found = of.density(torch.from_numpy(labels), torch.from_numpy(z.reshape(1, 3, 1)))
    np.testing.assert_allclose(found.numpy(), scipy_density(of, labels, z.reshape(1, 3, 1)), atol=1e-3)


def test_the_roads_example(published: DepthDistribution) -> None:
    log_p = published.log_p(np.array([ROAD]), published.means[ROAD, :1])
    assert np.exp(log_p[0]) == pytest.approx(1.7217e-6, rel=1e-4)
    assert 255 * -np.expm1(-1e6 * np.exp(log_p[0])) == pytest.approx(209.415, abs=1e-3)


def test_invalid_pixels_are_zero(published: DepthDistribution) -> None:
    labels = torch.tensor([[[2, 2, 255, 2]]], dtype=torch.uint8)
    z = torch.tensor([[[30.0, 0.0, 30.0, -5.0]]])
    found = published.density(labels, z).flatten()
    assert found[0] > 0
    assert found[1:].tolist() == [0, 0, 0]
    at_zero = published.density(labels, z, zero_invalid=False).flatten()
    assert at_zero[1] > 0
    assert at_zero[2] == 0


def test_a_map_of_another_size_is_scaled_onto_the_grid(published: DepthDistribution) -> None:
    assert published.grid == (96, 161)
    labels, z = torch.full((1, 96, 161), ROAD), torch.full((1, 96, 161), 60.0)
    whole = published.density(labels, z)
    half = published.density(labels[:, :, ::2], z[:, :, ::2])  # columns 0, 2, ..., 160
    torch.testing.assert_close(half, whole[:, :, ::2], rtol=1e-4, atol=1e-3)


def test_the_variance_floor_spares_a_depth_slightly_off(published: DepthDistribution) -> None:
    floored = DepthDistribution.from_dict({**published.to_dict(), "variance_floor": 1e-2})
    labels, off = torch.full((1, 96, 161), SKY), torch.full((1, 96, 161), 1.01)
    needles = (0, 8, slice(60, None))  # one of sky's components, left of them, is no needle
    assert published.density(labels, off)[needles].max() < 1
    assert floored.density(labels, off)[needles].max() > 100


def test_wrong_input_is_refused(published: DepthDistribution) -> None:
    with pytest.raises(ValueError, match="one shape"):
        published.density(torch.zeros(1, 2, 2, dtype=torch.long), torch.ones(1, 1, 2, 2))
    with pytest.raises(ValueError, match="got 16"):
        published.density(torch.full((1, 2, 2), 16), torch.ones(1, 2, 2))


def draw(seed: int, pictures: int = 30) -> list[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Class 0 a plane with noise, class 1 sky, class 2 never, class 3 two distances; some unlabelled."""
    rows = np.arange(24)[:, None] * np.ones((1, 40))
    pairs = []
    for index in range(pictures):
        rng = np.random.default_rng([seed, index])
        labels = rng.choice([0, 1, 3, 255], (24, 40), p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
        near = rng.random((24, 40)) < 0.5
        z = np.where(labels == 1, 1.0, 20 + 4 * rows + 3 * rng.normal(size=rows.shape))
        z = np.where(labels == 3, np.where(near, 200.0, 50.0) + 5 * rng.normal(size=rows.shape), z)
        pairs.append((labels, z.astype(np.float32)))
    return pairs


def test_fit_finds_the_distribution_that_was_drawn_from() -> None:
    fitted = DepthDistribution.fit(draw(0), 4, components=2, per_class=5000)
    assert fitted.grid == (24, 40)
    order = np.argsort(fitted.means[3, :, 2])
    np.testing.assert_allclose(fitted.means[3, order, 2], [50, 200], atol=1)
    np.testing.assert_allclose(fitted.variances[3, :, 2], 25, rtol=0.15)
    np.testing.assert_allclose(fitted.weights[3], 0.5, atol=0.03)
    np.testing.assert_allclose(fitted.means[1, :, 2], 1, atol=1e-6)
    np.testing.assert_allclose(fitted.variances[1, :, 2], 1e-6, rtol=0.5)


def test_a_class_without_pixels_has_density_zero() -> None:
    fitted = DepthDistribution.fit(draw(0, 3), 4, components=2, per_class=500)
    assert fitted.unseen == (2,)
    assert (fitted.density(torch.full((1, 24, 40), 2), torch.full((1, 24, 40), 50.0)) == 0).all()


def test_a_class_with_fewer_pixels_than_components() -> None:
    labels = np.full((4, 4), 255, np.uint8)
    labels[1, 1], labels[1, 3], labels[3, 3] = 0, 0, 1
    fitted = DepthDistribution.fit([(labels, np.full((4, 4), 40.0))], 2, components=5)
    np.testing.assert_allclose(fitted.means[:, 0], [[2, 1, 40], [3, 3, 40]])
    np.testing.assert_allclose(fitted.variances[:, 0], [[1, 1e-6, 1e-6], [1e-6] * 3])
    assert fitted.weights.tolist() == [[1, 0, 0, 0, 0]] * 2
    labels_map = torch.zeros(1, 4, 4, dtype=torch.long)
    assert fitted.density(labels_map, torch.full((1, 4, 4), 40.0))[0, 1, 2] == 255


def test_needles_far_from_the_rest_are_resolved() -> None:
    """Raw depth 0, as SYNTHIA has it: z = 65536 exactly among depths of a street."""
    rng = np.random.default_rng(0)
    z = rng.normal(60, 10, (20, 100, 100)).astype(np.float32)
    z[rng.random(z.shape) < 0.01] = 65536
    fitted = DepthDistribution.fit([(np.zeros(z.shape, np.uint8), z)], 1, components=2, per_class=20_000)
    needle = np.argmax(fitted.means[0, :, 2])
    assert fitted.means[0, needle, 2] == pytest.approx(65536)
    assert fitted.variances[0, needle, 2] < 1e-5
    assert fitted.variances[0, 1 - needle, 2] == pytest.approx(100, rel=0.1)


def test_the_same_seed_gives_the_same_fit_and_tensors_are_as_good_as_arrays() -> None:
    pairs = draw(0, 12)
    first = DepthDistribution.fit(pairs, 4, components=2, per_class=300, seed=5)
    tensors = ((torch.from_numpy(labels)[None], torch.from_numpy(z)[None]) for labels, z in pairs)
    again = DepthDistribution.fit(tensors, 4, components=2, per_class=300, seed=5)
    assert first.to_dict() == again.to_dict()
    other = DepthDistribution.fit(pairs, 4, components=2, per_class=300, seed=6)
    assert first.to_dict() != other.to_dict()


def test_the_sample_of_a_class_is_even_over_the_stream() -> None:
    from depdis_training.mixture_fit import sample_classes

    pairs = [(np.zeros((10, 10), np.uint8), np.full((10, 10), 1.0 + index)) for index in range(200)]
    sampled = sample_classes(pairs, 1, 1000, seed=0)
    assert sampled.counts.tolist() == [20_000]
    assert sampled.points[0].shape == (1000, 3)
    assert len(np.unique(sampled.points[0], axis=0)) == 1000  # without replacement
    assert sampled.points[0][:, 2].mean() == pytest.approx(100.5, abs=6)  # 3.3 standard errors
    np.testing.assert_allclose(sampled.points[0][:, :2].mean(0), 4.5, atol=0.3)


def test_the_datas_scale_puts_the_median_pixel_at_half() -> None:
    pairs = draw(1)
    fitted = DepthDistribution.fit(pairs, 4, components=2, scale="data")
    densities = []
    for labels, z in pairs:
        found = fitted.density(torch.from_numpy(labels)[None], torch.from_numpy(z)[None])[0].numpy()
        densities.append(found[labels != 255])
    assert np.median(np.concatenate(densities)) == pytest.approx(127.5, abs=2)


def test_json_round_trip(published: DepthDistribution, tmp_path: Path) -> None:
    published.to_json(tmp_path / "mixtures.json")
    assert DepthDistribution.from_json(tmp_path / "mixtures.json").to_dict() == published.to_dict()
    assert pickle.loads(pickle.dumps(published)).to_dict() == published.to_dict()


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_mixtures(name: str) -> None:
    of = DepthDistribution.published(name)
    assert of.num_classes == (16 if name.endswith("16") else 7)
    assert of.components == 5
    assert of.grid == ((41, 81) if name.endswith("small") else (96, 161))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": [[0.7, 0.7]]}, "sum to 1"),
        ({"means": [[[0, 0, 0]]]}, "expected weights"),
        ({"variances": [[[1, 1, 0], [1, 1, 1]]]}, "positive"),
        ({"variances": [[[1, 1, np.nan], [1, 1, 1]]]}, "finite"),
        ({"scale": 0}, "scale"),
        ({"grid": (0, 4)}, "grid"),
    ],
)
def test_parameters_that_are_no_distribution(change: dict[str, object], message: str) -> None:
    good = {"weights": [[0.5, 0.5]], "means": [[[0, 0, 1]] * 2], "variances": [[[1, 1, 1]] * 2]}
    with pytest.raises(ValueError, match=message):
        DepthDistribution(**{**good, **change})


def test_pairs_that_cannot_be_fitted(tmp_path: Path) -> None:
    one = (np.zeros((4, 4), np.uint8), np.ones((4, 4)))
    for pairs, message in (
        ([], "no .* pair"),
        ([one, (np.zeros((5, 4), np.uint8), np.ones((5, 4)))], "one size"),
        ([(np.zeros((4, 4), np.uint8), np.ones((4, 5)))], "one shape"),
        ([(np.full((4, 4), 9, np.uint8), np.ones((4, 4)))], "labels are"),
    ):
        with pytest.raises(ValueError, match=message):
            DepthDistribution.fit(pairs, 4)
    with pytest.raises(ValueError, match="'data'"):
        DepthDistribution.fit([one], 4, scale="auto")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(ValueError, match="not a depth distribution"):
        DepthDistribution.from_json(tmp_path / "broken.json")
    with pytest.raises(ValueError, match="synthia-cityscapes-16"):
        DepthDistribution.published("cityscapes")
