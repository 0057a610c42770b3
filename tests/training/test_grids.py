"""Which pixel each cell takes, spelled out and against Pillow."""

import numpy as np
import pytest
import torch
from PIL import Image

from depdis_training.grids import centre_sampled, sampled


def test_sampling_takes_the_pixels_that_an_align_corners_grid_stands_on() -> None:
    values = torch.arange(9 * 13).reshape(1, 9, 13)
    torch.testing.assert_close(sampled(values, (9, 13)), values)
    torch.testing.assert_close(sampled(values, (3, 4)), values[:, ::4, ::4])
    corners = sampled(values, (2, 2))[0]
    torch.testing.assert_close(corners, values[0, ::8, ::12])


def test_centre_sampling_takes_the_releases_columns() -> None:
    columns = torch.arange(1280).expand(1, 4, 1280)
    assert centre_sampled(columns, (1, 161))[0, 0, :4].tolist() == [3, 11, 19, 27]
    assert sampled(columns, (1, 161))[0, 0, :4].tolist() == [0, 8, 16, 24]


@pytest.mark.parametrize(("size", "grid"), [((760, 1280), (96, 161)), ((320, 640), (41, 81))])
def test_centre_sampling_is_that_of_a_nearest_resize(size: tuple[int, int], grid: tuple[int, int]) -> None:
    values = np.arange(size[0] * size[1], dtype=np.int32).reshape(size)
    expected = np.asarray(Image.fromarray(values).resize(grid[::-1], Image.Resampling.NEAREST))
    found = centre_sampled(torch.from_numpy(values)[None], grid)[0].numpy()
    np.testing.assert_array_equal(found, expected)
