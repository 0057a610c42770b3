"""Images decoded in child processes: what can happen to one must not happen to the program."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from calling import ROOT, start_infer
from decoders import decoders as all_decoders
from decoders import running, wait_until

from benchmarks import hostile_images as hostile
from depdis_deploy.command import InputError
from depdis_deploy.media.image_files import TooLarge
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.pictures import read_picture

MOST = 1_000_000
PNG = hostile.encoded(64, 32, "PNG")
PROGRAM = """
import sys, time
from depdis_deploy.media.image_workers import ImageDecoder
decoder = ImageDecoder(2)
decoder.start()
decoder.read(sys.argv[1], max_pixels=10**6)
print("decoded", flush=True)
"""


OTHERS: set[int] = set()  # of this process, for tests in other files


@pytest.fixture(autouse=True)
def others() -> None:
    OTHERS.clear()
    OTHERS.update(all_decoders())


def decoders(parent: int | None = None) -> set[int]:
    return all_decoders(parent) - OTHERS


@pytest.fixture
def decoder() -> Iterator[ImageDecoder]:
    with ImageDecoder(1) as made:
        yield made
    assert decoders() == set()


def only(decoder: ImageDecoder) -> int:
    """Process id of the worker of a decoder with one, which has decoded an image."""
    decoder.decode(PNG, "a", max_pixels=MOST)
    (pid,) = decoders()
    return pid


def busy(decoder: ImageDecoder) -> bool:
    """Whether all processes have been given an image."""
    return not any(process.ready for process in decoder._running)


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Hold a process, as an image without end would."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        resume(pid)


def resume(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM"])
def test_gives_the_pixels_of_this_process(tmp_path: Path, decoder: ImageDecoder, kind: str) -> None:
    path = tmp_path / "a.image"
    path.write_bytes(hostile.noise(200, 150, kind))  # larger than a pipe holds
    expected = read_picture(path)
    assert (decoder.read(path, max_pixels=MOST) == expected).all()
    found = decoder.decode(path.read_bytes(), "a", max_pixels=MOST, formats=(kind,))
    assert (found.dtype, found.shape) == (np.uint8, (150, 200, 3))
    assert (found == expected).all()


def test_gives_the_errors_of_this_process(tmp_path: Path, decoder: ImageDecoder) -> None:
    pid = only(decoder)
    (tmp_path / "text.png").write_text("no image")
    (tmp_path / "scans.jpg").write_bytes(hostile.jpeg_with_scans(64, 64, 200))
    (tmp_path / "huge.png").write_bytes(hostile.png_claiming(2000, 2000))
    (tmp_path / "caf\udce9.png").write_bytes(b"GIF89a")
    for name in ("text.png", "scans.jpg", "huge.png", "caf\udce9.png", "none.png", "folder"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        with pytest.raises(InputError) as expected:
            read_picture(tmp_path / name, max_pixels=MOST)
        with pytest.raises(InputError) as found:
            decoder.read(tmp_path / name, max_pixels=MOST)
        assert (type(found.value), str(found.value)) == (type(expected.value), str(expected.value))
    with pytest.raises(TooLarge, match="2000x2000 is too large, expected at most 1,000,000 pixels"):
        decoder.decode(hostile.png_claiming(2000, 2000), "the image", max_pixels=MOST)
    with pytest.raises(InputError, match="the image: it is empty"):
        decoder.decode(b"", "the image", max_pixels=MOST)
    with pytest.raises(InputError, match=r"expected JPEG, PNG$"):
        decoder.decode(hostile.encoded(8, 8, "GIF"), "a", max_pixels=MOST, formats=("JPEG", "PNG"))
    assert only(decoder) == pid  # an error costs no process


def test_kills_and_replaces_a_process_at_the_deadline() -> None:
    with ImageDecoder(1, deadline_s=30) as patient:
        pid = only(patient)
        patient._deadline_s = 0.3
        with stopped(pid), pytest.raises(InputError, match=r"^a: decoding takes more than 0\.3 s; save it"):
            patient.decode(PNG, "a", max_pixels=MOST)
        assert not running(pid)
        patient._deadline_s = 30
        assert only(patient) != pid


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGXCPU])
def test_survives_a_crash(decoder: ImageDecoder, number: signal.Signals) -> None:
    pid = only(decoder)
    with ThreadPoolExecutor(1) as pool, stopped(pid):
        waiting = pool.submit(decoder.decode, PNG, "a", max_pixels=MOST)
        wait_until(lambda: busy(decoder))
        os.kill(pid, number)
        resume(pid)
        words = "more processor time" if number == signal.SIGXCPU else f"its decoder ended with signal {number}"
        with pytest.raises(InputError, match=words):
            waiting.result(timeout=60)
    idle = only(decoder)
    os.kill(idle, number)
    # With all of its threads; it is still there to be waited for.
    wait_until(lambda: os.waitid(os.P_PID, idle, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None)
    assert only(decoder) != idle  # one that died while it was idle costs no image


def test_gives_up_an_image_that_nobody_waits_for(decoder: ImageDecoder) -> None:
    pid, left = only(decoder), threading.Event()
    with ThreadPoolExecutor(1) as pool, stopped(pid):
        waiting = pool.submit(decoder.decode, PNG, "a", max_pixels=MOST, stopped=left)
        wait_until(lambda: busy(decoder))
        left.set()
        with pytest.raises(InputError, match=r"^a: decoding was cancelled$"):
            waiting.result(timeout=60)
    assert not running(pid)


def test_one_image_holds_up_no_other() -> None:
    with ImageDecoder(2) as decoder, ThreadPoolExecutor(2) as pool:
        decoder.start()
        first, second = decoders()
        with stopped(first):
            with stopped(second):
                waiting = [pool.submit(decoder.decode, PNG, name, max_pixels=MOST) for name in "ab"]
                wait_until(lambda: busy(decoder))
            _, held = wait(waiting, return_when=FIRST_COMPLETED)
            for _ in range(5):
                assert decoder.decode(PNG, "c", max_pixels=MOST).shape == (32, 64, 3)
            assert len(held) == 1
            assert not held.pop().done()
        assert [future.result(timeout=60).shape for future in waiting] == [(32, 64, 3)] * 2
    assert decoders() == set()


def test_limits_memory_and_processor_time_by_the_pixels(decoder: ImageDecoder) -> None:
    pid = only(decoder)
    memory = resource.prlimit(pid, resource.RLIMIT_AS)[0]
    assert 0 < memory < 2**30
    assert 0 < resource.prlimit(pid, resource.RLIMIT_CPU)[0] < 60
    decoder.decode(hostile.encoded(1000, 1000, "PNG"), "a", max_pixels=MOST)
    assert memory < resource.prlimit(pid, resource.RLIMIT_AS)[0] < 2**30


def test_leaves_no_process_and_no_descriptor() -> None:
    before = len(os.listdir("/proc/self/fd"))
    with ImageDecoder(3) as decoder:
        decoder.start()
        assert len(decoders()) == 3
    assert decoders() == set()
    assert len(os.listdir("/proc/self/fd")) == before
    with pytest.raises(InputError, match="cancelled"):
        decoder.decode(PNG, "a", max_pixels=MOST)


@pytest.mark.parametrize("end", ["sys.exit()", "time.sleep(600)"])
def test_processes_end_with_the_program(tmp_path: Path, end: str) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM + "sys.stdin.read(1)\n" + end, tmp_path / "a.png"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as program:  # fmt: skip
        assert program.stdout is not None
        assert program.stdin is not None
        assert program.stdout.readline() == "decoded\n"
        children = decoders(program.pid)
        assert len(children) == 2
        for pid in children:
            os.kill(pid, signal.SIGINT)  # Ctrl-C is for the program
        if "exit" in end:
            program.stdin.write("x")
            program.stdin.close()
        else:
            program.kill()
    wait_until(lambda: not any(map(running, children)))


def test_child_gets_no_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEPDIS_API_KEY", "hidden")
    known = decoders(os.getpid())
    with ImageDecoder(1) as decoder:
        decoder.start()
        (child,) = set(decoders(os.getpid())) - set(known)
        assert b"hidden" not in Path(f"/proc/{child}/environ").read_bytes()


def test_imports_nothing_from_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'run')!r}, 'w')")
    program = "import sys\nsys.path.remove('')\n" + PROGRAM
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, tmp_path / "a.png"]
    subprocess.run(command, check=True, cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL)
    assert not (tmp_path / "run").exists()


def test_ctrl_c_ends_a_run_whose_image_hangs(tmp_path: Path, model: Path) -> None:
    (tmp_path / "a.png").write_bytes(PNG)
    (tmp_path / "list.txt").write_text("a.png\n" * 500)
    words = ("--model", model, "--save", "json", "--outdir", tmp_path / "out", "--quiet")
    with start_infer(tmp_path / "list.txt", *words) as process:
        wait_until(lambda: bool(decoders(process.pid)))
        children = decoders(process.pid)
        for pid in children:
            os.kill(pid, signal.SIGSTOP)
        process.send_signal(signal.SIGINT)
        err = process.communicate(timeout=60)[1]
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert not any(map(running, children))
