import numpy as np

from depdis_training.class_weights import class_weights


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
