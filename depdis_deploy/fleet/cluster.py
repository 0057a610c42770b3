"""Ray: the one module that imports it."""

from __future__ import annotations

import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, redirect_stderr, redirect_stdout, suppress
from importlib import import_module
from pathlib import Path
from typing import Any

from depdis_deploy.backends.cpu import cores
from depdis_deploy.command import InputError, one_line, raise_on_sigterm

from .ray_environment import LOCAL, chosen_address, environment_of, has_unused_token, reach
from .worker import ChunkWorker

# Rows hold numbers only; Ray's own choice would be a third of the memory.
_OBJECT_STORE_BYTES = 128 * 1024**2
_STDERR = 2
_ASKED_EVERY_S, _SILENT_S = 3.0, 20.0
_TASKS_AHEAD = 2  # chunks given to a worker: the one that it does and the next


class Cluster:
    """A cluster that is connected to; as a flag it is set once that is gone.

    threads: a worker's, which are CPUs to Ray; gpus: a worker's.
    """

    def __init__(self, ray: Any, threads: int, gpus: int) -> None:
        self._ray, self._threads, self._gpus = ray, threads, gpus
        self._head = str(ray.get_runtime_context().gcs_address)
        self._asked_s = self._answered_s = time.monotonic()
        self.nodes: dict[str, str] = {}  # names by id, of those that can have workers
        self.workers = 0
        for node in ray.nodes():
            resources = node["Resources"]
            room = int(resources.get("CPU", 0)) // threads if node["Alive"] else 0
            if gpus:
                room = min(room, int(resources.get("GPU", 0)))
            if room:
                self.nodes[node["NodeID"]] = node["NodeManagerAddress"]
                self.workers += room
        if not self.workers:
            wanted = f"{threads} CPU{'s' * (threads > 1)}" + (" and a GPU" if gpus else "")
            raise InputError(f"no node of the cluster has {wanted} for a worker; add nodes, or ask for less")

    def on_each_node(self, function: Callable[..., Any], *arguments: Any) -> dict[str, Any]:
        """What `function(node id, *arguments)` gives on each node, by the node's id."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        remote = self._ray.remote(num_cpus=0)(function)
        under_way = {
            node: remote.options(scheduling_strategy=NodeAffinitySchedulingStrategy(node, soft=False)).remote(
                node, *arguments
            )
            for node in self.nodes
        }
        return {node: self._ray.get(answer) for node, answer in under_way.items()}

    def on_one_worker(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """What `function(*arguments)` gives where a worker could be."""
        remote = self._ray.remote(num_cpus=self._threads, num_gpus=self._gpus)(function)
        return self._ray.get(remote.remote(*arguments))

    def is_set(self) -> bool:
        """Whether the head has not answered for a while; Ray would end this process later, without a word."""
        now = time.monotonic()
        if now - self._asked_s >= _ASKED_EVERY_S:
            with suppress(OSError):
                reach(self._head)
                self._answered_s = time.monotonic()
            self._asked_s = time.monotonic()
        return now - self._answered_s >= _SILENT_S

    def lost(self) -> int:
        """How many of the nodes are no longer there."""
        return len(self.nodes.keys() - {node["NodeID"] for node in self._ray.nodes() if node["Alive"]})

    def results(
        self, rows: Iterable[tuple[int, int]], keywords: Mapping[str, Any]
    ) -> Iterator[Mapping[str, Any]]:
        """What a `ChunkWorker` made of `keywords` gives for each (chunk, offset), as it is done.

        What was under way on a node that is lost is done anew by a worker that starts once there is room.
        """
        import ray.data

        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        items = [{"chunk": chunk, "offset": offset} for chunk, offset in rows]
        if not items:
            return
        workers = min(self.workers, len(items))
        # A block a chunk: a block is what is given to a worker, and what is done anew.
        dataset = ray.data.from_items(items, override_num_blocks=len(items)).map_batches(
            ChunkWorker, batch_size=1, fn_constructor_kwargs=dict(keywords), num_cpus=self._threads,
            num_gpus=self._gpus or None,
            compute=ray.data.ActorPoolStrategy(
                min_size=1, max_size=workers, initial_size=workers, max_tasks_in_flight_per_actor=_TASKS_AHEAD
            ),
        )  # fmt: skip
        try:
            # Closed with this generator: its threads end the whole process where they find Ray shut down.
            with closing(iter(dataset.iter_batches(batch_size=None, prefetch_batches=0))) as batches:
                for batch in batches:
                    for values in zip(*batch.values(), strict=True):
                        yield dict(zip(batch, values, strict=True))
        except OSError as error:  # of the network, not of the results' disk
            raise InputError(f"the cluster failed: {_said(error)}") from None


@contextmanager
def connected(address: str | None, threads: int, gpus: int) -> Iterator[Cluster]:
    """The cluster at an address; `local`: a new one of this machine, for the block.

    None: that of RAY_ADDRESS or one that this user's `ray start` has made this machine a node of, else as
    `local`.

    InputError: Ray is not installed, there is no cluster at the address, or it fails within the block.
    """
    address = chosen_address(address)
    with environment_of(address) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its advice to those who write programs for it
        import ray
        import ray.data

        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        with _hushed():
            try:
                _connect(ray, address, folder)
                raise_on_sigterm()  # Ray has put its own in the place
                yield Cluster(ray, threads, gpus)
            except ray.exceptions.RayError as error:
                raise InputError(f"the cluster failed: {_said(error)}") from None
            finally:
                ray.shutdown()


@contextmanager
def _hushed() -> Iterator[None]:
    """Only what this program says comes out.

    Ray's core writes to stderr past Python, and the raylets' tidings go to stdout; both are in Ray's own logs.
    """
    before = sys.stderr
    before.flush()
    with (
        open(os.devnull, "w") as nowhere,
        open(os.dup(_STDERR), "w", buffering=1, encoding=before.encoding, errors="backslashreplace") as ours,
        redirect_stdout(nowhere), redirect_stderr(ours),
    ):  # fmt: skip
        os.dup2(nowhere.fileno(), _STDERR)
        try:
            yield
        finally:
            ours.flush()
            os.dup2(ours.fileno(), _STDERR)


def _connect(ray: Any, address: str, folder: Path | None) -> None:
    """Connect to the cluster, or start one whose files lie in `folder`."""
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.CRITICAL}
    if address == LOCAL:
        ray.init(
            address=LOCAL,
            num_cpus=cores(),
            include_dashboard=False,
            object_store_memory=_OBJECT_STORE_BYTES,
            _temp_dir=str(folder),
            **common,
        )
        return
    try:
        reach(address)
        if has_unused_token():
            _choose_mode(ray, address)
        ray.init(address=address, **common)
    except (OSError, RuntimeError, ValueError) as error:
        raise InputError(
            f"{address}: it cannot be used ({one_line(error)}); expected HOST:PORT of a cluster that `ray "
            "start` started, of which this machine is a node; if it has a token, copy that to ~/.ray/auth_token"
        ) from None


def _choose_mode(ray: Any, address: str) -> None:
    """Use this user's token if the cluster rejects calls without one.

    Otherwise this program would reject calls of the cluster, which then takes it for dead.
    """
    raylet: Any = import_module("ray._raylet")  # private: Ray has no public call for it
    try:
        raylet.GcsClient(address=address).check_alive([], timeout=_SILENT_S)
    except ray.exceptions.AuthenticationError:
        os.environ["RAY_AUTH_MODE"] = "token"
        raylet.Config.initialize("")  # Ray read the environment when it was imported


def _said(error: BaseException) -> str:
    """The last line of what Ray says, which holds the cause behind its own traceback."""
    return (one_line(error) if "\n" not in str(error).strip() else str(error).strip().splitlines()[-1]).strip()
