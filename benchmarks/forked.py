"""A call in a process that was started for it alone: what it says, takes and does is seen from outside.

What is imported before is there at once in each of them, so that thousands take minutes; and a fault in a
library's compiled code ends that one call.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.backends.local_engines import cache_folder

PROCESSOR_S, WALL_S = 10, 120  # a call that takes longer hangs; other load on the machine stretches the second
ADDRESSES = 8 * 2**30  # bytes that it may claim: what would take all of the machine's memory fails earlier
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGES = {
    "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.symlink", "os.link", "os.truncate", "os.chmod",
}  # fmt: skip
_DECODERS = "depdis_deploy.media."  # of the modules that may run as child processes
_NEVER = ("socket.connect", "socket.getaddrinfo", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn")


@dataclass(frozen=True)
class Outcome:
    """status: of the exit, None where a signal ended it; err: what it wrote to stdout and stderr.

    peak_mb: the most memory it held; forbidden: what it did outside its own folder, or over the network;
    modules: what it imported.
    """

    status: int | None
    signal: int
    err: str
    seconds: float
    processor_s: float
    peak_mb: float
    forbidden: tuple[str, ...]
    modules: tuple[str, ...]

    @property
    def hung(self) -> bool:
        return self.signal in (signal.SIGALRM, signal.SIGPROF)


def forked(work: Callable[[], object], folder: Path) -> Outcome:
    """`work` in a process whose working folder is `folder` and that may write below it alone."""
    assert threading.active_count() == 1, "a process with threads cannot be forked"
    said, seen, names = (folder.with_suffix(suffix) for suffix in (".said", ".seen", ".names"))
    sys.stdout.flush()
    begun = time.perf_counter()
    number = os.fork()
    if number == 0:
        _child(work, folder, said, seen, names)
    _, status, usage = os.wait4(number, 0)
    seconds = time.perf_counter() - begun
    outcome = Outcome(
        os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
        said.read_text("utf-8", "replace"), seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024,
        tuple(seen.read_text("utf-8", "replace").splitlines()),
        tuple(names.read_text().split()),
    )  # fmt: skip
    for path in (said, seen, names):
        path.unlink(missing_ok=True)
    return outcome


def _child(work: Callable[[], object], folder: Path, said: Path, seen: Path, names: Path) -> None:
    status, known = 70, set(sys.modules)
    try:
        output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        notes = os.open(seen, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        imported = os.open(names, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for target in (1, 2):
            os.dup2(output, target)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(folder)
        signal.alarm(WALL_S)
        signal.setitimer(signal.ITIMER_PROF, PROCESSOR_S)
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.addaudithook(_watch(folder.resolve(), notes))
        try:
            work()
            status = 0
        except SystemExit as end:
            status = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        with suppress(OSError):
            os.write(imported, "\n".join(set(sys.modules) - known).encode())
        os._exit(status)


def _is_trial(event: str, values: tuple[Any, ...]) -> bool:
    """Whether a process is started to try a model, which has limits of its own."""
    return event == "subprocess.Popen" and any("backends.trial_worker" in str(word) for word in values[1])


def _watch(folder: Path, notes: int) -> Callable[[str, tuple[Any, ...]], None]:
    """An audit hook that writes down what must not be done."""
    # A model that was tried well is noted in the user's cache.
    inside = (os.fsencode(folder) + b"/", os.fsencode(cache_folder().resolve() / "trials") + b"/")

    def outside(path: object) -> bool:
        if not isinstance(path, (str, bytes, os.PathLike)):
            return False  # a file that is open already
        whole = os.path.join(os.getcwdb(), os.fsencode(path))
        return not (os.path.realpath(whole) + b"/").startswith(inside) and whole != b"/dev/null"

    def hook(event: str, values: tuple[Any, ...]) -> None:
        wrong = event.startswith(_NEVER) and not (_is_trial(event, values) or _decodes(event, values))
        if event == "open":
            flags = values[2] if isinstance(values[2], int) else 0
            wrong = bool(flags & _WRITING) and outside(values[0])
        elif event in _CHANGES:
            wrong = any(outside(value) for value in values[:2])
        if wrong:
            os.write(notes, f"{event} {values[:2]!r}\n".encode("utf-8", "backslashreplace"))

    return hook


def _decodes(event: str, values: tuple[Any, ...]) -> bool:
    """Whether what is started is one of the package's own decoders, in this interpreter."""
    if event != "subprocess.Popen" or values[0] != sys.executable:
        return False
    # after the module comes the descriptor of the parent's pipe
    *_, option, module, descriptor = values[1]
    return option == "-m" and str(module).startswith(_DECODERS) and str(descriptor).isdecimal()
