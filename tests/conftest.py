"""What all tests share."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

# Tests import the engines by themselves too, and these would report it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
# A test run in the background of a shell is given an ignored SIGINT, and would hand it down to what it starts.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def own_cache() -> None:
    """Keep this package's notes out of the user's cache; the rest, such as compiled kernels, is shared."""
    if os.environ.get("DEPDIS_TEST_CACHE"):  # a worker of pytest-xdist, or a test run inside another one
        return
    users = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    (users / "depdis-deploy").mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="depdis-cache-"))
    for entry in users.iterdir():
        if entry.name != "depdis":
            (folder / entry.name).symlink_to(entry)
    os.environ["XDG_CACHE_HOME"] = os.environ["DEPDIS_TEST_CACHE"] = str(folder)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


own_cache()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where DEPDIS_NO_SKIP is set (CI), a test that skips for want of something fails instead."""
    report = yield
    if report.skipped and os.environ.get("DEPDIS_NO_SKIP") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although nothing may be missing here: {report.longrepr}"
    return report


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Subprocesses of tests use one thread each: several tests run side by side."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
