import threading

import numpy as np
import pytest
import torch

from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.augment import View, draw_view, jitter_colour, take_view
from depdis_training.data import open_dataset
from depdis_training.data.samples import Sample
from depdis_training.loading import Batches, RandomViews, ahead, canonical_depth, inverse_depth, network_images


def _batches(blocks, **changes):
    views = RandomViews((64, 48), changes.pop("scale", (0.7, 2.0)), changes.pop("flip", 0.5), 0.2)
    settings = {"size": 3, "seed": 5, "take": views, "canonical_focal_px": 90.0, **changes}
    return Batches(open_dataset("synthia", blocks, "train", CITYSCAPES_16), **settings)


def _equal(one, other):
    return all(
        torch.equal(getattr(one, name), getattr(other, name)) for name in ("images", "labels", "inverse_depth")
    )


def test_a_batch_depends_on_seed_and_number_alone(blocks):
    first, again, other = _batches(blocks), _batches(blocks), _batches(blocks, seed=6)
    for _ in range(3):
        again(0)
    assert _equal(first(4), again(4))
    assert not _equal(first(4), first(5))
    assert not _equal(first(4), other(4))


@pytest.mark.parametrize(("threads", "depth"), [(1, 1), (1, 4), (3, 6)])
def test_reading_ahead_changes_nothing(blocks, threads, depth):
    batches = _batches(blocks)
    found = list(ahead(batches, 2, 7, threads=threads, depth=depth))
    assert len(found) == 5
    assert all(_equal(batch, batches(2 + place)) for place, batch in enumerate(found))


def test_reading_ahead_hands_on_errors_and_leaves_no_thread(blocks):
    def broken(index):
        if index == 3:
            raise ValueError("picture 3")
        return index

    found = []
    with pytest.raises(ValueError, match="picture 3"):
        found.extend(ahead(broken, 0, 9))
    stopped = ahead(broken, 0, 3)
    next(stopped)
    stopped.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_each_picture_comes_once_an_epoch(blocks):
    class Counting:
        def __init__(self, inner):
            self.inner, self.seen, self.taxonomy, self.names = inner, [], inner.taxonomy, inner.names

        def __len__(self):
            return len(self.inner)

        def __getitem__(self, index):
            self.seen.append(index)
            return self.inner[index]

    batches = _batches(blocks, size=5)
    batches.dataset = Counting(batches.dataset)
    for step in range(4):
        batches(step)
    seen = batches.dataset.seen
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))
    assert seen[:10] != seen[10:]


def test_input_is_bgr_minus_the_mean_and_channels_last():
    picture = np.zeros((1, 2, 2, 3), np.uint8)
    picture[..., 0] = 200  # red
    images = network_images(picture)
    assert images.shape == (1, 3, 2, 2)
    assert images.is_contiguous(memory_format=torch.channels_last)
    np.testing.assert_allclose(
        images[0, :, 0, 0], [-104.00698793, -116.66876762, 200 - 122.67891434], rtol=1e-6
    )


def _plane(width=40, height=30):
    columns = np.arange(width, dtype=np.float32)
    depth_m = np.broadcast_to(5 + columns, (height, width)).copy()
    labels = np.broadcast_to((columns // 4).astype(np.uint8), (height, width)).copy()
    image = np.repeat((labels * 20)[..., None], 3, axis=2)
    return Sample("plane", image, labels, depth_m, 50.0)


def test_a_view_cuts_and_mirrors_picture_labels_and_depth_alike():
    sample = _plane()
    view = take_view(sample, View(8, 2, 20, 15, flip=True), (20, 15))
    np.testing.assert_array_equal(view.labels, sample.labels[2:17, 8:28][:, ::-1])
    np.testing.assert_array_equal(view.depth_m, sample.depth_m[2:17, 8:28][:, ::-1])
    np.testing.assert_array_equal(view.image[..., 0], view.labels * 20)
    assert view.focal_px == 50.0


def test_magnifying_brings_canonical_depth_nearer():
    sample = _plane()
    near = take_view(sample, View(8, 2, 20, 15), (40, 30))
    assert near.focal_px == 100.0
    # seen by the canonical camera a thing twice as large is half as far
    np.testing.assert_allclose(canonical_depth(near, 50.0)[0, ::2], canonical_depth(sample, 50.0)[2, 8:28] / 2)


def test_canonical_depth_keeps_sky_and_unknown_and_needs_the_focal_length():
    depth_m = np.array([[0.0, 10.0, 600.0, 655.35]], np.float32)
    sample = Sample("s", np.zeros((1, 4, 3), np.uint8), None, depth_m, 50.0)
    np.testing.assert_allclose(canonical_depth(sample, 100.0), [[0, 20, 655.35, 655.35]])
    np.testing.assert_allclose(inverse_depth(depth_m)[0, [0, 1, 3]], [0, 65536 / 1001, 1], rtol=1e-6)
    unknown = Sample("s", sample.image, None, depth_m, None)
    assert canonical_depth(unknown, None) is depth_m
    with pytest.raises(ValueError, match=r"input\.canonical_focal_px"):
        canonical_depth(unknown, 100.0)


def test_views_stay_inside_the_picture_and_keep_the_aspect():
    rng = np.random.default_rng(0)
    for _ in range(300):
        view = draw_view(rng, (96, 64), (64, 48), (0.2, 3.0), 0.5)
        assert view.left >= 0
        assert view.top >= 0
        assert view.left + view.width <= 96
        assert view.top + view.height <= 64
        assert abs(view.width / view.height - 64 / 48) < 0.06


def test_colour_jitter_of_strength_zero_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (8, 9, 3)).astype(np.uint8)
    assert jitter_colour(np.random.default_rng(1), image, 0.0) is image
    jittered = jitter_colour(np.random.default_rng(1), image, 0.2)
    assert 1 < np.abs(jittered.astype(int) - image).mean() < 40
