"""The discriminator against the paper's description."""

import pytest
import torch
import torch.nn.functional as F

from depdis_training.discriminator import Discriminator


def test_it_has_the_papers_parameters_and_strides() -> None:
    discriminator = Discriminator(16)
    assert sum(parameter.numel() for parameter in discriminator.parameters()) == 2_778_049
    assert discriminator(torch.zeros(1, 16, 64, 96)).shape == (1, 1, 2, 3)


def test_it_equals_a_plain_implementation() -> None:
    torch.manual_seed(0)
    discriminator = Discriminator(3)
    x = torch.randn(2, 3, 64, 64)
    weights = list(discriminator.parameters())
    plain = x
    for index in range(5):
        plain = F.conv2d(plain, weights[2 * index], weights[2 * index + 1], stride=2, padding=1)
        if index < 4:
            plain = torch.where(plain > 0, plain, 0.2 * plain)
    torch.testing.assert_close(discriminator(x), plain)


def test_fewer_layers_for_smaller_maps() -> None:
    assert Discriminator(16, layers=4)(torch.zeros(1, 16, 16, 20)).shape == (1, 1, 1, 1)
    with pytest.raises(ValueError, match="at least 32 x 32, got 20 x 16"):
        Discriminator(16)(torch.zeros(1, 16, 16, 20))
    with pytest.raises(ValueError, match="2 to 5 layers, got 6"):
        Discriminator(16, layers=6)
