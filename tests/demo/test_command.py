"""`depdis-demo`: wrong use, and what its process leaves behind."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import depdis_demo
from depdis_demo.settings import Settings, auth_of
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.install_hint import install
from depdis_deploy.listening import listen


def free_port() -> str:
    """A port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


def demo(
    *words: str, folder: Path, code: str | None = None, auth: str = ""
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *(("-c", code) if code else ("-m", "depdis_demo.cli")), *words]
    environment = {
        "TMPDIR": str(folder),
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": os.pathsep.join(sys.path),
        "DEPDIS_DEMO_AUTH": auth,
    }
    return subprocess.run(command, capture_output=True, text=True, env=environment)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        (("--auth", "name"), 2, "--auth takes NAME:PASSWORD"),
        (("--max-seconds", "0"), 2, "--max-seconds: expected more than 0, got 0"),
        (("--max-minutes", "0"), 2, "--max-minutes: expected more than 0, got 0"),
        (("--max-frames", "0"), 2, "greater than or equal to 1"),
        (("--model", "missing.onnx"), 2, "--model missing.onnx: no such file"),
        (("--port", "0"), 2, "greater than or equal to 1"),
        (
            ("--host", "0.0.0.0"),
            2,
            "--host 0.0.0.0 can be reached from other machines: set DEPDIS_DEMO_AUTH to",
        ),
    ],
)
def test_wrong_use_is_one_line(words: tuple[str, ...], status: int, message: str, tmp_path: Path) -> None:
    done = demo(*words, folder=tmp_path)
    assert done.returncode == status
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "192.168.0.7", "demo.example.org", "", "0", "127.0.0.1.nip.io"]
)
def test_rejects_a_host_that_others_reach_without_a_password(host: str) -> None:
    with pytest.raises(UsageError, match="can be reached from other machines"):
        Settings(host=host)
    assert Settings(host=host, auth=("anna", "secret")).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1", "[::1]"])
def test_accepts_a_host_of_this_machine_alone(host: str) -> None:
    assert Settings(host=host).auth is None


@pytest.mark.parametrize(
    "path", ["depdis", "/depdis/", "//evil.test", "/a/../b", "/a b", "/a?b", "http://a.test/", "/"]
)
def test_rejects_a_root_path_that_is_no_path(path: str) -> None:
    with pytest.raises(UsageError, match="--root-path"):
        Settings(root_path=path)


def test_accepts_root_paths() -> None:
    for path in ("", "/depdis", "/a/b-c_d.e~f"):
        assert Settings(root_path=path).root_path == path


@pytest.mark.parametrize("name", ["http://a.test", "a.test:443", "a.test/x", "*", "", "A.test"])
def test_rejects_an_allowed_host_that_is_no_name(name: str) -> None:
    with pytest.raises(UsageError, match="--allow-host"):
        Settings(allow_hosts=(name,))


def test_name_and_password_come_from_the_option_or_the_environment() -> None:
    environment = {"DEPDIS_DEMO_AUTH": "anna:correct:horse"}
    assert auth_of(None, environment) == ("anna", "correct:horse")
    assert auth_of("ben:b", environment) == ("ben", "b")
    assert auth_of(None, {}) is auth_of(None, {"DEPDIS_DEMO_AUTH": ""}) is None
    for option, given in (("", {}), ("anna", {}), (":b", {}), (None, {"DEPDIS_DEMO_AUTH": "anna"})):
        with pytest.raises(UsageError, match="takes NAME:PASSWORD"):
            auth_of(option, given)


def test_a_host_that_is_not_found_is_named() -> None:
    with pytest.raises(
        InputError, match=r"cannot listen on no\.such\.host\.invalid:7860 \(.*choose another --port"
    ):
        listen("no.such.host.invalid", 7860)


def test_a_taken_port_is_one_line_and_leaves_no_files(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = demo("--host", "0.0.0.0", "--port", port, folder=tmp_path, auth="anna:secret")
    assert done.returncode == 1
    assert "choose another --port" in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_gradio_the_extra_is_named(tmp_path: Path) -> None:
    code = "import sys; sys.modules['gradio'] = None; from depdis_demo.cli import main; main()"
    done = demo("--port", free_port(), folder=tmp_path, code=code)
    assert done.returncode == 1
    assert (
        done.stderr == f"error: depdis-demo needs packages that are not installed: gradio; {install('demo')}\n"
    )
    assert list(tmp_path.iterdir()) == []


def test_no_asset_names_an_address_of_another_machine() -> None:
    folder = Path(depdis_demo.__file__).parent / "assets"
    texts = {path.name: path.read_text("utf-8") for path in folder.iterdir()}
    assert {"common.js", "demo.css", "picture.html"} <= set(texts)
    for name, text in texts.items():
        addresses = [word for word in text.split('"') if "://" in word and word != "http://www.w3.org/2000/svg"]
        assert addresses == [], name
