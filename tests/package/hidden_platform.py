"""Import or run the package as if the system had only what macOS and Windows have too."""

from __future__ import annotations

import importlib
import os
import pkgutil
import select
import signal
import sys
from collections.abc import Sequence
from types import ModuleType

_MODULES = {"fcntl", "resource", "pwd", "grp", "termios", "tty", "pty", "syslog", "spwd", "nis", "crypt"}
_OS = (
    "sched_getaffinity", "sched_setaffinity", "fork", "forkpty", "getuid", "geteuid", "getgid", "getegid",
    "killpg", "getpgid", "setsid", "mkfifo", "mknod", "statvfs", "getloadavg", "sysconf", "nice", "pipe2",
    "memfd_create",
    "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_DIRECTORY", "posix_fadvise", "sendfile", "wait4",
    "register_at_fork", "WNOHANG",
)  # fmt: skip
_SIGNAL = (
    "SIGHUP", "SIGALRM", "SIGKILL", "SIGXCPU", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGQUIT", "alarm",
    "setitimer", "ITIMER_REAL", "pthread_sigmask", "SIG_BLOCK", "SIG_SETMASK", "sigwait",
)  # fmt: skip


class _Blocked:
    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in _MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def hide() -> None:
    """Take away what Linux has and other systems lack. Libraries have to be imported before."""
    for module, names in ((os, _OS), (signal, _SIGNAL), (select, ("poll", "epoll"))):
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    for name in _MODULES:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, _Blocked())  # type: ignore[arg-type]


def import_all(packages: Sequence[str]) -> int:
    """Import every module of the packages; returns how many. Those for `python -m` only start there."""
    count = 0
    for name in packages:
        package: ModuleType = importlib.import_module(name)
        for found in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not found.name.endswith("__main__"):
                importlib.import_module(found.name)
                count += 1
    return count


if __name__ == "__main__":
    libraries, packages, words = sys.argv[1].split(","), sys.argv[2].split(","), sys.argv[3:]
    for library in libraries:
        importlib.import_module(library)
    hide()
    print(import_all(packages), file=sys.stderr)
    if words:
        sys.argv = words
        importlib.import_module(words[0]).main()
