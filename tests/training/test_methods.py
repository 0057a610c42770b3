"""Every method's losses and discriminator inputs against their formulas, every variant against the table."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import plain_losses as plain
import pytest
import torch
from made_method import made
from numpy.typing import NDArray
from tiny_run import tiny_config

from depdis_training.config import build_config, load_config
from depdis_training.depth_distribution import DepthDistribution
from depdis_training.loading import Batch
from depdis_training.methods import METHODS, VARIANTS, Outputs, Step, method_config
from depdis_training.network import build_network
from depdis_training.pipeline import train
from depdis_training.run_log import read_log

CLASSES, GRID, SIZE = 5, (4, 6), (25, 41)
SCALE = 2e3
STEP = Step(3, 10)
WEIGHTS = np.array([0.5, 1.0, 2.0, 4.0, 1.5])
# Cells stand on every 8th pixel, or on the pixel in their middle.
ON_CELLS = np.ix_(range(2), (0, 8, 16, 24), (0, 8, 16, 24, 32, 40))
IN_CENTRES = np.ix_(range(2), (3, 9, 15, 21), (3, 10, 17, 23, 30, 37))
Map = NDArray[np.float64]


class Scene:
    """Fixed maps of a network, truth, and mixtures."""

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        shape = (2, CLASSES, *GRID)
        self.logits = rng.normal(0, 2, shape)
        self.auxiliary = rng.normal(0, 2, shape)
        self.density = rng.uniform(-20, 270, (2, 1, *GRID))
        self.depth = rng.uniform(-5, 60, (2, 1, *GRID))
        self.labels = rng.integers(0, CLASSES, (2, *SIZE))
        self.labels[:, :9, :9] = 255
        self.z = rng.uniform(1, 60, (2, *SIZE))
        means = rng.uniform((0, 0, 0), (5, 3, 60), (CLASSES, 2, 3))
        variances = rng.uniform(0.5, 1.5, (CLASSES, 2, 3)) * (16, 16, 900)
        self.mixtures = np.full((CLASSES, 2), 0.5), means, variances
        self.distribution = DepthDistribution(*self.mixtures, scale=SCALE)
        self.predicted = self.logits.argmax(1)

    def outputs(self) -> Outputs:
        logits, auxiliary, density, depth = (
            torch.from_numpy(values).float()
            for values in (self.logits, self.auxiliary, self.density, self.depth)
        )
        return Outputs(logits, density, depth, {"auxiliary": auxiliary})

    def batch(self) -> Batch:
        images = torch.zeros(2, 3, *SIZE)
        return Batch(images, torch.from_numpy(self.labels).byte(), torch.from_numpy(self.z).float())

    def method(self, name: str, variant: str | None, **changes: Any) -> Any:
        weights = torch.from_numpy(WEIGHTS).float()
        return made(name, variant, CLASSES, self.distribution, weights, **changes)

    def map_of(self, labels: NDArray[np.int64], z: Map, keep_all: bool = False) -> Map:
        return plain.density(self.mixtures, SCALE, labels, z, keep_all)

    @property
    def information(self) -> Map:
        return plain.self_information(self.logits, SIZE)


@pytest.fixture(scope="module")
def scene() -> Scene:
    return Scene()


def check(found: dict[str, torch.Tensor], expected: dict[str, float]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(value, rel=1e-5, abs=1e-6), name


# The ablation table: what the source's density map is made of (classes, depth), whether the target has one,
# and what the discriminator sees, F(P) being self-information, D density and Z depth.
TABLE: dict[str, tuple[tuple[str, str] | None, bool, str | None]] = {
    "source_branches": (("true", "true"), False, None),
    "M1": (None, False, "F"),
    "M2": (("predicted", "true"), True, "F*D"),
    "M3": (("predicted", "true"), True, "F*D"),
    "M4": (("predicted", "true"), True, "F*D"),
    "S1": (("true", "true"), False, "F*D"),
    "S2": (("predicted", "predicted"), True, "F*D"),
    "S3": (("predicted", "true"), True, "F*D*Z"),
    "S4": (("predicted", "true"), True, "F*Z"),
    "S5": (("predicted", "true"), True, "F*D"),
    "D-seg": (("predicted", "true"), True, "F"),
    "D-density": (("predicted", "true"), True, "D"),
    "D-depth-seg": (("predicted", "true"), True, "F,Z"),
    "weights-0.1": (("predicted", "true"), True, "F*D"),
    "weights-0.01": (("predicted", "true"), True, "F*D"),
    "weights-0.001": (("predicted", "true"), True, "F*D"),
    "source_only": (None, False, None),
}
SELF_TRAINING = {"M3": "confidence", "M4": "spatial_prior"}


def test_the_table_is_of_all_variants() -> None:
    assert TABLE.keys() == VARIANTS.keys()
    assert {name: made("depdis", name).self_training for name in TABLE} == {
        name: SELF_TRAINING.get(name, "none") for name in TABLE
    }


@pytest.mark.parametrize("name", TABLE)
def test_a_variant_changes_exactly_what_the_table_says(scene: Scene, name: str) -> None:
    source_map, target_map, seen = TABLE[name]
    method = scene.method("depdis", name)
    full = plain.upsample(scene.logits, SIZE)
    source = {"segmentation": plain.cross_entropy(full, scene.labels, WEIGHTS)}
    weights, scale = {"segmentation": 1.0}, float(name[8:]) / 0.01 if name.startswith("weights") else 1.0
    branches = set()
    if name != "source_only":
        source["depth"] = plain.berhu(plain.upsample(scene.depth, SIZE)[:, 0], scene.z)
        weights["depth"] = 0.005 * scale
        branches.add("depth")
    if source_map is not None:
        labels = scene.labels[ON_CELLS] if source_map[0] == "true" else scene.predicted
        z = scene.z[ON_CELLS] if source_map[1] == "true" else scene.depth[:, 0]
        source["balance_source"] = plain.berhu(scene.density[:, 0], scene.map_of(labels, z))
        weights["balance_source"] = 0.01 * scale
        branches.add("density")
    target = {}
    if target_map:
        expected = scene.map_of(scene.predicted, scene.depth[:, 0])
        target["balance_target"] = plain.berhu(scene.density[:, 0], expected)
        weights["balance_target"] = 0.05 * scale
    if seen is not None:
        weights["adversarial"] = 0.05
    check(method.source_losses(scene.outputs(), scene.batch(), STEP), source)
    check(method.target_losses(scene.outputs(), SIZE, STEP), target)
    assert dict(method.weights(STEP)) == pytest.approx(weights)
    assert set(method.branches) == branches
    assert method.uses_target == (target_map or seen is not None)
    inputs = method.discriminator_inputs(scene.outputs(), SIZE)
    if seen is None:
        assert not inputs
        assert not method.discriminators
    else:
        maps = {"F": scene.information, "D": plain.upsample(scene.density, SIZE)}
        maps["Z"] = plain.upsample(scene.depth, SIZE)
        parts = [math.prod([maps[letter] for letter in part.split("*")]) for part in seen.split(",")]
        wanted = np.concatenate(parts, axis=1)
        assert method.discriminators == {"main": wanted.shape[1]}
        np.testing.assert_allclose(inputs["main"], wanted, rtol=1e-4, atol=1e-4)


def test_the_release_looks_wrong_pixels_up_at_inverse_depth_zero(scene: Scene) -> None:
    truth, z = scene.labels[IN_CENTRES], scene.z[IN_CENTRES]
    wrong = scene.predicted != truth
    assert 0 < wrong.mean() < 1
    release = scene.map_of(scene.predicted, np.where(wrong, 0, z), keep_all=True)
    assert release[wrong].max() > 10
    losses = scene.method("depdis", "M2", source_density="release").source_losses(
        scene.outputs(), scene.batch(), STEP
    )
    assert losses["balance_source"].item() == pytest.approx(plain.berhu(scene.density[:, 0], release), rel=1e-5)


def test_the_balance_may_be_towards_what_the_prediction_expects(scene: Scene) -> None:
    method = scene.method("depdis", "M2", density_target="expected", density_loss="absolute")
    shares = plain.softmax(scene.logits)

    def expected(z: Map) -> Map:
        maps = [scene.map_of(np.full(z.shape, index), z) for index in range(CLASSES)]
        return np.sum([shares[:, index] * one for index, one in enumerate(maps)], axis=0)

    outputs = scene.outputs()
    for tensor in outputs[:3]:
        tensor.requires_grad_()
    z = scene.z[ON_CELLS]
    losses = method.source_losses(outputs, scene.batch(), STEP) | method.target_losses(outputs, SIZE, STEP)
    wanted = np.abs(scene.density[:, 0] - expected(z)) / 255
    assert losses["balance_source"].item() == pytest.approx(wanted[z > 0].mean(), rel=1e-4)
    wanted = np.abs(scene.density[:, 0] - expected(scene.depth[:, 0])) / 255
    assert losses["balance_target"].item() == pytest.approx(wanted.mean(), rel=1e-4)
    reached = {
        name: [
            gradient is not None
            for gradient in torch.autograd.grad(losses[name], outputs[:3], allow_unused=True, retain_graph=True)
        ]
        for name in ("balance_source", "balance_target")
    }
    # segmentation, density, depth
    assert reached == {"balance_source": [True, True, False], "balance_target": [True, True, True]}
    # S1's map is made of true classes, of which nothing is to be expected
    found = scene.method("depdis", "S1", density_target="expected").source_losses(outputs, scene.batch(), STEP)
    wanted = plain.berhu(scene.density[:, 0], scene.map_of(scene.labels[ON_CELLS], z))
    assert found["balance_source"].item() == pytest.approx(wanted, rel=1e-5)


def test_unknown_depth_is_left_out_or_taken_for_no_distance(scene: Scene) -> None:
    batch = scene.batch()
    unknown = torch.zeros(2, *SIZE, dtype=torch.bool)
    unknown[:, 5:20, 10:30] = True
    batch = Batch(batch.images, batch.labels, batch.inverse_depth.masked_fill(unknown, 0))
    prediction = plain.upsample(scene.depth, SIZE)[:, 0]
    known = ~unknown.numpy()
    left_out = scene.method("depdis", "M2").source_losses(scene.outputs(), batch, STEP)
    assert float(left_out["depth"]) == pytest.approx(plain.berhu(prediction[known], scene.z[known]), rel=1e-5)
    there = known[ON_CELLS]
    density = scene.map_of(scene.predicted, scene.z[ON_CELLS])
    assert float(left_out["balance_source"]) == pytest.approx(
        plain.berhu(scene.density[:, 0][there], density[there]), rel=1e-5
    )
    zero = scene.method("depdis", "M2", unknown_depth="zero_distance").source_losses(
        scene.outputs(), batch, STEP
    )
    expected = plain.berhu(prediction, np.where(known, scene.z, 65536))
    assert float(zero["depth"]) == pytest.approx(expected, rel=1e-5)


def test_the_small_networks_forms_of_the_losses(scene: Scene) -> None:
    method = scene.method("depdis", "S1", depth_loss="relative", density_loss="absolute", stride=8)
    batch = replace(scene.batch(), inverse_depth=scene.batch().inverse_depth.masked_fill(
        torch.rand(2, *SIZE, generator=torch.Generator().manual_seed(0)) < 0.3, 0
    ))  # fmt: skip
    outputs = scene.outputs()._replace(depth=scene.outputs().depth.abs() + 1)
    losses = method.source_losses(outputs, batch, STEP)
    labels, z = scene.labels[ON_CELLS], batch.inverse_depth.numpy().astype(float)[ON_CELLS]
    assert float(losses["segmentation"]) == pytest.approx(
        plain.cross_entropy(scene.logits, labels, WEIGHTS), rel=1e-5
    )
    known = (z > 0) & (labels != 255)
    error = np.abs(scene.density[:, 0] - scene.map_of(labels, z)) / 255
    assert losses["balance_source"].item() == pytest.approx(error[known].mean(), rel=1e-5)
    e = np.log(z[z > 0]) - np.log(outputs.depth[:, 0].numpy()[z > 0])
    too_far = np.where(e < 1, np.expm1(np.clip(e, 0, 1)), np.e - 1 + np.e * (e - 1))
    assert float(losses["depth"]) == pytest.approx(np.where(e > 0, too_far, -e).mean(), rel=1e-5)


def test_advent_is_its_formulas(scene: Scene) -> None:
    method = scene.method("advent", None)
    check(
        method.source_losses(scene.outputs(), scene.batch(), STEP),
        {
            "segmentation": plain.cross_entropy(plain.upsample(scene.logits, SIZE), scene.labels, WEIGHTS),
            "segmentation_auxiliary": plain.cross_entropy(
                plain.upsample(scene.auxiliary, SIZE), scene.labels, WEIGHTS
            ),
        },
    )
    assert method.target_losses(scene.outputs(), SIZE, STEP) == {}
    inputs = method.discriminator_inputs(scene.outputs(), SIZE)
    np.testing.assert_allclose(inputs["main"], scene.information, atol=1e-6)
    wanted = plain.self_information(scene.auxiliary, SIZE)
    np.testing.assert_allclose(inputs["auxiliary"], wanted, atol=1e-6)
    assert dict(method.weights(STEP)) == {
        "segmentation": 1.0, "segmentation_auxiliary": 0.1, "adversarial": 0.001,
        "adversarial_auxiliary": 0.0002,
    }  # fmt: skip
    assert method.discriminators == {"main": CLASSES, "auxiliary": CLASSES}


def test_minent_is_its_formulas(scene: Scene) -> None:
    method = scene.method("minent", None)
    assert set(method.source_losses(scene.outputs(), scene.batch(), STEP)) == {
        "segmentation",
        "segmentation_auxiliary",
    }

    def entropy(logits: Map) -> float:
        p = plain.softmax(plain.upsample(logits, SIZE))
        return float((-p * np.log(p)).sum(1).mean() / np.log(CLASSES))

    expected = {"entropy": entropy(scene.logits), "entropy_auxiliary": entropy(scene.auxiliary)}
    check(method.target_losses(scene.outputs(), SIZE, STEP), expected)
    assert (method.weights(STEP)["entropy"], method.weights(STEP)["entropy_auxiliary"]) == (0.001, 0.0002)
    assert method.discriminators == {}


def test_dada_is_its_formulas(scene: Scene) -> None:
    method = scene.method("dada", None)
    depth = plain.upsample(scene.depth, SIZE)
    check(
        method.source_losses(scene.outputs(), scene.batch(), STEP),
        {
            "segmentation": plain.cross_entropy(plain.upsample(scene.logits, SIZE), scene.labels, WEIGHTS),
            "depth": plain.berhu(depth[:, 0], scene.z),
        },
    )
    inputs = method.discriminator_inputs(scene.outputs(), SIZE)
    np.testing.assert_allclose(inputs["main"], scene.information * depth, rtol=1e-5, atol=1e-5)
    assert dict(method.weights(STEP)) == {"segmentation": 1.0, "depth": 0.001, "adversarial": 0.001}
    assert method.fusion
    assert method.branches == ("depth",)


def test_fusion_multiplies_features_by_what_depth_says() -> None:
    torch.manual_seed(0)
    network = build_network(7, "resnet101", ("depth",), fusion=True).eval()
    images = torch.randn(1, 3, 33, 33) * 50
    with torch.no_grad():
        features = network.features(images)
        x = features.last
        encoded = network.enc5_3(network.enc5_2(network.enc5_1(x).relu()).relu())
        expected = network.layer6(x * network.dec5(encoded).relu())
        found = network(images)
    torch.testing.assert_close(found.segmentation, expected)
    torch.testing.assert_close(found.depth, encoded.mean(1, keepdim=True))
    assert features.middle.shape[1] == network.middle_channels
    assert network.is_head("dec5.weight")


@pytest.mark.parametrize("backbone", ["resnet101", "efficientnet_lite0"])
def test_the_second_level_reads_the_features_before_the_last_stage(backbone: str) -> None:
    network = build_network(CLASSES, backbone, ()).eval()
    heads = made("advent", classes=CLASSES).extra_heads(network)
    with torch.no_grad():
        features = network.features(torch.zeros(1, 3, 64, 96))
        logits = heads["auxiliary"](features)
    assert logits.shape == (1, CLASSES, *features.middle.shape[2:])


def test_density_may_be_shrunk_for_the_discriminator(scene: Scene) -> None:
    whole = scene.method("depdis", "M2").discriminator_inputs(scene.outputs(), SIZE)["main"]
    changed = scene.method("depdis", "M2", density_scale=1 / 255)
    small = changed.discriminator_inputs(scene.outputs(), SIZE)["main"]
    torch.testing.assert_close(small * 255, whole)


def test_wrong_requests_name_what_there_is(scene: Scene) -> None:
    with pytest.raises(ValueError, match=", ".join(METHODS)):
        method_config("clan")
    with pytest.raises(ValueError, match="source_only, source_branches, M1"):
        method_config("depdis", variant="M5")
    with pytest.raises(ValueError, match="variant"):
        method_config("dada", variant="M4")
    with pytest.raises(ValueError, match="give `distribution`"):
        made("depdis", classes=CLASSES).source_losses(scene.outputs(), scene.batch(), STEP)


OWN_METHOD = """
from pydantic import Field
from depdis_training.methods import Method, MethodConfig

class PullConfig(MethodConfig):
    pull: float = Field(default=0.5, ge=0)

class Pull(Method):
    Config = PullConfig

    def weights(self, step):
        return {"segmentation": self.config.segmentation, "pull": self.config.pull * (1 - step.progress)}

    def target_losses(self, outputs, size, step):
        return {"pull": outputs.segmentation.square().mean()}
"""


def test_method_from_a_file_trains(tmp_path: Path, blocks: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(OWN_METHOD)
    short = ("training.iterations=2", "training.log_every=1", "validation=null")
    config = tiny_config(tmp_path, blocks, f"method={file}:Pull", "method.pull=0.25", *short)
    assert (config.method.label, config.method.model_dump()["pull"]) == ("Pull", 0.25)
    assert build_config(json.loads(json.dumps(config.plain()))) == config
    train(config, tmp_path / "run", tmp_path / "data", until="stage1")
    entries = read_log(tmp_path / "run/stage1/log.jsonl")
    (last,) = (entry for entry in entries if (entry["step"], entry["kind"]) == (2, "train"))
    assert last["total"] == pytest.approx(last["segmentation"] + 0.125 * last["pull"], rel=1e-5)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.py:Pull", "missing.py: no such Python file"),
        ("mine.py:Push", "no method 'mine.py:Push'"),
        ("mine.py:Field", "expected a subclass of"),
        ("broken.py:Pull", r"broken.py: ZeroDivisionError: division by zero"),
    ],
)
def test_rejects_file_without_such_a_method(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(OWN_METHOD)
    Path("broken.py").write_text("1 / 0")
    with pytest.raises(ValueError, match=message):
        load_config("street", (f"method={name}",))


def test_executes_only_a_file_that_the_command_names(tmp_path: Path, blocks: Path) -> None:
    file, ran = tmp_path / "mine.py", tmp_path / "ran"
    file.write_text(f"open({str(ran)!r}, 'w')\n{OWN_METHOD}")
    (tmp_path / "mine.yaml").write_text(f"method: {file}:Pull\nlosses: {{depth: 1}}\n")
    with pytest.raises(ValueError, match=r"cannot name a Python file .* give it with --method"):
        load_config(str(tmp_path / "mine.yaml"))
    config = tiny_config(tmp_path, blocks)
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text(json.dumps(config.plain() | {"method": {"name": f"{file}:Pull"}}))
    with pytest.raises(ValueError, match="a Python file that would be executed; name it with --method"):
        train(config, run, tmp_path / "data")
    assert not ran.exists()


def test_finds_the_method_of_another_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "puller.py").write_text(OWN_METHOD)
    about = tmp_path / "puller-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: puller\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[depdis.methods]\npull = puller:Pull\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_config("street", ("method=pull",)).method.label == "pull"


def test_old_places_of_settings_still_hold(tmp_path: Path) -> None:
    """A file and the `config.json` of a run from before `method` was a section."""
    file = tmp_path / "old.yaml"
    file.write_text("extends: street\nvariant: S1\nlosses: {depth: 0.7}\ndiscriminator: {density_scale: 0.5}\n")
    method = load_config(str(file)).method.model_dump()
    assert (method["variant"], method["depth"], method["density_scale"]) == ("S1", 0.7, 0.5)
    old = load_config("street").plain()
    old |= {"method": "minent", "variant": None, "losses": {**old.pop("method"), "entropy": 0.3}}
    del old["losses"]["name"]
    assert build_config(old).method.model_dump()["entropy"] == 0.3
    assert load_config("street", ("losses.adversarial=0.3",)).method.model_dump()["adversarial"] == 0.3
