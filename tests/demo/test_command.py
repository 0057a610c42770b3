"""`depdis-demo`: wrong use, and what its process leaves behind."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

import depdis_demo


def demo(*words: str, folder: Path, code: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-c", code) if code else ("-m", "depdis_demo.cli")), *words]
    return subprocess.run(
        command, capture_output=True, text=True, env={"TMPDIR": str(folder), "PATH": "/usr/bin:/bin"}
    )


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--auth", "name"), 2, "--auth takes NAME:PASSWORD"),
        (("--max-seconds", "0"), 2, "--max-seconds: expected more than 0, got 0"),
        (("--max-minutes", "0"), 2, "--max-minutes: expected more than 0, got 0"),
        (("--max-frames", "0"), 2, "greater than or equal to 1"),
        (("--model", "missing.onnx"), 2, "--model missing.onnx: no such file"),
        (("--port", "0"), 2, "greater than or equal to 1"),
    ],
)
def test_wrong_use_is_one_line(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    done = demo(*words, folder=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_taken_port_is_one_line_and_leaves_no_files(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = demo("--port", str(taken.getsockname()[1]), folder=tmp_path)
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_gradio_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['gradio'] = None; from depdis_demo.cli import main; main()"
    done = demo(folder=tmp_path, code=code)
    assert done.returncode == 1
    assert done.stderr == "error: the demo needs gradio: pip install 'depdis-deploy[demo,cpu]'\n"
    assert list(tmp_path.iterdir()) == []


def test_no_asset_names_an_address_of_another_machine() -> None:
    folder = Path(depdis_demo.__file__).parent / "assets"
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert {"common.js", "demo.css", "picture.html"} <= set(texts)
    for name, text in texts.items():
        addresses = [word for word in text.split('"') if "://" in word and word != "http://www.w3.org/2000/svg"]
        assert addresses == [], name
