"""Whole trainings of a few steps on a tiny set, on one thread."""

import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from tiny_run import tiny_config

from depdis_deploy.command import InputError, Terminated
from depdis_training.checkpoint import CheckpointError, load_network, read_checkpoint
from depdis_training.loop import DivergedError, Hooks, Intervals, Loop
from depdis_training.network import build_network
from depdis_training.pipeline import train
from depdis_training.run_log import read_log
from depdis_training.start import start_from


def _run(config, folder):
    train(config, folder, folder.parent / "data")
    return read_checkpoint(folder / "last.pt")


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


def test_a_run_learns_and_leaves_everything_behind(finished_run):
    names = {path.name for path in finished_run.iterdir()}
    assert names >= {"config.json", "mixtures.json", "last.pt", "best.pt", "log.jsonl", "weights.safetensors"}
    assert list((finished_run / "tensorboard").iterdir())
    assert (finished_run / "panels" / "000024.png").exists()
    entries = read_log(finished_run / "log.jsonl")
    training = [entry for entry in entries if entry["kind"] == "train"]
    assert [entry["step"] for entry in training] == sorted({*range(2, 25, 2), 5, 15})
    assert set(training[0]) >= {"segmentation", "depth", "density", "total", "rate"}
    assert training[-1]["total"] < 0.9 * training[0]["total"]
    validation = [entry for entry in entries if entry["kind"] == "validation"]
    assert [entry["step"] for entry in validation] == [12, 24]
    assert {"mIoU 16 (%)", "depth abs_rel", "density MAE"} <= validation[0].keys()


def test_the_weights_delivered_are_those_of_the_last_checkpoint_rounded(finished_run):
    delivered = load_network(finished_run / "weights.safetensors").state_dict()
    last = read_checkpoint(finished_run / "last.pt")
    assert last.step == 24
    assert last.config["training"]["precision"] in ("bf16", "fp32")
    assert last.manifest.canonical_focal_px == 80
    assert last.manifest.density["scale"] > 0
    for name, value in last.network.state_dict().items():
        rounded = value.half().float() if value.is_floating_point() else value
        assert torch.equal(delivered[name], rounded), name


def _killed(config_path, blocks, out, when, signum):
    """The command, ended by a signal once its log holds the step `when`; its exit status."""
    command = [sys.executable, "-m", "depdis_training.train_cli", str(config_path), "--threads", "1"]
    command += ["--source", str(blocks), "--target", str(blocks), "--out", str(out)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        log, deadline = out / "log.jsonl", time.monotonic() + 120
        while process.poll() is None and time.monotonic() < deadline:
            if log.exists() and any(entry["step"] >= when for entry in read_log(log)):
                process.send_signal(signum)
                break
            time.sleep(0.01)
        error = process.communicate()[1]
    return process.returncode, error


@pytest.mark.parametrize(("signum", "status", "when"), [(signal.SIGKILL, -9, 8), (signal.SIGTERM, 143, 12)])
def test_a_run_ended_anywhere_goes_on_to_the_same_bits(
    finished_run, tmp_path, blocks, monkeypatch, signum, status, when
):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")
    config = tiny_config(tmp_path, blocks)
    out = tmp_path / "out"
    code, error = _killed(tmp_path / "tiny.yaml", blocks, out, when, signum)
    assert code == status, error
    assert "Traceback" not in error
    stopped = read_checkpoint(out / "last.pt").step
    assert 5 <= stopped < 24
    if signum != signal.SIGKILL:
        assert stopped >= when  # nothing that was done is lost
    _run(config, out)
    assert _equal(out / "last.pt", finished_run / "last.pt")
    assert _equal(out / "best.pt", finished_run / "best.pt")
    mine, theirs = (load_network(path / "weights.safetensors").state_dict() for path in (out, finished_run))
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    steps = [(entry["kind"], entry["step"]) for entry in read_log(out / "log.jsonl")]
    assert len(steps) == len(set(steps))


def test_a_finished_run_is_left_alone(finished_run, tmp_path, blocks, capsys):
    before = (finished_run / "last.pt").stat().st_mtime_ns
    train(tiny_config(tmp_path, blocks), finished_run, tmp_path)
    assert "finished" in capsys.readouterr().err
    assert (finished_run / "last.pt").stat().st_mtime_ns == before


def test_a_training_starts_from_a_checkpoint_of_the_same_network_only(finished_run, tmp_path):
    network = build_network(16, "efficientnet_lite0")
    start_from(network, finished_run / "weights.safetensors")
    expected = load_network(finished_run / "weights.safetensors").state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in network.state_dict().items())
    with pytest.raises(CheckpointError, match="num_classes is 16, this configuration's network has 7"):
        start_from(build_network(7, "efficientnet_lite0"), finished_run / "last.pt")
    (tmp_path / "notes.pth").write_text("not weights")
    with pytest.raises(CheckpointError, match=r"notes\.pth"):
        start_from(network, tmp_path / "notes.pth")


def test_another_configuration_is_refused_by_the_keys_that_differ(finished_run, tmp_path, blocks):
    with pytest.raises(InputError, match=r"differs in optimizer\.head_rate, seed\)"):
        train(tiny_config(tmp_path, blocks, "optimizer.head_rate=0.1", "seed=4"), finished_run, tmp_path)


def test_a_folder_of_something_else_is_refused(tmp_path, blocks):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="something else than a run"):
        train(tiny_config(tmp_path, blocks), tmp_path / "out", tmp_path)


def test_a_missing_root_stops_in_one_line_that_names_the_option(tmp_path, blocks):
    config = tiny_config(tmp_path, blocks, "target.layout=camvid", "target.taxonomy=camvid-11")
    target = config.target.model_copy(update={"root": None})
    with pytest.raises(InputError, match="--target PATH"):
        train(config.model_copy(update={"target": target}), tmp_path / "out", tmp_path)
    assert not (tmp_path / "out").exists()


class _Scripted:
    """A learner whose losses are given."""

    def __init__(self, losses):
        self.losses = losses

    def update(self, step, batch):
        return {"total": torch.tensor(self.losses[step])}

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
    with pytest.raises(DivergedError, match=r"total loss .* before step 4: lower optimizer"):
        _loop(_Scripted([1.0, 1.0, 1.0, math.nan, 1.0]), events).run(2, "test")
    assert events == [("log", 3)]


def test_the_loop_does_everything_at_its_steps_and_all_at_the_end():
    events = []
    _loop(_Scripted([1.0] * 5), events).run(0, "test")
    assert [event for event in events if event[0] != "log"] == [
        ("checkpoint", 2), ("validate", 4), ("checkpoint", 4), ("validate", 5), ("checkpoint", 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("signum", "reason"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, Terminated)]
)
def test_a_signal_ends_the_loop_after_the_step_in_hand_with_a_checkpoint(signum, reason):
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


def test_a_log_cut_off_in_a_line_is_read_up_to_it(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"step": 1}) + '\n{"step": ')
    assert read_log(path) == [{"step": 1}]
