"""A cluster of two workers on this machine, one of which can be killed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

# A node is taken for dead after a few seconds, where Ray's own pace is 15. Its workers die with it at once, as
# they do where a machine is lost: they would go on for a while if only its raylet were killed.
_START = """
import os, signal, sys
from pathlib import Path
from ray.cluster_utils import Cluster

def children(parent):
    stats = {int(path.parent.name): path.read_text() for path in Path("/proc").glob("[0-9]*/stat")}
    return [pid for pid, stat in stats.items() if int(stat.rpartition(")")[2].split()[1]) == parent]

small = {"object_store_memory": 80 * 1024**2}
health = {"health_check_initial_delay_ms": 1000, "health_check_period_ms": 1000}
cluster = Cluster(initialize_head=True, head_node_args={
    "num_cpus": 0, "include_dashboard": False, "temp_dir": sys.argv[1], "_system_config": health, **small})
nodes = [cluster.add_node(num_cpus=1, wait=False, **small) for _ in range(2)]
cluster.wait_for_nodes(120)
print("ADDRESS", cluster.address, flush=True)
raylet = nodes[0].all_processes["raylet"][0].process.pid
for line in sys.stdin:
    if line == "freeze\\n":
        for worker in children(raylet):
            os.kill(worker, signal.SIGSTOP)
    else:
        os.kill(raylet, signal.SIGSTOP)
        for worker in children(raylet):
            os.kill(worker, signal.SIGKILL)
        cluster.remove_node(nodes[0], allow_graceful=False)
    print("DONE", flush=True)
cluster.shutdown()
"""


def descendants(process: int) -> set[int]:
    """The numbers of a process and of all that it and its children have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    found, new = set(), {process}
    while new:
        found |= new
        new = {child for child, parent in parents.items() if parent in new} - found
    return found


def listening(process: int) -> set[str]:
    """The addresses, in the kernel's hexadecimal form, at which a process and its descendants listen."""
    sockets = set()
    for number in descendants(process):
        with suppress(OSError):
            for descriptor in Path(f"/proc/{number}/fd").iterdir():
                with suppress(OSError):
                    sockets.add(os.readlink(descriptor))
    rows = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/{process}/net/{table}").read_text().splitlines()[1:]
    ]
    return {row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in sockets}


def need_ray() -> None:
    """Skip the test where Ray is not installed."""
    pytest.importorskip("ray.data", reason="Ray is not installed: see the extra ray")


class Ended(AssertionError):
    """The cluster is gone; the message has its last words."""


class Nodes:
    """Two nodes of one CPU each, and a head of none. They use no token."""

    def __init__(self, process: subprocess.Popen[str], errors: Path) -> None:
        self._process, self._errors = process, errors
        self.address = self._said("ADDRESS")

    def freeze_one(self) -> None:
        """Stop the workers of one of the nodes: what they are given from now on stays undone."""
        self._ask("freeze")

    def kill_one(self) -> None:
        """SIGKILL to all processes of that node."""
        self._ask("kill")

    def _ask(self, word: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()
        self._said("DONE")

    def _said(self, word: str) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(word):
                return line.removeprefix(word).strip()
        raise Ended(f"the cluster ended before it said {word}: {self._errors.read_text()[-2000:]}")


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """The cluster, for as long as the block.

    Ray gives each of its processes half a minute to start, which a busy machine does not always keep to; that
    is not what is tested, so it is begun again, twice at most.
    """
    with ExitStack() as stack:
        for tries_left in (2, 1, 0):
            try:
                nodes = stack.enter_context(_started())
                break
            except Ended:
                if not tries_left:
                    raise
        yield nodes


@contextmanager
def _started() -> Iterator[Nodes]:
    folder = tempfile.mkdtemp(prefix="ray")  # a short path: sockets lie in it
    errors = Path(folder) / "errors"
    with errors.open("w") as said:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-c", _START, folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, text=True,
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled"},
        )  # fmt: skip
    with process:
        try:
            yield Nodes(process, errors)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(60)
            finally:
                process.kill()
                shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def ray_start(env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """A head of one CPU as `ray start` makes it, on free ports, for as long as the block."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(3)]
        for each in sockets:
            each.bind(("", 0))
        port, client, agent = (each.getsockname()[1] for each in sockets)
    process = subprocess.Popen(
        [
            Path(sys.executable).with_name("ray"), "start", "--head", "--block", "--disable-usage-stats",
            "--include-dashboard=false", "--num-cpus=1", f"--port={port}", f"--ray-client-server-port={client}",
            f"--dashboard-agent-listen-port={agent}", "--min-worker-port=0", "--max-worker-port=0",
            "--object-store-memory=80000000",
        ],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env={**os.environ, **env}, start_new_session=True,
    )  # fmt: skip
    try:
        address = Path(env["RAY_TMPDIR"]) / "ray/ray_current_cluster"
        until = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < until and not _joined(address):
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(60)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _joined(address: Path) -> bool:
    """Whether the head answers and has a worker's process, so that its node is there."""
    try:
        host, _, port = address.read_text().strip().rpartition(":")
        socket.create_connection((host, int(port)), 5).close()
    except (OSError, ValueError):
        return False
    return any(address.parent.glob("session_latest/sockets/raylet*"))
