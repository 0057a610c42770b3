"""A model from outside the package is loaded and run once in a child process with limits."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from calling import start_infer
from clips import write_picture
from hostile_models import constant, node, with_nodes, write
from tiny_model import graph

from depdis_deploy.backends import open_session, trial
from depdis_deploy.backends.local_engines import cache_folder
from depdis_deploy.backends.model_file import read_model
from depdis_deploy.child_limits import environment_without_secrets
from depdis_deploy.command import InputError

GENEROUS = trial.Limits(seconds=120, memory=2**32)


@pytest.fixture
def untried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model that nobody has tried, and a cache without notes."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write(tmp_path / "model.onnx", graph())


def slow_model(path: Path) -> Path:
    """Allowed operators, and as many of them as keep a core busy for tens of seconds."""
    # From the input on, since engines compute constants while they load a model.
    nodes = [node("ReduceMax", ["own_depth"], ["peak"], keepdims=0), node("Expand", ["peak", "shape"], ["p0"])]
    nodes += [node("MatMul", [f"p{index}", f"p{index}"], [f"p{index + 1}"]) for index in range(28)]
    nodes += [node("ReduceMax", ["p28"], ["most"], keepdims=0), node("Add", ["own_depth", "most"], ["depth"])]
    return write(path, with_nodes(nodes, [constant("shape", [3000, 3000])]), size=(640, 320))


def children() -> set[str]:
    """Process ids of this process's children."""
    found = Path(f"/proc/{os.getpid()}/task").glob("*/children")
    return {number for file in found for number in file.read_text().split()}


def without_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")


def test_model_is_tried_once_for_each_engine(untried: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    open_session(untried, "cpu", 1, engine="onnxruntime")
    with monkeypatch.context() as patch:
        without_processes(patch)
        with pytest.raises(InputError, match="cannot start a process for the trial run"):
            open_session(untried, "cpu", 1, engine="openvino")
    open_session(untried, "cpu", 1, engine="openvino")
    without_processes(monkeypatch)
    for engine in ("onnxruntime", "openvino"):
        session = open_session(untried, "cpu", 1, engine=engine)
        assert session.run(np.zeros((1, 32, 64, 3), np.uint8))["labels"].shape == (1, 32, 64)


@pytest.mark.parametrize("change", ["another model", "other contents", "written by others", "folder of others"])
def test_note_of_a_trial_holds_for_one_model_and_only_if_the_user_wrote_it(
    untried: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    trial.vouch(untried)
    notes = list((cache_folder() / "trials").iterdir())
    assert notes
    if change == "another model":
        model = graph()
        model.doc_string = "other bytes"
        write(untried, model)
    for note in notes:
        if change == "other contents":
            note.write_bytes(b"ok")
        elif change == "written by others":
            note.chmod(0o666)
    if change == "folder of others":
        notes[0].parent.chmod(0o777)
    without_processes(monkeypatch)
    with pytest.raises(InputError, match="cannot start a process for the trial run"):
        open_session(untried, "cpu", 1)


def test_ends_a_trial_at_its_deadline(untried: Path) -> None:
    file, before = read_model(slow_model(untried)), children()
    with pytest.raises(InputError, match=r"trial run in onnxruntime did not finish within 0\.3 s"):
        trial.require_trial(file, "onnxruntime", "fp32", 1, trial.Limits(seconds=0.3, memory=2**32))
    assert children() <= before
    assert not (cache_folder() / "trials").exists()


@pytest.mark.parametrize(("engine", "megabytes"), [("onnxruntime", 40), ("openvino", 150)])
def test_rejects_model_that_needs_more_memory_than_allowed(untried: Path, engine: str, megabytes: int) -> None:
    pytest.importorskip(engine)
    nodes = [
        node("Expand", ["rgb", "shape"], ["large"]),
        node("ReduceMax", ["large"], ["most"], keepdims=0),
        node("Add", ["own_depth", "most"], ["depth"]),
    ]
    model = with_nodes(nodes, [constant("shape", [2500, 1, 1, 1, 1])])
    file = read_model(write(untried, model))
    with pytest.raises(InputError, match=r"needed more than 0\.\d GB of memory") as error:
        trial.require_trial(file, engine, "fp32", 1, trial.Limits(seconds=120, memory=megabytes * 2**20))
    assert len(str(error.value).splitlines()) == 1


def test_names_the_signal_of_a_crash(untried: Path) -> None:
    file = read_model(untried)
    text = trial._verdict(file, "openvino", GENEROUS, -signal.SIGSEGV, b"")
    assert text is not None
    assert "a trial run in openvino ended the process (SIGSEGV)" in text


def test_reports_the_engine_s_own_message(untried: Path) -> None:
    model = graph()
    for entry in model.graph.initializer:
        if entry.name == "channel2":
            entry.CopyFrom(constant("channel2", [7]))  # of three channels
    with pytest.raises(InputError, match=r"Gather.*out of data bounds") as error:
        open_session(write(untried, model), "cpu", 1, engine="onnxruntime")
    assert len(str(error.value).splitlines()) == 1


def test_child_gets_no_secrets_and_imports_nothing_from_the_working_folder(
    untried: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DEPDIS_API_KEY", "AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "DB_PASSWORD"):
        monkeypatch.setenv(name, "hidden")
    assert "hidden" not in environment_without_secrets().values()
    monkeypatch.chdir(tmp_path)
    for name in ("json.py", "numpy.py", "onnxruntime.py"):
        Path(name).write_text("open('imported', 'w').close()\nraise SystemExit(1)\n")
    Path(os.environ["XDG_CACHE_HOME"]).write_text("a file: no note can be kept")
    open_session(untried, "cpu", 1, engine="onnxruntime")
    assert not Path("imported").exists()
    without_processes(monkeypatch)
    with pytest.raises(InputError, match="cannot start a process"):
        open_session(untried, "cpu", 1, engine="onnxruntime")


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_ctrl_c_and_a_kill_end_the_trial_and_the_command(
    untried: Path, tmp_path: Path, number: signal.Signals, status: int
) -> None:
    model, picture = slow_model(tmp_path / "slow.onnx"), write_picture(tmp_path / "a.png")
    words = (picture, "--model", model, "--device", "cpu", "--outdir", tmp_path / "out")
    with start_infer(*words, start_new_session=True) as process:
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while not (found := children.read_text().split()) and process.poll() is None:
            time.sleep(0.01)
        assert found, process.stderr and process.stderr.read()
        process.send_signal(number)
        process.communicate(timeout=120)
    assert process.returncode == status
    while Path(f"/proc/{found[0]}").exists():  # the test's time limit ends a wait for ever
        time.sleep(0.01)
    assert not (tmp_path / "out").exists()
