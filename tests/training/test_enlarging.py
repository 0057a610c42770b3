"""A matrix product for the rows beside torch's own up-sampling, and which an exported graph holds."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from depdis_training.enlarging import by_product, enlarged

SIZES = [((3, 5), (12, 20)), ((41, 81), (320, 640)), ((40, 80), (160, 320)), ((1, 1), (4, 6)), ((4, 6), (1, 1))]


@pytest.mark.parametrize(("small", "large"), SIZES)
def test_the_product_is_the_bilinear_one(small: tuple[int, int], large: tuple[int, int]) -> None:
    maps = torch.randn(2, 3, *small, generator=torch.Generator().manual_seed(0))
    expected = functional.interpolate(maps, size=large, mode="bilinear", align_corners=True)
    torch.testing.assert_close(by_product(maps, large), expected, rtol=1e-4, atol=2e-5)
    assert torch.equal(enlarged(maps, large), expected)


def test_an_exported_graph_holds_the_product() -> None:
    class Twice(nn.Module):
        def forward(self, maps: Tensor) -> Tensor:
            return enlarged(maps, (2 * maps.shape[2], 2 * maps.shape[3]))

    maps = torch.randn(1, 2, 4, 6, generator=torch.Generator().manual_seed(0))
    rows, columns = torch.export.Dim("rows", min=2, max=64), torch.export.Dim("columns", min=2, max=64)
    program = torch.export.export(Twice(), (maps,), dynamic_shapes=({2: rows, 3: columns},))
    called = {str(node.target) for node in program.graph.nodes}
    assert any("matmul" in name for name in called)
    other = torch.randn(1, 2, 9, 5, generator=torch.Generator().manual_seed(1))
    expected = functional.interpolate(other, size=(18, 10), mode="bilinear", align_corners=True)
    torch.testing.assert_close(program.module()(other), expected, rtol=1e-4, atol=2e-5)
