"""What ClassMix pastes, pixel by pixel."""

import numpy as np
import pytest
import torch

from depdis_deploy.taxonomy import IGNORE
from depdis_training.adaptation import Pair
from depdis_training.loading import Batch
from depdis_training.mixing import draw_things
from depdis_training.training_stage import mixed


def _batch(seed: int, pictures: int = 3, classes: int = 5) -> Batch:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (pictures, 12, 16)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.1] = IGNORE
    images = torch.from_numpy(rng.normal(0, 60, (pictures, 3, 12, 16)).astype(np.float32))
    depth = torch.from_numpy(rng.uniform(0, 500, labels.shape).astype(np.float32))
    return Batch(images, torch.from_numpy(labels), depth)


def test_half_of_the_classes_come_whole_with_their_labels_and_nothing_else_changes():
    target, source = _batch(0), _batch(1)
    target_before = target.images.clone()
    found = draw_things(np.random.default_rng(3), source, 3, 1.0).over(target)
    for place in range(3):
        theirs, out = source.labels[place].numpy(), found.labels[place].numpy()
        from_source = (found.images[place] == source.images[place]).all(0).numpy()
        pasted = set(theirs[from_source].tolist())
        assert len(pasted) == 3
        assert IGNORE not in pasted
        assert (from_source == np.isin(theirs, sorted(pasted))).all()
        assert (out == np.where(from_source, theirs, target.labels[place].numpy())).all()
        left = ~from_source
        assert (found.images[place][:, left] == target.images[place][:, left]).all()
        assert (found.inverse_depth[place][from_source] == source.inverse_depth[place][from_source]).all()
    assert torch.equal(target.images, target_before)


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_share_of_the_pictures_is_mixed(share):
    target, source = _batch(0, pictures=200), _batch(1, pictures=7)
    found = draw_things(np.random.default_rng(0), source, 200, share).over(target)
    changed = (found.images != target.images).flatten(1).any(1).float().mean()
    assert changed == pytest.approx(share, abs=0.1)


def test_a_step_is_the_same_whenever_it_is_made():
    def pairs(seed):
        return lambda step: [Pair(_batch(seed + step), None)]

    steps = mixed(pairs(10), pairs(500), lambda step: range(step, step + 1), share=0.7, seed=4)
    (first,), (other,), (again,) = steps(2), steps(3), steps(2)
    assert torch.equal(first.pasted.mask, again.pasted.mask)
    assert torch.equal(first.pasted.things.images, again.pasted.things.images)
    assert not torch.equal(first.pasted.mask, other.pasted.mask)
    assert first.target is None
