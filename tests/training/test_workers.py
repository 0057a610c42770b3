"""Two processes under torchrun against one that accumulates what they see."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny_run import tiny_config

from depdis_training.checkpoint import load_network, read_checkpoint
from depdis_training.pipeline import train
from depdis_training.training_stage import PairBatches
from depdis_training.workers import ALONE, Workers

# One step, since batch norm over the few cells of tiny pictures blows rounding up from step to step. Without
# Adam, which makes a step of any rounding error where a gradient is nearly zero.
SETTINGS = (
    "variant=M2", "training.iterations=1", "training.precision=fp32", "training.average=0",
    "training.checkpoint_every=2", "optimizer.kind=sgd", "optimizer.backbone_rate=0.01",
    "optimizer.head_rate=0.02", "discriminator.rate=1e-6",
)  # fmt: skip
# With a self-training that reads the statistics which each process's batch norm has gathered in stage 1.
ROUND = (
    "variant=M3", "training.iterations=2", "self_training.rounds=1", "self_training.iterations=2",
    "self_training.frozen_statistics=true", "self_training.mix=0.7", "self_training.teacher=0.9",
    "labels.confidence=0.05",
)  # fmt: skip


def test_the_processes_share_the_pairs_of_a_step_among_them():
    def seen(step, accumulate, workers):
        pairs = PairBatches(lambda place: place, lambda place: -place, accumulate, workers)(step)
        assert all(pair.target == -pair.source for pair in pairs)
        return [pair.source for pair in pairs]

    for step in range(3):
        alone = seen(step, 6, ALONE)
        shared = [seen(step, 2, Workers(rank, 3, rank)) for rank in range(3)]
        assert alone == list(range(6 * step, 6 * step + 6))
        assert sorted(place for places in shared for place in places) == alone


def _two_processes(folder, blocks, out, settings):
    command = [
        sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m",
        "depdis_training.train_cli", str(folder / "tiny.yaml"), "--source", str(blocks),
        "--target", str(blocks), "--threads", "1", "--out", str(out), "--data", str(folder / "data"),
    ]  # fmt: skip
    command += [part for setting in settings for part in ("--set", setting)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr
    return ended


def test_two_processes_equal_one_that_accumulates_their_batches(tmp_path, blocks, monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")
    one = tiny_config(tmp_path, blocks, *SETTINGS, "training.accumulate=2")
    train(one, tmp_path / "one", tmp_path / "data")
    ended = _two_processes(tmp_path, blocks, tmp_path / "two", SETTINGS)
    assert ended.stderr.count("run folder:") == 1  # the first speaks for both
    assert ended.stderr.count("from here: stage 1") == 1
    assert (tmp_path / "two" / "metrics.json").exists()
    mine, theirs = (
        read_checkpoint(tmp_path / name / "stage1" / "last.pt").network.state_dict() for name in ("one", "two")
    )
    alone = tiny_config(tmp_path, blocks, *SETTINGS)
    train(alone, tmp_path / "alone", tmp_path / "data")
    first_only = read_checkpoint(tmp_path / "alone" / "stage1" / "last.pt").network.state_dict()
    trained = [name for name, value in mine.items() if value.is_floating_point() and "running_" not in name]
    for name in trained:
        torch.testing.assert_close(theirs[name], mine[name], rtol=1e-4, atol=2e-6)
    # half of the pictures give something else
    assert any((first_only[name] - mine[name]).abs().max() > 1e-3 for name in trained)


@pytest.mark.long
def test_two_processes_go_on_after_a_stage_to_the_same_bits(tmp_path, blocks, monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")
    tiny_config(tmp_path, blocks)
    out = tmp_path / "two"
    _two_processes(tmp_path, blocks, out, (*SETTINGS, *ROUND))
    undisturbed = load_network(out / "weights.safetensors").state_dict()
    for name in ("weights.safetensors", "metrics.json"):
        (out / name).unlink()
    shutil.rmtree(out / "self-training-1")
    _two_processes(tmp_path, blocks, out, (*SETTINGS, *ROUND))
    found = load_network(out / "weights.safetensors").state_dict()
    assert all(torch.equal(found[name], value) for name, value in undisturbed.items())
