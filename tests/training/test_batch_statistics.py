"""Re-estimated batch-norm statistics against the plain means of each batch's own."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from depdis_training.batch_statistics import reestimate
from depdis_training.branches import Network, NetworkOutput


class TwoNorms(Network):
    def __init__(self) -> None:
        super().__init__(2, "efficientnet_lite0", ())
        torch.manual_seed(0)
        self.first, self.second = nn.BatchNorm2d(3), nn.BatchNorm2d(2)
        self.mix = nn.Conv2d(3, 2, 1)
        self.dropout = nn.Dropout(0.5)

    def forward(self, images: Tensor) -> NetworkOutput:
        return NetworkOutput(self.second(self.dropout(self.mix(self.first(images)))), None, None)


def batches() -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(2, 3, 4, 5, generator=generator) * (1 + k) + 10 * k for k in range(3)]


def test_statistics_are_the_means_over_the_batches() -> None:
    network = TwoNorms().train()
    network.second.eval()  # as one that is frozen
    weights = {name: value.clone() for name, value in network.named_parameters()}
    reestimate(network, iter(batches()))
    inner = []
    for batch in batches():
        mean, var = batch.mean((0, 2, 3), keepdim=True), batch.var((0, 2, 3), correction=0, keepdim=True)
        inner.append(network.mix((batch - mean) / (var + 1e-5).sqrt()).detach())
    for norm, values in ((network.first, batches()), (network.second, inner)):
        means = np.mean([batch.mean((0, 2, 3)).numpy() for batch in values], axis=0)
        variances = np.mean([batch.var((0, 2, 3)).numpy() for batch in values], axis=0)
        np.testing.assert_allclose(norm.running_mean, means, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(norm.running_var, variances, rtol=1e-4)
        assert norm.momentum == 0.1
    assert network.training
    assert network.first.training
    assert not network.second.training
    assert all(torch.equal(weights[name], value) for name, value in network.named_parameters())


def test_no_pictures_leave_the_statistics_alone() -> None:
    network = TwoNorms().eval()
    network.first.running_mean.fill_(3.0)
    with pytest.raises(ValueError, match="no pictures"):
        reestimate(network, [])
    assert network.first.running_mean.tolist() == [3.0] * 3
    assert not network.training
