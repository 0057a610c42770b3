"""The whole step: against a plain implementation, who receives gradient, accumulation, no halt of the host."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from lightning_fabric.accelerators import CPUAccelerator
from lightning_fabric.strategies import SingleDeviceStrategy
from made_method import made
from torch import Tensor, nn

from depdis_training.adaptation import AdaptationLearner, Pair
from depdis_training.average import Average
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.discriminator import DiscriminatorConfig
from depdis_training.loading import Batch
from depdis_training.methods import METHODS, VARIANTS, Method, Outputs, Step
from depdis_training.mixing import Pasted
from depdis_training.network import Features, Network, NetworkOutput, build_network
from depdis_training.optimizers import OptimizerConfig

PAPER = OptimizerConfig(
    kind="sgd", backbone_rate=2.5e-4, head_rate=2.5e-4, weight_decay=5e-4, warm_up=0, clip_norm=None
)
JUDGES = DiscriminatorConfig(rate=1e-3, scale="input", layers=5)  # the paper's
FIRST = Step(0, 10)
RELEASE = {"source_density": "release", "unknown_depth": "zero_distance"}
EVERYTHING = [("depdis", variant) for variant in VARIANTS]
EVERYTHING += [(name, None) for name in METHODS if name != "depdis"]


@pytest.fixture(scope="module")
def published() -> DepthDistribution:
    return DepthDistribution.published("synthia-cityscapes-16")


def a_batch(height: int = 64, width: int = 64, size: int = 1, seed: int = 0, classes: int = 16) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    blocks = torch.randint(0, classes, (size, 4, 4), generator=generator)
    labels = blocks.repeat_interleave(height // 4, 1).repeat_interleave(width // 4, 2)
    images = torch.randn(size, 3, height, width, generator=generator) * 40 + labels[:, None] * 5 - 40
    z = 65536 / (torch.randint(0, 65536, (size, height, width), generator=generator) / (1 + labels) + 1)
    return Batch(images, labels.byte(), z)


def a_learner(network: Network, method: Method, **changes: Any) -> AdaptationLearner:
    settings: dict[str, Any] = {
        "optimizer": PAPER,
        "discriminator": JUDGES.model_copy(update={"layers": 3}),
        "steps": 10**9,
        "average": 0.0,
    }
    fabric = changes.pop("fabric", None) or Fabric(accelerator="cpu", devices=1)
    return AdaptationLearner(fabric, network, method, **{**settings, **changes})


class Tiny(Network):
    """Four convolutions behind the seam that every network has."""

    middle_channels = 8

    def __init__(self, branches: Iterable[str], fusion: bool) -> None:
        super().__init__(16, "tiny", branches, fusion)
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 7, 4, 3), nn.BatchNorm2d(8), nn.ReLU())
        self.last = nn.Sequential(nn.Conv2d(8, 8, 3, 2, 1), nn.ReLU())
        self.maps = nn.ModuleDict({name: nn.Conv2d(8, 1, 1) for name in self.branches})
        self.classifier = nn.Conv2d(8, 16, 1)

    def features(self, images: Tensor) -> Features:
        middle = self.stem(images / 60)
        return Features(middle, self.last(middle))

    def heads(self, features: Features) -> NetworkOutput:
        maps = {name: head(features.last) for name, head in self.maps.items()}
        x = features.last * maps["depth"].relu() if self.fusion else features.last
        return NetworkOutput(self.classifier(x), maps.get("density"), maps.get("depth"))

    def grid(self, height: int, width: int) -> tuple[int, int]:
        return -(-height // 8), -(-width // 8)

    def is_head(self, parameter_name: str) -> bool:
        return parameter_name.startswith(("maps", "classifier"))


def small(method: Method) -> Network:
    torch.manual_seed(0)
    return Tiny(method.branches, method.fusion)


# --- the whole step, a second time ---


def plain_network(w: Mapping[str, Tensor], x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The paper's network in training mode over a released state dict: segmentation, density, depth."""

    def conv_norm(x: Tensor, conv: str, norm: str, stride: int = 1, dilation: int = 0) -> Tensor:
        x = F.conv2d(x, w[conv + ".weight"], None, stride, dilation, max(dilation, 1))
        return F.batch_norm(x, None, None, w[norm + ".weight"], w[norm + ".bias"], training=True)

    x = F.conv2d(x, w["conv1.weight"], None, 2, 3)
    x = F.relu(F.batch_norm(x, None, None, w["bn1.weight"], w["bn1.bias"], training=True))
    x = F.max_pool2d(x, 3, 2, 1, ceil_mode=True)
    for stage, blocks, stride, dilation in ((1, 3, 1, 1), (2, 4, 2, 1), (3, 23, 1, 2), (4, 3, 1, 4)):
        for block in range(blocks):
            name, s = f"layer{stage}.{block}", stride if block == 0 else 1
            y = F.relu(conv_norm(x, f"{name}.conv1", f"{name}.bn1", s))
            y = F.relu(conv_norm(y, f"{name}.conv2", f"{name}.bn2", 1, dilation))
            y = conv_norm(y, f"{name}.conv3", f"{name}.bn3")
            x = conv_norm(x, f"{name}.downsample.0", f"{name}.downsample.1", s) if block == 0 else x
            x = F.relu(x + y)

    def conv(x: Tensor, name: str, padding: int = 0) -> Tensor:
        return F.conv2d(x, w[name + ".weight"], w[name + ".bias"], 1, padding, max(padding, 1))

    def branch(name: str) -> Tensor:
        y = F.relu(conv(F.relu(conv(x, f"{name}_1")), f"{name}_2", 1))
        return conv(y, f"{name}_3").mean(1, keepdim=True)

    parts = [conv(x, f"layer6.conv2d_list.{index}", 6 * (index + 1)) for index in range(4)]
    return torch.stack(parts).sum(0), branch("enc4"), branch("enc5")


def plain_discriminator(w: Mapping[str, Tensor], x: Tensor, domain: float) -> Tensor:
    for layer in range(5):
        x = F.conv2d(x, w[f"main.layers.{layer}.weight"], w[f"main.layers.{layer}.bias"], 2, 1)
        x = F.leaky_relu(x, 0.2) if layer < 4 else x
    return (F.softplus(x) - domain * x).mean()


def plain_density(of: DepthDistribution, labels: Tensor, z: Tensor, keep_all: bool) -> Tensor:
    weights, means, variances = (
        torch.from_numpy(values)[labels] for values in (of.weights, of.means, of.variances)
    )  # (B, h, w, K), (B, h, w, K, 3) twice
    assert of.grid is not None
    axes = [torch.linspace(0, own - 1, cells) for own, cells in zip(of.grid, labels.shape[1:], strict=True)]
    rows, columns = torch.meshgrid(*axes, indexing="ij")
    points = torch.stack((columns.expand_as(z), rows.expand_as(z), z), -1).double()[..., None, :]
    exponents = -0.5 * ((points - means).square() / variances).sum(-1)
    p = (weights * exponents.exp() / (2 * torch.pi * variances).prod(-1).sqrt()).sum(-1)
    found = 255 * (1 - (-1e6 * p).exp())
    return found.float() if keep_all else torch.where(z > 0, found, 0).float()


def plain_berhu(prediction: Tensor, target: Tensor) -> Tensor:
    error = (prediction - target).abs()
    limit = 0.2 * error.max().item()
    return torch.where(error <= limit, error, (error**2 + limit**2) / (2 * limit)).mean()


def plain_step(
    network: dict[str, Tensor], judge: dict[str, Tensor], pair: Pair, of: DepthDistribution, weights: Tensor
) -> dict[str, float]:
    """The release's iteration up to its optimizers: the losses; gradients are left in the tensors."""
    assert pair.target is not None
    size = pair.source.labels.shape[1:]

    def large(maps: Tensor) -> Tensor:
        return F.interpolate(maps, size, mode="bilinear", align_corners=True)

    def seen(segmentation: Tensor, density: Tensor) -> Tensor:
        p = large(segmentation).softmax(1)
        return -p * torch.log2(p + 1e-30) / 4 * large(density)  # log2 of 16 classes

    losses = {}
    segmentation, density, depth = plain_network(network, pair.source.images)
    grid = segmentation.shape[2:]
    centres = [((torch.arange(n) + 0.5) * length / n).long() for n, length in zip(grid, size, strict=True)]
    take = (slice(None), centres[0][:, None], centres[1])
    guess, truth = segmentation.argmax(1), pair.source.labels[take]
    z = torch.where(guess == truth, pair.source.inverse_depth[take], 0.0)
    losses["segmentation"] = F.cross_entropy(large(segmentation), pair.source.labels.long(), weights)
    losses["depth"] = plain_berhu(large(depth)[:, 0], pair.source.inverse_depth)
    losses["balance_source"] = plain_berhu(density[:, 0], plain_density(of, guess, z, keep_all=True))
    (losses["segmentation"] + 0.005 * losses["depth"] + 0.01 * losses["balance_source"]).backward()
    map_source = seen(segmentation, density).detach()

    segmentation, density, depth = plain_network(network, pair.target.images)
    built = plain_density(of, segmentation.argmax(1), depth[:, 0].detach(), keep_all=False)
    losses["balance_target"] = plain_berhu(density[:, 0], built)
    map_target = seen(segmentation, density)
    losses["adversarial"] = plain_discriminator({k: v.detach() for k, v in judge.items()}, map_target, 0.0)
    (0.05 * losses["balance_target"] + 0.05 * losses["adversarial"]).backward()

    losses["discriminator"] = plain_discriminator(judge, map_source, 0.0)
    losses["discriminator"] = losses["discriminator"] + plain_discriminator(judge, map_target.detach(), 1.0)
    losses["discriminator"].backward()
    return {name: loss.item() for name, loss in losses.items()}


def test_a_step_in_release_mode_equals_a_plain_implementation(published: DepthDistribution) -> None:
    torch.manual_seed(0)
    start = build_network(16)
    weights = torch.linspace(0.5, 3, 16)
    method = made("depdis", "M4", distribution=published, class_weights=weights, **RELEASE)
    step, pair = 30_000, Pair(a_batch(seed=1), a_batch(seed=2))
    learner = a_learner(
        copy.deepcopy(start), method, steps=90_000,
        discriminator=JUDGES,
    )  # fmt: skip
    before = {name: value.clone() for name, value in learner.discriminators.state_dict().items()}
    found = learner.update(step, [pair])

    named = dict(start.named_parameters())
    plain = {name: value.detach().clone().requires_grad_(value.requires_grad) for name, value in named.items()}
    judge = {name: value.clone().requires_grad_() for name, value in before.items()}
    expected = plain_step(plain, judge, pair, published, weights)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5), name

    rate = 2.5e-4 * (1 - step / 90_000) ** 0.9
    for name, parameter in learner.network.named_parameters():
        wanted = plain[name].detach()
        if plain[name].grad is not None:
            wanted = wanted - rate * (plain[name].grad + 5e-4 * wanted)
        assert (parameter.detach() - wanted).abs().max() <= 1e-6, name
    assert learner.discriminator_optimizer is not None
    moments = learner.discriminator_optimizer.state
    for name, parameter in learner.discriminators.named_parameters():
        gradient = judge[name].grad
        torch.testing.assert_close(
            moments[parameter]["exp_avg"], 0.1 * gradient, rtol=1e-3, atol=1e-4 * float(gradient.abs().max())
        )
        moved = (parameter.detach() - before[name]).abs().max()
        assert 0 < moved <= 1.001e-3 * (1 - step / 90_000) ** 0.9  # Adam's first step is its rate


# --- who receives gradient ---


def part_of(name: str) -> str:
    heads = {"layer6": "segmentation", "enc4": "density", "enc5": "depth"}
    return next((part for prefix, part in heads.items() if name.startswith(prefix)), "backbone")


def test_each_loss_reaches_exactly_what_the_paper_says(published: DepthDistribution) -> None:
    torch.manual_seed(0)
    network = build_network(16).train()
    method = made("depdis", "M2", distribution=published, **RELEASE)
    discriminator = a_learner(
        network, method, discriminator=JUDGES.model_copy(update={"layers": 4})
    ).discriminators
    batch = a_batch(36, 36)

    def outputs() -> Outputs:
        return Outputs(*network(batch.images), {})

    on_target = outputs()
    losses = method.source_losses(outputs(), batch, FIRST) | method.target_losses(on_target, (36, 36), FIRST)
    seen = method.discriminator_inputs(on_target, (36, 36))["main"]
    losses["adversarial"] = F.softplus(discriminator["main"](seen)).mean()
    named = {name: value for name, value in network.named_parameters() if value.requires_grad}
    reached = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(named.values()), allow_unused=True, retain_graph=True)
        pairs = zip(named, gradients, strict=True)
        reached[name] = {part_of(key) for key, gradient in pairs if gradient is not None}
        for key, gradient in zip(named, gradients, strict=True):
            assert gradient is None or gradient.abs().max() > 0, (name, key)
            assert (gradient is not None) == (part_of(key) in reached[name]), (name, key)
    assert reached == {
        "segmentation": {"backbone", "segmentation"},
        "depth": {"backbone", "depth"},
        "balance_source": {"backbone", "density"},
        "balance_target": {"backbone", "density"},
        "adversarial": {"backbone", "segmentation", "density"},
    }


def test_frozen_parameters_are_no_optimizers_and_the_paper_has_one_rate(published: DepthDistribution) -> None:
    method = made("depdis", "M4", distribution=published, **RELEASE)
    with torch.device("meta"):
        network = build_network(16)
    learner = a_learner(network, method, fabric=on_meta())
    (group,) = learner.optimizer.param_groups
    trained = {id(parameter) for parameter in group["params"]}
    frozen = [name for name, value in network.named_parameters() if id(value) not in trained]
    for name in frozen:
        assert ".bn" in name or "downsample.1" in name or name.startswith(("bn1", "dec4", "enc4_4"))
    assert len(frozen) == 2 * 104 + 4
    assert (group["momentum"], group["weight_decay"]) == (0.9, 5e-4)


def test_the_discriminators_step_never_reaches_the_network(published: DepthDistribution) -> None:
    nothing = dict.fromkeys(("segmentation", "depth", "balance_source", "balance_target", "adversarial"), 0.0)
    method = made("depdis", "M2", distribution=published, **RELEASE, **nothing)
    learner = a_learner(small(method), method)
    learner.update(0, [Pair(a_batch(), a_batch(seed=1))])
    gradients = [value.grad for value in learner.network.parameters() if value.grad is not None]
    assert max(float(gradient.abs().max()) for gradient in gradients) == 0
    for parameter in learner.discriminators.parameters():
        assert parameter.requires_grad
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 0


# --- accumulation, heads, averages, resuming ---


@pytest.mark.parametrize(("name", "variant"), [("depdis", "M4"), ("advent", None)])
def test_accumulated_pairs_count_alike(published: DepthDistribution, name: str, variant: str | None) -> None:
    """A step of plain descent is linear in the gradient: over two pairs it ends midway of those over each."""
    method = made(name, variant, distribution=published, depth_loss="relative")
    pairs = [Pair(a_batch(seed=seed), a_batch(seed=seed + 10)) for seed in (1, 2)]
    settings = PAPER.model_copy(update={"momentum": 0.0})

    def after(of: list[Pair]) -> tuple[dict[str, Tensor], dict[str, Tensor], dict[str, Tensor]]:
        network = small(method)
        torch.manual_seed(1)
        learner = a_learner(network, method, optimizer=settings)
        losses = learner.update(0, of)
        gradients = {key: value.grad for key, value in learner.discriminators.named_parameters()}
        parameters = {key: value.detach() for key, value in network.named_parameters()}
        return losses, parameters, {key: value for key, value in gradients.items() if value is not None}

    both, first, second = after(pairs), after(pairs[:1]), after(pairs[1:])
    for mine, one, other in zip(both, first, second, strict=True):
        assert mine.keys() == one.keys()
        for key, value in mine.items():
            torch.testing.assert_close(value, (one[key] + other[key]) / 2, rtol=1e-4, atol=1e-6)


def test_a_second_level_learns_at_the_heads_rate() -> None:
    method = made("advent")
    network = small(method)
    optimizer = PAPER.model_copy(update={"head_rate": 2.5e-3, "power": 1.0})
    learner = a_learner(network, method, optimizer=optimizer, steps=2)
    heads = [value.clone() for value in learner.heads.parameters()]
    learner.update(1, [Pair(a_batch(), a_batch(seed=1))])
    assert [group["lr"] for group in learner.optimizer.param_groups] == [1.25e-4, 1.25e-3]
    assert learner.rate() == 1.25e-4
    for before, after in zip(heads, learner.heads.parameters(), strict=True):
        assert not torch.equal(before, after)
    assert not any("auxiliary" in name for name in learner.result().state_dict())


def test_adamw_spares_norms_and_biases(published: DepthDistribution) -> None:
    method = made("depdis", "M2", distribution=published)
    settings = OptimizerConfig(kind="adamw", backbone_rate=1e-3, head_rate=3e-3, weight_decay=0.01)
    groups = a_learner(small(method), method, optimizer=settings).optimizer.param_groups
    found = {(group["rate"], group["weight_decay"]): group["params"] for group in groups}
    assert found.keys() == {(1e-3, 0.01), (1e-3, 0.0), (3e-3, 0.01), (3e-3, 0.0)}
    for (_, decay), parameters in found.items():
        assert all((parameter.ndim > 1) == (decay > 0) for parameter in parameters)


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_a_learner_goes_on_from_its_state_bitwise(published: DepthDistribution, kind: Any) -> None:
    method = made("advent")
    settings = PAPER.model_copy(update={"kind": kind, "clip_norm": 5.0})
    pairs = [[Pair(a_batch(seed=seed), a_batch(seed=seed + 10))] for seed in range(2)]
    whole = a_learner(small(method), method, optimizer=settings, average=0.9)
    whole.update(0, pairs[0])
    state, weights = copy.deepcopy((whole.state(), whole.network.state_dict()))
    torch.manual_seed(5)  # heads and discriminators start otherwise
    resumed = a_learner(small(method), method, optimizer=settings, average=0.9)
    resumed.network.load_state_dict(weights)
    resumed.load_state(state)
    losses = [learner.update(1, pairs[1]) for learner in (whole, resumed)]
    assert losses[0] == losses[1]
    for one, other in zip(
        (whole.network, whole.heads, whole.discriminators, whole.result()),
        (resumed.network, resumed.heads, resumed.discriminators, resumed.result()),
        strict=True,
    ):
        for mine, theirs in zip(one.state_dict().values(), other.state_dict().values(), strict=True):
            assert torch.equal(mine, theirs)


@pytest.mark.parametrize("frozen", [False, True])
def test_statistics_may_be_kept(published: DepthDistribution, frozen: bool) -> None:
    method = made("depdis", "source_only")
    learner = a_learner(small(method), method, frozen_statistics=frozen)
    before = {key: value.clone() for key, value in learner.network.state_dict().items() if "running" in key}
    learner.update(0, [Pair(a_batch())])
    kept = [torch.equal(value, learner.network.state_dict()[key]) for key, value in before.items()]
    assert all(kept) if frozen else not any(kept)


def test_a_method_that_adapts_needs_the_target(published: DepthDistribution) -> None:
    method = made("depdis", "M2", distribution=published)
    with pytest.raises(ValueError, match="the pair has none"):
        a_learner(small(method), method).update(0, [Pair(a_batch())])


@pytest.mark.parametrize("start", [0, 3])
def test_an_average_of_1_is_the_mean_over_all_steps_and_the_start_as_often_as_asked(start: int) -> None:
    network = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    begun = network[0].bias.detach().clone()
    average = Average(network, 1.0, start)  # type: ignore[arg-type]
    values = torch.rand(7, 2, generator=torch.Generator().manual_seed(0))
    for step, value in enumerate(values):
        with torch.no_grad():
            network[0].bias.copy_(value)
            network[1].running_mean.copy_(-value)
            network[1].num_batches_tracked.fill_(step)
        average.update(network, step)  # type: ignore[arg-type]
    torch.testing.assert_close(average.network[0].bias, (values.sum(0) + start * begun) / (7 + start))
    torch.testing.assert_close(average.network[1].running_mean, -values.sum(0) / (7 + start))
    assert average.network[1].num_batches_tracked == 6


def test_a_teacher_labels_what_the_average_is_sure_of_and_things_come_over_it() -> None:
    method = made("depdis", "source_only")
    thresholds = torch.linspace(0.06, 0.09, 16)
    shown, things = a_batch(seed=1, size=2), a_batch(seed=2, size=2)
    shown.labels[:, :8] = 255  # outside of the picture
    mask = torch.zeros_like(shown.labels, dtype=torch.bool)
    mask[1, 4:30, :20] = True
    learner = a_learner(small(method), method, average=0.9, teacher=thresholds)
    learner.update(0, [Pair(a_batch())])  # so that the average is not the network
    average = copy.deepcopy(learner.result())
    logits = F.interpolate(average(shown.images).segmentation, (64, 64), mode="bilinear", align_corners=True)
    probability, labels = logits.softmax(1).max(1)
    expected = torch.where(probability >= thresholds[labels], labels, 255)
    assert 0.1 < (expected == 255).float().mean() < 0.9
    expected[:, :8] = 255
    expected = torch.where(mask, things.labels, expected)
    images = torch.where(mask[:, None], things.images, shown.images)

    same = a_learner(small(method), method, average=0.9)
    same.network.load_state_dict(learner.network.state_dict())
    same.load_state(learner.state())
    taught = learner.update(1, [Pair(shown, taught=True, pasted=Pasted(mask, things))])
    given = same.update(1, [Pair(Batch(images, expected.byte(), shown.inverse_depth))])
    assert taught["total"] == given["total"]
    with pytest.raises(ValueError, match="this learner has none"):
        same.update(2, [Pair(shown, taught=True)])
    with pytest.raises(ValueError, match="`average` above 0"):
        a_learner(small(method), method, teacher=thresholds)


# --- nothing that halts the host ---


def on_meta() -> Fabric:
    return Fabric(strategy=SingleDeviceStrategy(device="meta", accelerator=CPUAccelerator()))


@pytest.mark.parametrize(("name", "variant"), EVERYTHING)
def test_the_whole_step_runs_on_meta_tensors(
    published: DepthDistribution, name: str, variant: str | None
) -> None:
    """They have no values: any look at one, and any mixing of devices, raises an error."""
    weights = torch.ones(16)
    method = made(name, variant, distribution=published, class_weights=weights, source_density="release")
    with torch.device("meta"):
        network = small(method)
    settings = PAPER.model_copy(
        update={"head_rate": 2.5e-3, "clip_norm": 5.0, "kind": "adamw" if name == "dada" else "sgd"}
    )
    learner = a_learner(network, method, fabric=on_meta(), optimizer=settings, average=0.9)
    batch = a_batch(64, 96, size=2)
    losses = learner.update(0, [Pair(batch, batch)])
    assert losses["total"].device.type == "meta"
    assert losses.keys() >= method.weights(FIRST).keys()
    with pytest.raises(RuntimeError, match="meta"):
        losses["total"].item()


def test_the_papers_own_step_runs_on_meta_tensors(published: DepthDistribution) -> None:
    method = made("depdis", "M4", distribution=published, **RELEASE)
    with torch.device("meta"):
        learner = a_learner(build_network(16), method, fabric=on_meta(), discriminator=JUDGES)
    losses = learner.update(0, [Pair(a_batch(760, 1280), a_batch(760, 1280))])
    assert losses.keys() == {*method.weights(FIRST), "discriminator", "total"}
