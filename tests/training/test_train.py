"""Whole trainings of a few steps on a tiny set, on one thread."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from made_method import made
from tiny_run import TINY, tiny_config

from depdis_deploy.command import InputError, Terminated, UsageError
from depdis_deploy.folder_lock import LOCK_FILE
from depdis_training.chain import run_before
from depdis_training.checkpoint import CheckpointError, load_network, read_checkpoint, write_weights
from depdis_training.config import load_config
from depdis_training.experiment_data import open_experiment
from depdis_training.loop import DivergedError, Hooks, Intervals, Loop
from depdis_training.network import build_network
from depdis_training.optimizers import load_moments
from depdis_training.pipeline import Experiment, train
from depdis_training.run_folder import Run
from depdis_training.run_log import read_log
from depdis_training.start import start_from
from depdis_training.workers import ALONE

STAGES = ("stage1", "self-training-1", "self-training-2")


def _run(config, folder):
    train(config, folder, folder.parent / "data")


def _tensors(value, path="") -> dict[str, torch.Tensor]:
    if isinstance(value, torch.Tensor):
        return {path: value}
    items = value.items() if hasattr(value, "items") else enumerate(value) if isinstance(value, list) else ()
    return {key: tensor for name, item in items for key, tensor in _tensors(item, f"{path}/{name}").items()}


def _equal(one: Path, other: Path) -> bool:
    mine, theirs = (
        {**_tensors(found.state), **_tensors(dict(found.network.state_dict()))}
        for found in map(read_checkpoint, (one, other))
    )
    assert len(mine) > 300
    return mine.keys() == theirs.keys() and all(torch.equal(mine[key], theirs[key]) for key in mine)


def test_a_run_goes_on_from_another_that_is_made_before_it(tmp_path, blocks, capfd):
    short = ("training.iterations=3", "self_training.rounds=0", "target=null", "variant=source_branches")
    shorter = TINY.replace("iterations: 24", "iterations: 4")
    (tmp_path / "first.yaml").write_text("variant: source_branches" + shorter)
    config = tiny_config(tmp_path, blocks, *short, f"network.after={tmp_path / 'first.yaml'}")
    _run(config, tmp_path / "run")
    before = tmp_path / "run-before" / "weights.safetensors"
    assert json.loads((tmp_path / "run" / "config.json").read_text())["network"]["init"] == str(before)
    given = tiny_config(tmp_path, blocks, *short, f"network.init={before}")
    _run(given, tmp_path / "given")
    assert _equal(tmp_path / "run" / "stage1" / "last.pt", tmp_path / "given" / "stage1" / "last.pt")
    capfd.readouterr()
    _run(config, tmp_path / "run")
    assert capfd.readouterr().err.count("this run is finished") == 1


def _chain(config, folder):
    found = [(config, folder)]
    while (before := run_before(*found[-1])) is not None:
        found.append(before)
    return found


def test_the_bundled_models_five_trainings_are_each_as_they_say(tmp_path):
    found = _chain(load_config("bundled"), tmp_path / "run")
    names = ["bundled", *(f"bundled-{n}" for n in ("fourth", "third", "second", "first"))]
    assert [config.name for config, _ in found] == names
    assert [path.name for _, path in found] == [f"run{n * '-before'}" for n in range(5)]
    for config, _ in found:
        assert config == load_config(config.name)
    streets = [config.source.street for config, _ in found]
    assert [(street.domain, street.pictures, street.seed) for street in streets] == [
        ("near", 3000, 2), *(("random", 3500, seed) for seed in (1, 1, 0, 0))
    ]  # fmt: skip
    assert [config.augment.scale[1] for config, _ in found] == [3.4, 3.4, 2.3, 2.3, 2.3]
    assert [config.method.depth_loss for config, _ in found] == [*["abs_rel"] * 4, "relative"]
    assert [config.mixtures.kind for config, _ in found] == ["start", "start", "start", "fit", "fit"]


def test_what_is_given_beside_a_configuration_holds_for_the_trainings_before_it(tmp_path):
    given = ["source.street.pictures=9", "augment.crop=[64, 48]", "seed=3", "validation=null"]
    found = _chain(load_config("bundled", given), tmp_path / "run")
    assert len(found) == 5
    for config, _ in found:
        alone = load_config(config.name)
        assert (config.source.street.pictures, config.augment.crop, config.seed) == (9, (64, 48), 3)
        assert config.validation is None
        assert config.source.street.domain == alone.source.street.domain
        assert config.source.street.seed == alone.source.street.seed
        assert config.augment.scale == alone.augment.scale
    for config, _ in _chain(load_config("bundled", [], {"source.root": str(tmp_path)}), tmp_path / "run"):
        assert config.source.root == str(tmp_path)
    (tmp_path / "mine.yaml").write_text("extends: bundled\ninput: {width: 320, height: 160}\n")
    found = _chain(load_config(str(tmp_path / "mine.yaml")), tmp_path / "run")
    assert [config.input.width for config, _ in found] == [320] * 5
    assert [config.source.street.domain for config, _ in found] == ["near", *["random"] * 4]


def test_a_run_learns_and_leaves_everything_behind(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert names >= {"config.json", "mixtures.json", "weights.safetensors", "metrics.json", "labels-2", *STAGES}
    assert names >= {"report.html", "report.md"}
    for stage in STAGES:
        assert {"last.pt", "best.pt", "log.jsonl"} <= {path.name for path in (finished_run / stage).iterdir()}
        assert list((finished_run / stage / "tensorboard").iterdir())
    assert (finished_run / "stage1" / "panels" / "000024.png").exists()
    entries = read_log(finished_run / "stage1" / "log.jsonl")
    training = [entry for entry in entries if entry["kind"] == "train"]
    assert [entry["step"] for entry in training] == sorted({*range(2, 25, 2), 5, 15})
    assert set(training[0]) >= {
        "segmentation", "depth", "balance_source", "balance_target", "adversarial", "discriminator", "total",
        "rate",
    }  # fmt: skip
    assert training[-1]["segmentation"] < 0.99 * training[0]["segmentation"]
    validation = [entry for entry in entries if entry["kind"] == "validation"]
    assert [entry["step"] for entry in validation] == [12, 24]
    assert {"mIoU 16 (%)", "depth abs_rel", "density MAE"} <= validation[0].keys()
    rows = json.loads((finished_run / "metrics.json").read_text())["rows"]
    forms = ("", ", deployed", ", statistics of the target")
    # scored once at its end, the last snapshot of the last stage is its best
    assert list(rows) == [f"last{form}" for form in forms]


def test_a_best_snapshot_before_the_last_is_scored_too(tmp_path, blocks, finished_run):
    run = shutil.copytree(finished_run, tmp_path / "out")
    best = run / "self-training-2" / "best.pt"
    torch.save({**torch.load(best, weights_only=True), "step": 3}, best)
    (run / "metrics.json").unlink()
    _run(tiny_config(tmp_path, blocks), run)
    rows = json.loads((run / "metrics.json").read_text())["rows"]
    assert [title for title in rows if "," not in title] == ["last", "best"]
    assert rows["best, statistics of the target"]["difference"]["from"] == "best"


def test_the_weights_delivered_are_those_of_the_last_checkpoint_rounded(finished_run):
    delivered = load_network(finished_run / "weights.safetensors").state_dict()
    last = read_checkpoint(finished_run / "self-training-2" / "last.pt")
    assert last.step == 6
    assert last.config["training"]["precision"] in ("bf16", "fp32")
    assert last.manifest.canonical_focal_px == 80
    assert last.manifest.density["scale"] > 0
    for name, value in last.network.state_dict().items():
        rounded = value.half().float() if value.is_floating_point() else value
        assert torch.equal(delivered[name], rounded), name


def _stopped(config_path, blocks, out, place, signum):
    """Run the command until it gets a signal at `place`; return its exit status and stderr."""
    command = [sys.executable, str(Path(__file__).with_name("stopped_command.py")), str(int(signum)), place]
    command += [str(config_path), "--threads", "1", "--source", str(blocks), "--target", str(blocks)]
    command += ["--out", str(out), "--data", str(out.parent / "data")]
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    ("signum", "status", "place"),
    [
        pytest.param(signal.SIGKILL, -9, "config.json", id="statistics", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, "stage1:8", id="stage1"),
        pytest.param(signal.SIGKILL, -9, "labels-1/*.png", id="labels", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, "self-training-2:4", id="self-training", marks=pytest.mark.long),
        pytest.param(signal.SIGKILL, -9, "weights.safetensors", id="evaluation"),
        pytest.param(signal.SIGTERM, 143, "stage1:12", id="asked to stop"),
    ],
)
def test_a_run_ended_anywhere_goes_on_to_the_same_bits(
    finished_run, tmp_path, blocks, monkeypatch, signum, status, place
):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")
    config = tiny_config(tmp_path, blocks)
    out = tmp_path / "out"
    code, error = _stopped(tmp_path / "tiny.yaml", blocks, out, place, signum)
    assert code == status, error
    assert "Traceback" not in error
    assert not (out / "metrics.json").exists()
    (out / ".metrics.12.part.json").write_text("half")  # as a kill in the midst of writing leaves them
    for stage in out.glob("stage*"):
        (stage / ".last.12.part.pt").write_bytes(b"half")
    if signum != signal.SIGKILL:
        assert 12 <= read_checkpoint(out / "stage1" / "last.pt").step < 24  # nothing that was done is lost
    _run(config, out)
    for stage in STAGES:
        for name in ("last.pt", "best.pt"):
            assert _equal(out / stage / name, finished_run / stage / name), (stage, name)
        steps = [(entry["kind"], entry["step"]) for entry in read_log(out / stage / "log.jsonl")]
        assert len(steps) == len(set(steps))
    mine, theirs = (load_network(path / "weights.safetensors").state_dict() for path in (out, finished_run))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    assert (out / "metrics.json").read_text() == (finished_run / "metrics.json").read_text()
    assert list(out.rglob(".*")) == []


def _during(monkeypatch, config, folder, action):
    """Train in a folder, with `action` in place of the stages."""
    begun = []

    def carry_out(experiment, until):
        begun.append(experiment)
        if len(begun) == 1:
            action()

    monkeypatch.setattr(Experiment, "carry_out", carry_out)
    _run(config, folder)
    assert len(begun) == 1


def test_rejects_second_training_in_the_same_folder(tmp_path, blocks, monkeypatch):
    config, out = tiny_config(tmp_path, blocks), tmp_path / "out"

    def again():
        before = {path.name: path.read_bytes() for path in out.iterdir()}
        with pytest.raises(InputError, match=f"^{re.escape(str(out))}: another run is writing there"):
            _run(config, out)
        with pytest.raises(InputError, match="run of another configuration"):
            _run(tiny_config(tmp_path, blocks, "seed=4"), out)
        assert {path.name: path.read_bytes() for path in out.iterdir()} == before

    _during(monkeypatch, config, out, again)
    assert not list(out.glob(".*"))
    _during(monkeypatch, config, out, lambda: None)


def test_rejects_second_training_whose_earlier_run_is_being_trained(tmp_path, blocks, monkeypatch):
    (tmp_path / "first.yaml").write_text(TINY)
    config = tiny_config(tmp_path, blocks, f"network.after={tmp_path / 'first.yaml'}")
    before, folder = run_before(config, tmp_path / "out")

    def later():
        with pytest.raises(InputError, match="out-before: another run is writing"):
            _run(config, tmp_path / "out")
        assert not (tmp_path / "out").exists()

    _during(monkeypatch, before, folder, later)


@pytest.mark.long
def test_second_command_in_a_folder_ends_until_the_first_is_killed(tmp_path, blocks, monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")
    tiny_config(tmp_path, blocks)
    out, data = tmp_path / "out", tmp_path / "data"
    command = [sys.executable, "-m", "depdis_training.train_cli", str(tmp_path / "tiny.yaml")]
    command += ["--source", str(blocks), "--target", str(blocks), "--out", str(out), "--data", str(data)]
    command += ["--threads", "1", "--stage", "statistics"]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as first:
        while not (out / "config.json").exists():
            assert first.poll() is None
            time.sleep(0.002)
        first.send_signal(signal.SIGSTOP)
        second = subprocess.run(command, capture_output=True, text=True)
        assert second.returncode == 1
        assert f"error: {out}: another run is writing there" in second.stderr
        assert "Traceback" not in second.stderr
        first.kill()
    assert (out / LOCK_FILE).exists()
    third = subprocess.run(command, capture_output=True, text=True)
    assert third.returncode == 0, third.stderr
    assert (out / "mixtures.json").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", r"expected an object, got \[\]"),
        ("[" * 100_000, "nested deeper than"),
        ('{"seed": NaN}', "NaN is not a number"),
        ('{"seed": 1}', "name: Field required"),
        ('{"name": "a", "training": [1]}', "training: Input should be"),
        ('{"name": "a", "colour": 1}', "unknown configuration key colour"),
    ],
)
def test_rejects_malformed_config_of_a_run(content, message, tmp_path):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(InputError, match=message) as caught:
        Run(tmp_path, load_config("street"))
    assert str(caught.value).startswith(f"{tmp_path / 'config.json'}: ")
    assert "give another folder with --out" in str(caught.value)
    assert len(str(caught.value)) < 600


def test_rejects_last_checkpoint_of_another_state(finished_run, tmp_path, blocks):
    """One run folder, its checkpoint changed in one place after the other."""
    out, config = tmp_path / "out", tiny_config(tmp_path, blocks)
    (out / "stage1").mkdir(parents=True)
    for name in ("config.json", "mixtures.json", "class_counts.json"):
        shutil.copy(finished_run / name, out)
    whole = torch.load(finished_run / "stage1" / "last.pt", weights_only=True)
    path = out / "stage1" / "last.pt"
    data = open_experiment(config, tmp_path, uses_target=True)
    experiment = Experiment(Run(out, config), data, tmp_path, ALONE)
    for change, message in (
        ({"step": 10**9}, "it is of step 1000000000, this stage has 24 iterations"),
        ({"state": {**whole["state"], "best_score": "high"}}, "best_score, or 'high' in its place"),
        ({"state": {**whole["state"], "learner": {**whole["state"]["learner"], "average": None}}}, "got None"),
    ):
        torch.save({**whole, **change}, path)
        with pytest.raises(InputError, match=message) as caught:
            experiment.carry_out("stage1")
        assert str(caught.value).startswith(f"{path}: ")
        assert "remove the file to begin stage1 again" in str(caught.value)
        assert len(str(caught.value)) < 800


def test_a_finished_run_is_left_alone(finished_run, tmp_path, blocks, capsys):
    before = (finished_run / "stage1" / "last.pt").stat().st_mtime_ns
    train(tiny_config(tmp_path, blocks), finished_run, tmp_path)
    assert "finished" in capsys.readouterr().err
    assert (finished_run / "stage1" / "last.pt").stat().st_mtime_ns == before


def test_a_training_starts_from_a_checkpoint_of_the_same_network_only(finished_run, tmp_path):
    network = build_network(16, "efficientnet_lite0")
    start_from(network, finished_run / "weights.safetensors")
    expected = load_network(finished_run / "weights.safetensors").state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    with pytest.raises(CheckpointError, match="num_classes is 16, this configuration's network has 7"):
        start_from(build_network(7, "efficientnet_lite0"), finished_run / "stage1" / "last.pt")
    (tmp_path / "notes.pth").write_text("not weights")
    with pytest.raises(CheckpointError, match=r"notes\.pth"):
        start_from(network, tmp_path / "notes.pth")


@pytest.mark.parametrize("method", ["advent", "minent", "dada"])
def test_a_peer_starts_from_the_same_model_as_the_method(method, finished_run):
    path = finished_run / "weights.safetensors"
    whole = load_network(path).eval()
    peer = made(method)
    network = build_network(16, "efficientnet_lite0", peer.branches, fusion=peer.fusion)
    start_from(network, path)
    images = torch.randn(1, 3, 64, 96) * 50
    with torch.no_grad():
        ours, theirs = network.eval()(images), whole(images)
    torch.testing.assert_close(ours.segmentation, theirs.segmentation)
    assert (ours.depth is not None) is (method == "dada")
    assert ours.density is None


def test_rejects_unusable_start_before_any_data_is_made(tmp_path):
    (tmp_path / "start.pt").write_text("not weights")
    config = load_config("street", changes={"network.init": str(tmp_path / "start.pt")})
    with pytest.raises(CheckpointError, match=r"start\.pt: truncated or not a torch file"):
        _run(config, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["start.pt"]


def test_a_start_that_lacks_a_branch_or_has_a_fusion_is_refused(tmp_path):
    for has, fusion, wanted, said in (
        (("depth",), False, ("density", "depth"), "no branch for density"),
        (("depth",), True, ("depth",), "with fusion, this configuration's without"),
    ):
        path = tmp_path / "start.safetensors"
        write_weights(path, build_network(16, "efficientnet_lite0", has, fusion=fusion), None)
        with pytest.raises(CheckpointError, match=said):
            start_from(build_network(16, "efficientnet_lite0", wanted), path)


def test_a_resnet_of_another_kind_is_refused_with_the_reason(tmp_path):
    path = tmp_path / "resnet101.pth"
    torch.save({"conv1.weight": torch.zeros(64, 3, 7, 7), "fc.weight": torch.zeros(1000, 2048)}, path)
    with torch.device("meta"):
        network = build_network(16)
    with pytest.raises(CheckpointError, match="torchvision or timm ResNet, which is another network"):
        start_from(network, path)


def test_another_configuration_is_refused_by_the_keys_that_differ(finished_run, tmp_path, blocks):
    with pytest.raises(InputError, match=r"differs in optimizer\.head_rate, seed\)"):
        train(tiny_config(tmp_path, blocks, "optimizer.head_rate=0.1", "seed=4"), finished_run, tmp_path)


def test_labels_alone_need_no_training(finished_run, tmp_path, blocks, capsys):
    init = f"network.init={finished_run / 'weights.safetensors'}"
    config = tiny_config(tmp_path, blocks, init)
    train(config, tmp_path / "out", tmp_path / "data", until="labels")
    made = {path.name for path in (tmp_path / "out").iterdir()}
    assert made == {"config.json", "mixtures.json", "class_counts.json", "labels-1"}
    assert len(list((tmp_path / "out" / "labels-1").glob("0*.png"))) == 10
    with pytest.raises(UsageError, match="statistics, stage1, labels, self-training"):
        train(config, tmp_path / "out", tmp_path / "data", until="adaptation")


def test_a_labelling_that_labels_nothing_is_said(finished_run, tmp_path, blocks):
    init = f"network.init={finished_run / 'weights.safetensors'}"
    config = tiny_config(tmp_path, blocks, init, "labels.class_balanced=false", "labels.confidence=0.999")
    with pytest.raises(InputError, match="no pixel is confident enough"):
        train(config, tmp_path / "out", tmp_path / "data", until="labels")


def test_the_first_lines_say_how_long_each_stage_takes(tmp_path, blocks, capsys):
    train(tiny_config(tmp_path, blocks, "training.iterations=1"), tmp_path / "out", tmp_path / "data", "stage1")
    said = capsys.readouterr().err
    assert re.search(r"about .* from here: stage 1 .*, labels .*, self-training ", said)
    assert said.index("from here") < said.index("stage1:")


@pytest.mark.parametrize(
    ("setting", "until", "said"),
    [
        ("variant=M2", "labels", "makes no labels"),
        ("labels.minimum_pixels=[1, 2]", None, "minimum_pixels has 2 numbers for 16 classes"),
        ("validation.taxonomy=own", None, "cannot be scored|taxonomy"),
    ],
)
def test_what_cannot_end_well_is_said_before_the_first_step(tmp_path, blocks, setting, until, said):
    with pytest.raises(ValueError, match=said):
        train(tiny_config(tmp_path, blocks, setting), tmp_path / "out", tmp_path / "data", until)
    assert not (tmp_path / "out" / "stage1").exists()


def test_no_variant_is_the_default_one(tmp_path, blocks):
    config = tiny_config(tmp_path, blocks, "variant=null", "training.iterations=1", "labels.confidence=0.05")
    train(config, tmp_path / "out", tmp_path / "data", "labels")
    assert (tmp_path / "out" / "labels-1" / "manifest.json").exists()


def test_a_folder_of_something_else_is_refused(tmp_path, blocks):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else than a run"):
        train(tiny_config(tmp_path, blocks), tmp_path / "out", tmp_path)


def test_a_missing_root_stops_in_one_line_that_names_the_option(tmp_path, blocks):
    config = tiny_config(tmp_path, blocks, "validation.layout=camvid", "validation.taxonomy=camvid-11")
    missing = config.validation.model_copy(update={"root": None})
    with pytest.raises(InputError, match="--target PATH"):
        train(config.model_copy(update={"validation": missing}), tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


class _Scripted:
    """A learner whose losses are given."""

    def __init__(self, losses, name="total"):
        self.losses, self.name = losses, name

    def update(self, step, batch):
        return {self.name: torch.tensor(self.losses[step])}

    def rate(self):
        return 0.1


def _loop(learner, events):
    def record(name):
        return lambda step, *values: events.append((name, step))

    hooks = Hooks(log=record("log"), checkpoint=record("checkpoint"), validate=record("validate"))
    return Loop(
        learner, lambda step: step, iterations=len(learner.losses), seed=0,
        every=Intervals(log=3, checkpoint=2, validate=4), hooks=hooks,
    )  # fmt: skip


def test_a_loss_that_is_no_number_stops_before_the_checkpoint_is_touched():
    events = []
    with pytest.raises(DivergedError, match=r"total loss .* before step 4; start a new run with lower"):
        _loop(_Scripted([1.0, 1.0, 1.0, math.nan, 1.0]), events).run(2, "test")
    assert events == [("log", 3)]


def test_a_discriminator_that_is_always_right_stops_the_training():
    blind, right = 1.386, 1e-5
    events = []
    with pytest.raises(DivergedError, match=r"without fail up to step 36 .* lower discriminator\.rate"):
        _loop(_Scripted([blind] * 6 + [right] * 90, "discriminator"), events).run(0, "test")
    assert ("checkpoint", 36) not in events
    for losses in ([blind] * 90, ([right] * 24 + [blind] * 9) * 4):
        _loop(_Scripted(losses, "discriminator"), []).run(0, "test")


def test_the_loop_does_everything_at_its_steps_and_all_at_the_end():
    events = []
    _loop(_Scripted([1.0] * 5), events).run(0, "test")
    assert [event for event in events if event[0] != "log"] == [
        ("checkpoint", 2), ("validate", 4), ("checkpoint", 4), ("validate", 5), ("checkpoint", 5),
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_ends_the_loop_after_the_step_in_hand_with_a_checkpoint(name):
    """In a process of its own: a signal that goes astray would take the tests' worker with it."""
    code = f"import test_train; test_train.a_signal_in_a_step(test_train.signal.{name})"
    paths = os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)])
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.returncode == 0, done.stderr


def a_signal_in_a_step(signum):
    """What the test above does."""
    reason = {signal.SIGINT: KeyboardInterrupt, signal.SIGTERM: Terminated}[signum]
    events = []
    learner = _Scripted([1.0] * 5)
    update = learner.update

    def signalled(step, batch):
        if step == 2:
            signal.raise_signal(signum)
        return update(step, batch)

    learner.update = signalled
    before = signal.getsignal(signum)
    with pytest.raises(reason):
        _loop(learner, events).run(0, "test")
    assert events[-1] == ("checkpoint", 3)
    assert signal.getsignal(signum) is before


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[]", r"expected an object, got \[\]"),
        ('{"kind": "train"}', "expected an integer step, got None"),
        ('{"step": "3"}', "expected an integer step, got '3'"),
        ('{"step": 3, "total": NaN}', "NaN is not a number"),
        ("[" * 100_000, "nested deeper than"),
    ],
)
def test_rejects_malformed_line_of_a_log(line, message, tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n' + line + '\n{"step": 5}\n')
    with pytest.raises(InputError, match=message) as caught:
        read_log(path)
    assert str(caught.value).startswith(f"{path}: line 2: ")


def test_rejects_moments_of_another_optimizer():
    layer = torch.nn.Linear(3, 2)
    adam, sgd = torch.optim.AdamW(layer.parameters()), torch.optim.SGD(layer.parameters(), momentum=0.9)
    layer(torch.ones(1, 3)).sum().backward()
    for optimizer in (adam, sgd):
        optimizer.step()
        load_moments(optimizer, optimizer.state_dict())
    moments = adam.state_dict()["state"]
    for state, message in (
        (None, "expected the state of an optimizer, got None"),
        ({"state": [1]}, "expected the state of an optimizer"),
        ({"state": {2: moments[0]}}, "has 2 parameters, its state is of number 2"),
        ({"state": {"0": moments[0]}}, "its state is of number 0"),
        ({"state": {0: 5}}, "expected exp_avg, exp_avg_sq, step of parameter 0, got 5"),
        (sgd.state_dict(), "expected exp_avg, exp_avg_sq, step of parameter 0"),
        ({"state": {0: moments[1]}}, r"exp_avg of parameter 0 is torch.float32 \(2,\), expected .* \(2, 3\)"),
        ({"state": {0: {**moments[0], "step": "x"}}}, "step of parameter 0 is 'x'"),
        ({"state": {0: {**moments[0], "step": torch.tensor(math.nan)}}}, "holds NaN"),
    ):
        with pytest.raises(ValueError, match=message):
            load_moments(adam, state)


def test_a_log_cut_off_in_a_line_is_read_up_to_it(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": ')
    assert read_log(path) == [{"step": 1}]
