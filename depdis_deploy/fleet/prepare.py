"""Before a run over a cluster: what it refuses, what it is about, and whether every node sees it."""

from __future__ import annotations

import math
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.files import file_sha256, is_there
from depdis_deploy.infer_model import introduce
from depdis_deploy.infer_pictures import Entry
from depdis_deploy.job import Options
from depdis_deploy.manifest import Manifest
from depdis_deploy.outputs import group_names, output_folder, protected_sources, refuse_overwriting
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_deploy.sources import find_sources

from .cluster import Cluster
from .unfinished import discard
from .worker import Surroundings, answered, described

_LOOKED_FOR = 20  # pictures that every node has to see, each of another folder


@dataclass(frozen=True)
class Pictures:
    """What a run is about. base: the folder from which relative paths start; None: there is none of them."""

    entries: Sequence[Entry]
    base: str | None


def refuse(options: Options) -> None:
    """UsageError for options that make no sense for pictures over a cluster."""
    given = {
        "--stdout": options.stdout, "--stride": options.stride != 1,
        "--duration": options.duration_s is not None, "--segment": options.segment_s is not None,
        "--retry": options.retry_s != math.inf, "--smooth": options.smooth,
    }  # fmt: skip
    for name, there in given.items():
        if there:
            raise UsageError(f"{name} does not go with --ray, which takes pictures and writes files")
    if not options.sources:
        raise UsageError("--ray takes pictures: name a folder, a quoted glob or a list")
    if options.device.isdecimal() and options.device != "0":
        raise UsageError(f"--device {options.device}: with --ray give 0; each worker is given a GPU of its own")


def facts_of(options: Options) -> dict[str, Any]:
    """What has to be the same for a later call to go on with this one. InputError: there is no such model."""
    model = BUNDLED_MODEL if options.model is None else options.model
    if not model.is_file():
        raise InputError(f"{model}: no such file; expected an exported model (.onnx, .xml, .engine)")
    return {
        "list of sources": list(options.sources), "--save": sorted(options.kinds(picture=True)),
        "--panel": options.panel, "--camera-fov": options.camera_fov,
        "--camera-height": options.camera_height, "--batch": options.batch,
        "model": file_sha256(model), "--device": options.device, "--engine": options.engine,
        "--precision": options.precision, "--imgsz": None if options.imgsz is None else list(options.imgsz),
    }  # fmt: skip


def find_pictures(options: Options) -> Pictures:
    """The pictures that the command names. InputError, UsageError: they cannot be run."""
    sources = find_sources(options.sources, options.note)
    for source in sources:
        if source.kind != "picture":
            raise UsageError(f"{source.label}: --ray takes pictures, got a {source.kind}; run it without --ray")
    stems, records = group_names(sources)
    relative = any(not Path(source.location).is_absolute() for source in sources)
    entries = [Entry(*entry) for entry in zip(sources, stems, records, strict=True)]
    return Pictures(entries, str(Path.cwd()) if relative else None)


@contextmanager
def new_output(options: Options, entries: Sequence[Entry]) -> Iterator[Path]:
    """The output folder of a new run, held by it; removed again if it was made here and nothing was begun.

    InputError: it cannot be used, or a result would replace one of `entries`.
    """
    with output_folder(options.outdir, exist_ok=options.exist_ok, clean=discard) as out:
        sources = [entry.source for entry in entries]
        refuse_overwriting(
            protected_sources(sources, out),
            out,
            sources,
            [entry.stem for entry in entries],
            [entry.record for entry in entries],
            picture_kinds=options.kinds(picture=True),
            video_kinds=frozenset(),
        )
        try:
            yield out
        finally:
            discard(out)


def check_nodes(cluster: Cluster, options: Options, out: Path, pictures: Pictures) -> Surroundings:
    """What every node sees. InputError: the first that a node lacks."""
    token = out.absolute() / f".seen-by.{uuid.uuid4().hex}"
    model = None if options.model is None else (options.model, file_sha256(options.model))
    surroundings = Surroundings(pictures.base, token, token.name, model, _some(pictures.entries))
    try:
        token.write_text(surroundings.text)
        for node, lacking in cluster.on_each_node(answered, surroundings).items():
            if lacking is None and not surroundings.answered(node):
                lacking = f"the output folder {out}: what it writes there is not seen here"
            if lacking is not None:
                raise InputError(
                    f"node {cluster.nodes[node]} of the cluster does not see what this one sees ({lacking}); "
                    "pictures, model and output folder must be on storage that all nodes share, under the same "
                    "paths"
                )
    finally:
        surroundings.forget()
    return surroundings


def _some(entries: Sequence[Entry]) -> tuple[str, ...]:
    """A picture of each of some folders, of those that are there."""
    found: dict[Path, str] = {}
    for entry in entries:
        path = Path(entry.source.location)
        if path.parent not in found and is_there(path):
            found[path.parent] = entry.source.location
            if len(found) == _LOOKED_FOR:
                break
    return tuple(found.values())


def introduce_model(cluster: Cluster, options: Options, threads: int) -> str:
    """Have a worker open the model, and say what it is; how it runs there. Raises as Predictor does."""
    found = cluster.on_one_worker(described, options, threads)
    if "wrong" in found:
        raise UsageError(found["wrong"]) if found["usage"] else InputError(found["wrong"])
    choice = str(found["choice"])
    where = (
        f"{cluster.workers} worker{'s' * (cluster.workers > 1)} on {len(cluster.nodes)} "
        f"node{'s' * (len(cluster.nodes) > 1)}"
    )
    introduce(
        options, Manifest.from_json(found["manifest"]), f"{choice}; {where}", found["warned"], options.note
    )
    return choice
