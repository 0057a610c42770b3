import numpy as np
import torch

from depdis_training.supervised import class_weights, sampled


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
