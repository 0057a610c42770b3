import pytest
import torch
from torch import nn

from depdis_training.depthwise import DepthwiseConv2d, quicken


@pytest.mark.parametrize(
    ("height", "width", "kernel", "stride"),
    [(17, 20, 3, 2), (16, 19, 5, 2), (9, 11, 5, 1), (12, 12, 3, 1), (13, 13, 7, 1), (12, 15, 7, 2)],
)
def test_gradients_equal_those_of_the_plain_convolution(height, width, kernel, stride):
    torch.manual_seed(0)
    plain = nn.Conv2d(6, 6, kernel, stride, kernel // 2, groups=6, bias=False).double()
    x = torch.randn(2, 6, height, width, dtype=torch.float64, requires_grad=True)
    y = plain(x)
    gradient = torch.randn_like(y)
    expected = torch.autograd.grad(y, (x, plain.weight), gradient)
    quicken(plain)
    assert isinstance(plain, DepthwiseConv2d)
    found = torch.autograd.grad(plain(x), (x, plain.weight), gradient)
    for mine, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(mine, theirs)


def test_only_depthwise_convolutions_change():
    network = nn.Sequential(nn.Conv2d(4, 8, 3, groups=4), nn.Conv2d(8, 8, 3, 1, 1, groups=8, bias=False))
    quicken(network)
    assert [type(module) for module in network] == [nn.Conv2d, DepthwiseConv2d]
