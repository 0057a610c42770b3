"""Commands whose standard streams are closed, full or left by their reader."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from calling import ROOT, lines
from clips import write_picture
from typer.testing import CliRunner

from depdis_deploy import command, standard_streams
from depdis_deploy.standard_streams import open_missing, reserve_stdout, restored_stdout
from depdis_deploy.terminal import write_out

_MODULES = {
    "infer": "depdis_deploy.cli",
    "serve": "depdis_deploy.serve.cli",
    "data": "depdis_training.data_cli",
    "benchmark": "depdis_deploy.benchmark.cli",
    "train": "depdis_training.train_cli",
    "evaluate": "depdis_training.evaluate_cli",
    "export": "depdis_export.cli",
    "demo": "depdis_demo.cli",
}
# Missing files and unknown options fail in every command; each ends before anything heavy is imported.
_WRONG = {
    "infer": (1, "missing.png"),
    "serve": (2, "--bad"),
    "benchmark": (2, "--bad"),
    "train": (2, "--bad"),
    "evaluate": (2, "--bad"),
    "data": (1, "check", "missing"),
    "export": (2, "--bad"),
    "demo": (2, "--bad"),
}


def run(redirection: str, command: str, *words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command by a shell that closes or redirects its streams."""
    code = f"from {_MODULES[command]} import main; main()"
    paths = os.pathsep.join(str(ROOT / folder) for folder in (".", "training", "export", "demo"))
    return subprocess.run(
        ["sh", "-c", f'exec "$0" "$@" {redirection}', sys.executable, "-c", code, *map(str, words)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.long
@pytest.mark.parametrize("command", _MODULES)
def test_every_command_keeps_its_exit_status_without_streams(command: str, tmp_path: Path) -> None:
    status, *words = _WRONG[command]
    done = run("<&- >&- 2>&-", command, *words, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (status, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("redirection", "error"),
    [("<&-", "error: missing.png: no such file or folder\n"), ("2>&-", ""), ("2>/dev/full", "")],
)
def test_reports_missing_input_with_the_same_exit_status(redirection: str, error: str, tmp_path: Path) -> None:
    done = run(redirection, "infer", "missing.png", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (1, "", error)


def test_writes_no_message_into_a_result_without_streams(tmp_path: Path, model: Path) -> None:
    write_picture(tmp_path / "a.png")
    words = ("a.png", "missing.png", "--model", model, "--outdir", "out", "--save", "json")
    assert run("<&- >&- 2>&-", "infer", *words, cwd=tmp_path).returncode == 1
    assert [record["source"] for record in lines(tmp_path / "out/a.ndjson")] == ["a.png"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.ndjson"}


@pytest.mark.parametrize(
    ("redirection", "error"),
    [
        (">&-", "stdout is closed"),
        pytest.param(">/dev/full", "stdout: no more results", marks=pytest.mark.long),
    ],
)
def test_records_that_cannot_be_written_are_an_error(
    redirection: str, error: str, tmp_path: Path, model: Path
) -> None:
    write_picture(tmp_path / "a.png")
    done = run(redirection, "infer", "a.png", "--model", model, "--stdout", "--quiet", cwd=tmp_path)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert error in done.stderr


def test_closed_streams_get_the_null_device() -> None:
    kept = [os.dup(number) for number in range(3)]
    try:
        for number in range(3):
            os.close(number)
        open_missing()
        names = [os.readlink(f"/proc/self/fd/{number}") for number in range(3)]
        inherited = [os.get_inheritable(number) for number in range(3)]
    finally:
        for number, copy in enumerate(kept):
            os.dup2(copy, number)
            os.close(copy)
    assert names == ["/dev/null"] * 3
    assert inherited == [True] * 3


def test_results_alone_reach_a_reserved_stdout(capfd: pytest.CaptureFixture[str]) -> None:
    with restored_stdout():
        reserve_stdout()
        reserve_stdout()
        print("printed by a library")
        os.write(1, b"written by C code\n")
        subprocess.run(["echo", "of a child"], check=True)
        write_out("a result")
    print("afterwards")
    captured = capfd.readouterr()
    assert captured.out == "a result\nafterwards\n"
    assert sorted(captured.err.splitlines()) == ["of a child", "printed by a library", "written by C code"]
    assert not standard_streams._Results.redirected


@pytest.mark.parametrize("call", ["run", "app"])
def test_leaves_no_state_behind_in_the_process(call: str, capfd: pytest.CaptureFixture[str]) -> None:
    app = typer.Typer()

    @app.command()
    def work() -> None:
        command.begin()
        write_out("a result")

    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number) for number in numbers]
    if call == "run":
        with pytest.raises(SystemExit) as end:
            command.run(app, args=[])
        assert (end.value.code, capfd.readouterr().out) == (0, "a result\n")
    else:
        done = CliRunner().invoke(app)
        assert (done.exit_code, done.stdout) == (0, "a result\n")
    assert [signal.getsignal(number) for number in numbers] == before
    write_out("afterwards")
    os.write(1, b"written by C code\n")
    assert capfd.readouterr() == ("afterwards\nwritten by C code\n", "")


@pytest.mark.long
def test_a_log_whose_reader_left_ends_no_run(tmp_path: Path, model: Path) -> None:
    write_picture(tmp_path / "a.png")
    command = '{ "$0" "$@" 2>&1 >/dev/null; echo $? >status; } | true'
    code = "from depdis_deploy.cli import main; main()"
    subprocess.run(
        ["sh", "-c", command, sys.executable, "-c", code, "a.png", "--model", str(model), "--outdir", "out"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
        timeout=120,
    )
    assert (tmp_path / "status").read_text() == "0\n"
    assert len(lines(tmp_path / "out/a.ndjson")) == 1
