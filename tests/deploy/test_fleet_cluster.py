"""`depdis-infer --ray` on real clusters of this machine: a node killed, the whole command killed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from calling import lines, start_infer
from clips import write_picture
from ray_nodes import listening, need_ray, ray_start, two_nodes

PICTURES, CHUNKS = 160, 16  # two workers, eight chunks for each
KINDS = ("--save", "overlay", "--save", "labels", "--save", "json")
_LONG_S = 250  # a slow machine that does much else


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, one of which is broken."""
    street = tmp_path_factory.mktemp("pictures") / "street"
    street.mkdir()
    for index in range(PICTURES):
        write_picture(street / f"{index:03d}.png", (480, 360), index)
    (street / "050.png").write_text("I am no picture")
    return street


@pytest.fixture(scope="module")
def local(folder: Path, model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of a run without a cluster."""
    out = tmp_path_factory.mktemp("local") / "out"
    with start_infer(folder, "--model", model, "--outdir", out, *KINDS) as process:
        assert process.communicate(timeout=_LONG_S)[1].count("error: ") == 1
    return files(out)


def files(out: Path) -> dict[str, bytes]:
    """What lies in an output folder, without how long each picture took."""
    return {path.name: re.sub(rb'"speed": {.*?}', b"", path.read_bytes()) for path in out.iterdir()}


def start(folder: Path, model: Path, out: Path, *words: object, **options: Any) -> subprocess.Popen[str]:
    return start_infer(folder, "--model", model, "--outdir", out, *KINDS, "--ray", *words, **options)


def wait_for(process: subprocess.Popen[str], out: Path, *, chunks: int, workers: int = 1) -> None:
    """Wait until so many chunks are done and so many workers have begun."""
    until = time.monotonic() + _LONG_S
    unfinished = out / ".unfinished"
    while time.monotonic() < until and process.poll() is None:
        done, begun = len(list(unfinished.glob("parts/*"))), len(list(unfinished.glob("work/*")))
        if done >= chunks and begun >= workers:
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(process.communicate()[1])


def parts(out: Path) -> list[int]:
    """The numbers of the chunks that are done, of a run that goes on."""
    return sorted(int(path.stem) for path in out.glob(".unfinished/parts/*"))


def test_the_command_killed_and_a_node_killed_change_nothing_in_the_results(
    tmp_path: Path, folder: Path, model: Path, local: dict[str, bytes], home: Path
) -> None:
    """On a cluster without tokens, while the user has one."""
    need_ray()
    out = tmp_path / "out"
    write_token(home)
    env = {"HOME": str(home)}
    with two_nodes() as nodes:
        with start(folder, model, out, "--ray-address", nodes.address, env=env) as process:
            wait_for(process, out, chunks=1)
            process.kill()
            process.communicate(timeout=_LONG_S)
        done = parts(out)
        assert 0 < len(done) < CHUNKS
        pictures = json.loads((out / ".unfinished/run.json").read_text())["size"]
        drawn = [out / f"{done[0] * pictures + index:03d}_labels.png" for index in range(pictures)]
        inodes = [path.stat().st_ino for path in drawn if path.exists()]
        with start(folder, model, out, "--ray-address", nodes.address, env=env) as process:
            wait_for(process, out, chunks=len(done) + 1, workers=2)
            nodes.freeze_one()
            # until then it has been given two chunks, which die with it
            wait_for(process, out, chunks=min(len(parts(out)) + 3, CHUNKS - 2))
            nodes.kill_one()
            _, err = process.communicate(timeout=_LONG_S)
    assert files(out) == local
    assert [path.stat().st_ino for path in drawn if path.exists()] == inodes, "what was done is done again"
    assert process.returncode == 1  # as without a cluster: a picture is broken
    assert err.count("error: ") == 1
    assert "050.png: not an image" in err
    assert "2 workers on 2 nodes" in err
    assert re.search(rf"{PICTURES - 1} frames, \d+ of them before", err)


@pytest.fixture
def home() -> Iterator[Path]:
    """A home, and a temporary folder `t` in it, with a short path for Ray's sockets."""
    folder = Path(tempfile.mkdtemp(prefix="r", dir="/tmp"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def write_token(home: Path) -> None:
    (home / ".ray").mkdir()
    (home / ".ray/auth_token").write_text("a" * 32)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def test_ctrl_c_leaves_what_was_done_and_the_way_to_go_on(
    tmp_path: Path, folder: Path, model: Path, home: Path
) -> None:
    """On a cluster that the command starts for itself, which no other user or machine can reach."""
    need_ray()
    out = tmp_path / "out"
    env = {"HOME": str(home), "TMPDIR": str(home), "RAY_AUTH_MODE": "disabled"}
    with start(folder, model, out, "--ray-address", "local", env=env) as process:
        wait_for(process, out, chunks=1)
        (private,) = home.glob("depdis-ray-*")
        assert (mode(private), mode(private / "token")) == (0o700, 0o600)
        assert listening(process.pid) <= LOOPBACK
        assert len(listening(process.pid)) > 0
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=_LONG_S)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert f"the same command, with --outdir {out}, goes on" in err
    sources = [record["source"] for record in lines(out / "street.ndjson")]
    assert 0 < len(sources) < PICTURES - 1
    assert sources == sorted(set(sources))
    named = [name for record in lines(out / "street.ndjson") for name in record["outputs"]]
    assert len(named) >= 2 * (len(sources) - 1)  # an overlay and labels, but of the broken image
    assert all((out / name).exists() for name in named)
    assert list(home.iterdir()) == [], "a token or Ray's files are left, for the next cluster to find"


@pytest.mark.long
@pytest.mark.parametrize("token", [False, True])
def test_joins_a_cluster_of_ray_start_with_and_without_a_token(
    tmp_path: Path, folder: Path, model: Path, home: Path, token: bool
) -> None:
    need_ray()
    if token:
        write_token(home)
    env = {"HOME": str(home), "RAY_TMPDIR": str(home)}
    with ray_start(env) as head, start(folder, model, tmp_path / "out", env=env) as process:
        _, err = process.communicate(timeout=_LONG_S)
    assert process.returncode == 1, err  # an image is broken
    assert err.count("error: ") == 1
    assert "1 worker on 1 node" in err, "the cluster of `ray start` has one CPU"
    assert head.poll() is not None
