from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from depdis_deploy import folder_lock
from depdis_deploy.command import InputError
from depdis_deploy.folder_lock import LOCK_FILE, locked

ROOT = Path(__file__).parents[2]
HOLD = """
import sys
from pathlib import Path
from depdis_deploy.folder_lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds `folder` until a line comes on its stdin."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_folder_is_held_by_one_process_and_free_after_sigkill(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        held = pytest.raises(InputError, match=rf"{tmp_path}: another run .*\(process {process.pid} on ")
        with held, locked(tmp_path):
            raise AssertionError
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert (tmp_path / LOCK_FILE).exists()
    with locked(tmp_path), pytest.raises(InputError, match="another run is writing there"), locked(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []


def test_waits_for_another_holder_and_reports_it_once(tmp_path: Path) -> None:
    reported = threading.Event()
    with holder(tmp_path) as process:

        def let_go() -> None:
            assert process.stdin is not None
            reported.wait()
            process.stdin.write("\n")
            process.stdin.flush()

        thread = threading.Thread(target=let_go)
        thread.start()
        calls = []
        with locked(tmp_path, waiting=lambda: (calls.append(1), reported.set())[0]):
            assert process.wait() == 0
        thread.join()
    assert calls == [1]


@pytest.mark.parametrize("kind", ["symlink", "hard link", "fifo", "folder"])
def test_rejects_lock_file_that_is_something_else(tmp_path: Path, kind: str) -> None:
    folder, other = tmp_path / "out", tmp_path / "other"
    folder.mkdir()
    other.write_text("content")
    lock = folder / LOCK_FILE
    if kind == "symlink":
        lock.symlink_to(other)
    elif kind == "hard link":
        lock.hardlink_to(other)
    elif kind == "fifo":
        os.mkfifo(lock)
    else:
        lock.mkdir()
    with pytest.raises(InputError, match=LOCK_FILE), locked(folder):
        raise AssertionError
    assert other.read_text() == "content"
    assert lock.is_symlink() or lock.exists()


def test_without_kernel_locks_the_file_itself_is_the_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_lock, "fcntl", None)  # as on a platform that lacks it
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()} on "), locked(tmp_path):
        raise AssertionError
    assert list(tmp_path.iterdir()) == []
    ended = multiprocessing.get_context("spawn").Process()
    ended.start()
    ended.join()
    (tmp_path / LOCK_FILE).write_text(f"{ended.pid} {folder_lock.socket.gethostname()}\n")
    with locked(tmp_path):  # its process has ended on this host
        assert str(os.getpid()) in (tmp_path / LOCK_FILE).read_text()
    (tmp_path / LOCK_FILE).write_text(f"{ended.pid} another-host\n")
    with pytest.raises(InputError, match="another-host"), locked(tmp_path):
        raise AssertionError
