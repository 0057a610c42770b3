"""Child processes end with their parent process, whatever ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from calling import ROOT
from decoders import running, wait_until

# Several processes write to one pipe. print() may write a number and its line end one after the other.
PARENT = r"""
import os, pathlib, subprocess, sys, time
from depdis_deploy.parent_process import child_command, parent_pipe
def tell(process):
    os.write(1, b"%d\n" % process)
"""
# Starts a child process that starts another one; each writes its process id.
CHILD = (
    PARENT
    + """
tell(os.getpid())
if sys.argv[1:]:
    subprocess.Popen(child_command("endless", sys.argv[2:]), stdin=parent_pipe())
while True:
    pass
"""
)
START = PARENT + 'subprocess.Popen(child_command("endless", ["more", "more"]), stdin=parent_pipe())\n'
# A process that was forked before or after the pipe was made lives on, and must not hold it open.
FORKED = "if os.fork() == 0:\n    tell(os.getpid())\n    time.sleep(600)\n    os._exit(0)\n"
ADAPTATION = """
from pathlib import Path
from depdis_demo.adaptation import Adaptation
work = Adaptation(Path("clip.mp4"), Path("."), Path("streets"), (), threads=1)
work.start()
print(work._process.pid, flush=True)
"""
# An image that is being received when the program ends, by a worker whose requests another process holds open.
DECODER = (
    PARENT
    + """
from depdis_deploy.media.image_process import DecoderProcess
decoder = DecoderProcess()
os.write(decoder._stdin, b"abc")
if os.fork() == 0:
    tell(os.getpid())
    time.sleep(600)
    os._exit(0)
tell(decoder._process.pid)
"""
)


def started(code: str, count: int, folder: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A program and the process ids that it and its children write."""
    (folder / "endless.py").write_text(CHILD)
    paths = os.pathsep.join(str(path) for path in (folder, ROOT, ROOT / "demo"))
    program = subprocess.Popen(
        [sys.executable, "-c", code + "\nimport time\ntime.sleep(600)\n"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths},
    )
    assert program.stdout is not None
    return program, [int(program.stdout.readline()) for _ in range(count)]


@pytest.mark.parametrize(
    ("code", "children", "forked"),
    [(START, 2, 0), (START + FORKED, 2, 1), (ADAPTATION, 1, 0), (DECODER, 1, 1)],
    ids=["children of children", "with a fork", "adaptation", "image decoder"],
)
def test_children_end_with_their_killed_parent(tmp_path: Path, code: str, children: int, forked: int) -> None:
    program, found = started(code, children + forked, tmp_path)
    with program:
        left = [pid for pid in found if Path(f"/proc/{pid}/cmdline").read_bytes() == cmdline(program)]
        assert len(left) == forked
        program.kill()
        program.wait()
        try:
            wait_until(lambda: [pid for pid in found if running(pid)] == left)
        finally:
            for pid in left:
                os.kill(pid, signal.SIGKILL)


def cmdline(program: subprocess.Popen[str]) -> bytes:
    return Path(f"/proc/{program.pid}/cmdline").read_bytes()


def test_arguments_and_exit_status_are_the_module_s_own(tmp_path: Path) -> None:
    code = PARENT + (
        'words = child_command("module", ["a", "-b"])\n'
        "done = subprocess.run(words, stdin=parent_pipe(), capture_output=True)\n"
        "print(done.returncode, done.stdout.decode())\n"
    )
    (tmp_path / "module.py").write_text("import sys; print(__name__, sys.argv[1:]); sys.exit(3)")
    paths = os.pathsep.join(map(str, (tmp_path, ROOT)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": paths}
    )
    assert done.stdout == "3 __main__ ['a', '-b']\n\n", done.stderr


def test_every_child_process_of_the_package_ends_with_its_parent() -> None:
    files = [path for name in ("depdis_deploy", "training", "export") for path in (ROOT / name).rglob("*.py")]
    starting = re.compile(r"subprocess\.(?:Popen|run|call|check_\w+)\(")
    for path in (*files, ROOT / "demo" / "depdis_demo" / "adaptation.py"):
        text = path.read_text("utf-8")
        # the import, and one for each
        assert not starting.search(text) or text.count("parent_pipe()") >= len(starting.findall(text)), path
