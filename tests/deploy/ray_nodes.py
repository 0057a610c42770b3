"""A cluster of two workers on this machine, one of which can be killed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


def need_ray() -> None:
    """Skip the test where Ray is not installed."""
    pytest.importorskip("ray.data", reason="Ray is not installed: see the extra ray")


class Ended(AssertionError):
    """The cluster is gone; the message has its last words."""


class Nodes:
    """Two nodes of one CPU each, and a head of none."""

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
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0"},
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
