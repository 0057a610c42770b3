"""Several runs side by side, their comparison, and what a failed one leaves."""

import json
from pathlib import Path

import pytest
from tiny_run import tiny_config

from depdis_deploy.command import InputError
from depdis_training.config import load_config
from depdis_training.sweep import _gpus, _places, as_markdown, comparison, sweep

SHORT = ("training.iterations=2", "self_training.rounds=0", "training.average=0")


@pytest.fixture
def importable(monkeypatch):
    root = Path(__file__).parents[2]
    monkeypatch.setenv("PYTHONPATH", f"{root}:{root / 'training'}")


def _runs(tmp_path, blocks, *settings):
    return {
        f"run-{variant}": tiny_config(tmp_path, blocks, *SHORT, f"variant={variant}", *settings)
        for variant in ("source_only", "M1")
    }


def test_a_sweep_ends_in_a_comparison_and_is_not_done_twice(importable, tmp_path, blocks, capsys):
    runs = _runs(tmp_path, blocks)
    results = sweep(runs, tmp_path / "runs", tmp_path / "data", stage=None, jobs=2)
    assert set(results["last"]) == {"depdis-source_only", "depdis-M1"}
    assert "| depdis-M1 |" in capsys.readouterr().out
    assert json.loads((tmp_path / "runs" / "comparison.json").read_text()) == results
    weights = tmp_path / "runs" / "run-M1" / "weights.safetensors"
    before = weights.stat().st_mtime_ns
    assert sweep(runs, tmp_path / "runs", tmp_path / "data", stage=None, jobs=2) == results
    assert weights.stat().st_mtime_ns == before
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {
        "run-M1", "run-source_only", "run-M1.log", "run-source_only.log", "comparison.json",
    }  # fmt: skip


def test_a_failed_run_is_named_and_the_others_are_kept(importable, tmp_path, blocks, capsys):
    runs = _runs(tmp_path, blocks)
    taken = tmp_path / "runs" / "run-M1"
    taken.mkdir(parents=True)
    (taken / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="1 of 2 runs failed: run-M1"):
        sweep(runs, tmp_path / "runs", tmp_path / "data", stage=None, jobs=2)
    said = capsys.readouterr()
    assert "something else than a run" in said.err
    assert "depdis-source_only" in said.out
    assert (taken / "thesis.txt").read_text() == "mine"


def test_a_comparison_gives_means_and_spreads_over_seeds(tmp_path):
    config = load_config("street")
    runs = {}
    for seed, score in enumerate((40.0, 42.0, 44.0)):
        name = f"street-depdis-M4-s{seed}"
        runs[name] = config.model_copy(update={"seed": seed})
        (tmp_path / name).mkdir()
        figures = {"figures": {"mIoU 16 (%)": score, "mIoU 13 (%)": 0.0}}
        rows = {"last": {"kind": "checkpoint", **figures}, "last, deployed": {"kind": "deployed", **figures}}
        (tmp_path / name / "metrics.json").write_text(json.dumps({"rows": rows}))
    found = comparison(runs, tmp_path)
    assert list(found) == ["last"]
    assert found["last"]["depdis-M4"] == {"mean": 42.0, "spread": 2.0, "values": [40.0, 42.0, 44.0]}
    assert "| depdis-M4 | 42.0 ± 2.0 (3) |" in as_markdown(found)


def test_each_process_gets_one_of_the_gpus_that_the_sweep_may_use():
    assert _gpus(3, None) == ["0", "1", "2"]
    assert _gpus(2, "5,3") == ["5", "3"]
    assert _gpus(0, "") == []


def test_the_cores_are_shared_out(monkeypatch):
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)))
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)

    def each(jobs, threads):
        places = _places(jobs, threads)
        return places.qsize(), places.get()["OMP_NUM_THREADS"]

    assert each(None, None) == (8, "1")
    assert each(2, None) == (2, "4")
    assert each(None, 4) == (2, "4")
    assert each(3, 1) == (3, "1")
    assert each(None, 16) == (1, "16")
