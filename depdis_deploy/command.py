"""What all commands share: one line for a fault, the right exit status, no traceback for bad input."""

from __future__ import annotations

import atexit
import math
import os
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NoReturn

from .address import masked_text
from .cpu_quota import cpu_quota
from .install_hint import import_fault
from .standard_streams import open_missing, reserve_stdout, restored_stdout
from .terminal import escape_warnings, printable, write_err

if TYPE_CHECKING:
    import typer


_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]


class _Run:
    """Whether `run` is executing an app. Only `run` restores the signal handlers and stdout."""

    active = False


class InputError(ValueError):
    """Input that cannot be used: says what was expected, what was got and what to do. Exit status 1."""


class UsageError(ValueError):
    """A wrong option or combination of options. Exit status 2."""


class Terminated(BaseException):
    """SIGTERM arrived: like KeyboardInterrupt, so that the work in hand is finished off and kept."""


def raise_on_sigterm() -> None:
    """Turn SIGTERM into `Terminated` in the main thread, and SIGHUP (a closed terminal) into SIGTERM."""

    def stop(signum: int, frame: object) -> NoReturn:
        raise Terminated

    def hang_up(signum: int, frame: object) -> None:
        signal.signal(signum, signal.SIG_IGN)  # a terminal that closes may send it twice
        signal.raise_signal(signal.SIGTERM)

    signal.signal(signal.SIGTERM, stop)
    # nohup starts a process with SIGHUP ignored
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        signal.signal(signal.SIGHUP, hang_up)


def begin() -> None:
    """Prepare this process for a command's work: end on SIGTERM, and keep stdout for results.

    Without `run`, as in a test or a notebook that calls an app, the process keeps its handlers and stdout.
    """
    if _Run.active:
        raise_on_sigterm()
        reserve_stdout()


@contextmanager
def _restored_process() -> Iterator[None]:
    """Let `begin` change signal handlers and stdout in the block, and restore both at its end."""
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    _Run.active = True
    try:
        with restored_stdout():
            yield
    finally:
        _Run.active = False
        for number, handler in before.items():
            # What a command has ignored stays ignored: a terminal that closes may send SIGHUP again.
            if signal.getsignal(number) not in (handler, signal.SIG_IGN):
                signal.signal(number, handler)


def _ignore_signals() -> None:
    """What is asked for while the interpreter ends comes too late, and would only be a traceback."""
    for number in _SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _limit_library_threads() -> None:
    """Keep OpenMP and Numba within the CPU quota of a container, which they do not read themselves."""
    if cpu_quota() is None:
        return
    from .backends.cpu import cores

    for name in ("OMP_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ.setdefault(name, str(cores()))


def finite(value: float | None) -> float | None:
    """Check the value of a command-line option that takes a number; to be used as the option's callback.

    Raises:
        typer.BadParameter: The number is infinite or not a number.
    """
    if value is not None and not math.isfinite(value):
        import typer

        raise typer.BadParameter(f"expected a finite number, got {value}.")
    return value


def one_line(error: BaseException) -> str:
    """The message of an error on one line, with visible escapes for control characters in names."""
    text = str(error) or type(error).__name__
    if isinstance(error, (InputError, UsageError)):
        return printable(text)  # line breaks are those of a name
    if isinstance(error, OSError) and error.strerror:
        return printable(f"{error.filename}: {error.strerror}" if error.filename else error.strerror)
    return printable(" ".join(text.split()))


def run(app: typer.Typer, **keywords: Any) -> NoReturn:
    """Run a typer app and end the process: 0 done, 1 failed, 2 wrong usage, 130 Ctrl-C, 143 SIGTERM."""
    open_missing()
    with _restored_process():
        status = _status(app, keywords)
    sys.exit(status)


def _status(app: typer.Typer, keywords: dict[str, Any]) -> int:
    """Run a typer app, report its error and return the exit status."""
    atexit.register(_ignore_signals)
    # Pillow warns of metadata that it passes over, which would be lines between ours.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"PIL\.")
    escape_warnings()
    _limit_library_threads()
    try:
        status = app(standalone_mode=False, **keywords)
    except KeyboardInterrupt:
        return 130
    except Terminated:
        return 143
    except (ValueError, OSError, MemoryError) as error:
        wrong_usage = isinstance(error, UsageError)
        # an option whose value was left out takes the address that follows it
        write_err(f"error: {masked_text(one_line(error)) if wrong_usage else one_line(error)}")
        return 2 if wrong_usage else 1
    except ImportError as error:
        if (fault := import_fault(error)) is None:
            raise
        write_err(f"error: {fault}")
        return 1
    except Exception as error:
        # click's own complaints (unknown option, bad value), which carry their exit status
        if hasattr(error, "exit_code") and hasattr(error, "format_message"):
            message = " ".join(error.format_message().split())
            write_err(f"error: {masked_text(message)} (--help lists the options)")
            return int(error.exit_code)
        if type(error).__name__ == "Abort":
            return 130
        raise
    return status if isinstance(status, int) else 0
