"""Child processes that end when their parent process ends, even if that is killed.

A program has one pipe that it never writes to and never closes. Its child processes get the reading end, which
comes to its end with the program, whatever ended it.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress

_pipe: list[int] = []  # both ends; empty until it is needed


def parent_pipe() -> int:
    """Return the reading end of this program's pipe: standard input, or another descriptor, of a child process.

    Only the program itself holds the other end: processes that it starts do not inherit it.
    """
    if not _pipe:
        _pipe.extend(os.pipe())
    return _pipe[0]


def _close() -> None:
    """Close both ends in a fork, which else would hold its parent's pipe open."""
    for end in _pipe:
        os.close(end)
    _pipe.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close)


def child_command(module: str, arguments: Sequence[str]) -> list[str]:
    """Return the command line that runs a module as a child process.

    It ends with this program if its standard input is `parent_pipe()`.
    """
    return [sys.executable, "-m", __name__, module, *arguments]


def end_with_parent(pipe: int = 0) -> None:
    """End this process once its parent process has ended.

    Args:
        pipe: Descriptor that the parent process gave as its `parent_pipe()`.
    """
    threading.Thread(target=_wait, args=(pipe,), name="parent", daemon=True).start()


def _wait(pipe: int) -> None:
    with suppress(OSError):
        os.read(pipe, 1)
    os._exit(1)


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
