"""Files changed at random, given to the commands: each ends in a result or one line, and touches nothing else.

Every input has a process of its own (see `forked`). Of HTTP requests see `fuzz_server`.
"""

from __future__ import annotations

import importlib
import json
import multiprocessing
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from forked import Outcome, forked
from fuzz_graphs import twisted
from fuzz_seeds import make_all
from fuzz_server import fuzzed_server
from mutation import damaged, distorted

SHARES = {
    "pictures": 0.25, "videos": 0.2, "models": 0.15, "manifests": 0.15, "lists": 0.05, "requests": 0.125,
    "checkpoints": 0.075,
}  # fmt: skip
LONGEST_LINE = 1000  # characters of an error
_LEARNING = 20  # inputs, after which no more is imported beforehand
_WITHIN = 200  # bytes at a file's start, which holds most of what is to be understood


@dataclass
class Tally:
    """What became of the inputs of a kind. found: for each fault what it was and the input that led to it."""

    inputs: int = 0
    accepted: int = 0
    refused: int = 0
    most_processor_s: float = 0.0
    peak_mb: float = 0.0
    found: list[str] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        return {
            "inputs": self.inputs, "accepted": self.accepted, "refused": self.refused,
            "most_processor_s": round(self.most_processor_s, 2), "peak_mb": round(self.peak_mb),
            "faults": len(self.found), "found": self.found[:20],
        }  # fmt: skip


def all_kinds(count: int, seed: int, kinds: Sequence[str] | None, keep: Path | None) -> dict[str, Any]:
    """`count` inputs over all kinds, or over those named."""
    chosen = kinds or list(SHARES)
    whole = sum(SHARES[kind] for kind in chosen)
    result: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        # in another process, since what encodes leaves threads behind
        made = multiprocessing.get_context("spawn").Process(target=make_all, args=(place, set(chosen)))
        made.start()
        made.join()
        assert made.exitcode == 0, "the files to be changed could not be made"
        for kind in chosen:
            share = max(1, round(count * SHARES[kind] / whole))
            if kind == "requests":
                result[kind] = fuzzed_server(place, -(-share // 2), seed)
            else:
                result[kind] = fuzzed(kind, place, share, seed, keep).plain()
    return result


def fuzzed(kind: str, place: Path, count: int, seed: int, keep: Path | None = None) -> Tally:
    """`count` changed files of a kind. place: of the whole ones; keep: where those go that lead to a fault."""
    tally, chance = Tally(), random.Random(f"{seed} {kind}")
    seeds = {path.name: path.read_bytes() for path in sorted((place / kind).iterdir())}
    prepare, first = CASES[kind]
    _import(first)
    for number in range(count):
        folder = place / f"{number}"
        (folder / "in").mkdir(parents=True)
        work = prepare(seeds, folder / "in", chance)
        before = _contents(folder)
        outcome = forked(work, folder)
        if number < _LEARNING:
            _import(outcome.modules)
        faults = _faults(outcome, before, _contents(folder))
        _count(tally, outcome)
        for fault in faults:
            tally.found.append(f"{kind} {number}: {fault}")
            print(tally.found[-1], file=sys.stderr, flush=True)
        if faults and keep is not None:
            shutil.copytree(folder / "in", keep / f"{kind}-{number}", dirs_exist_ok=True)
            (keep / f"{kind}-{number}" / "said").write_text(outcome.err)
        shutil.rmtree(folder)
    return tally


def _contents(folder: Path) -> dict[str, bytes]:
    """What lies in a case's folder beside the output."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else b""
        for path in folder.rglob("*") if "out" not in path.relative_to(folder).parts
    }  # fmt: skip


def _faults(outcome: Outcome, before: dict[str, bytes], after: dict[str, bytes]) -> list[str]:
    found = [f"forbidden: {line}" for line in outcome.forbidden]
    if outcome.hung:
        found.append(f"hangs: {outcome.seconds:.1f} s, {outcome.processor_s:.1f} s of the processor")
    elif outcome.signal:
        found.append(f"ended by signal {outcome.signal}")
    elif outcome.status not in (0, 1, 2):
        found.append(f"exit status {outcome.status}")
    if "Traceback" in outcome.err:
        found.append("traceback: " + outcome.err.strip().splitlines()[-1][:300])
    lines = outcome.err.splitlines()
    other = [line for line in lines if not line.startswith(("error: ", "note: "))]
    if other and "Traceback" not in outcome.err:
        found.append(f"{len(other)} lines that are not ours: {other[0][:200]}")
    if any(len(line) > LONGEST_LINE for line in lines):
        found.append(f"a line of {max(map(len, lines))} characters")
    if outcome.status == 1 and not any(line.startswith("error: ") for line in lines):
        found.append("exit status 1 without a word")
    if outcome.status == 0 and any(line.startswith("error: ") for line in lines):
        found.append("exit status 0 with an error")
    if before != after:
        found.append(f"changed beside the output: {sorted(before.items() ^ after.items())[0][0]}")
    return found


def _count(tally: Tally, outcome: Outcome) -> None:
    tally.inputs += 1
    tally.accepted += outcome.status == 0
    tally.refused += outcome.status in (1, 2)
    tally.most_processor_s = max(tally.most_processor_s, outcome.processor_s)
    tally.peak_mb = max(tally.peak_mb, outcome.peak_mb)


def _infer(*words: object) -> Callable[[], object]:
    def work() -> object:
        from depdis_deploy.cli import main

        sys.argv = ["depdis-infer", "--device", "cpu", "--threads", "1", "--quiet", "--outdir", "out"]
        sys.argv += map(str, words)
        return main()

    return work


Prepared = Callable[[dict[str, bytes], Path, random.Random], Callable[[], object]]


def _source(seeds: dict[str, bytes], folder: Path, chance: random.Random) -> Callable[[], object]:
    """A picture or a video."""
    name = chance.choice(sorted(seeds))
    (folder / name).write_bytes(damaged(seeds[name], chance, _WITHIN))
    extra = ("--save", "npz", "--save", "video") if chance.random() < 0.2 else ()
    return _infer(f"in/{name}", "--model", folder.parents[1] / "models" / "area.onnx", *extra)


def _model(seeds: dict[str, bytes], folder: Path, chance: random.Random) -> Callable[[], object]:
    """Damaged as bytes, or a whole protobuf message of a graph that makes no sense."""
    name = chance.choice(sorted(seeds))
    if chance.random() < 0.4:
        data = damaged(seeds[name], chance, len(seeds[name]))
    else:
        data = twisted(seeds[name], chance)
    (folder / name).write_bytes(data)
    return _picture_with(folder, name, chance)


def _picture_with(folder: Path, name: str, chance: random.Random) -> Callable[[], object]:
    """A whole picture through a model that is not."""
    from fuzz_seeds import scene

    scene().save(folder / "whole.png")
    saved = chance.choice(("npz", "overlay", "depth", "json"))
    return _infer(
        "in/whole.png", "--model", f"in/{name}", "--save", saved, "--panel", chance.choice(("overlay", "quad"))
    )


def _manifest(seeds: dict[str, bytes], folder: Path, chance: random.Random) -> Callable[[], object]:
    """Distorted as JSON or as text, inside an ONNX file or beside an OpenVINO model."""
    described = json.loads(seeds["colours.json"])
    text = json.dumps(distorted(described, chance))
    if chance.random() < 0.15:
        text = damaged(text.encode(), chance, len(text)).decode("utf-8", "surrogateescape")
    if chance.random() < 0.4:
        for name in ("colours.xml", "colours.bin"):
            (folder / name).write_bytes(seeds[name])
        (folder / "colours.json").write_bytes(text.encode("utf-8", "surrogateescape"))
        return _picture_with(folder, "colours.xml", chance)
    import onnx

    model = onnx.load_from_string(seeds["colours.onnx"])
    try:
        fields = json.loads(text)
        pairs = {f"depdis.{key}": json.dumps(value) for key, value in fields.items()}
    except (ValueError, AttributeError):
        pairs = {entry.key: entry.value for entry in model.metadata_props}
        key = chance.choice(sorted(pairs))
        pairs[key] = text[: chance.randrange(len(text))].encode("utf-8", "replace").decode()
    onnx.helper.set_model_props(model, pairs)
    (folder / "colours.onnx").write_bytes(model.SerializeToString())
    return _picture_with(folder, "colours.onnx", chance)


def _checkpoint(seeds: dict[str, bytes], folder: Path, chance: random.Random) -> Callable[[], object]:
    """As every command that takes a checkpoint reads it."""
    small = [name for name in sorted(seeds) if not name.startswith("network")]
    name = chance.choice(sorted(seeds)) if chance.random() < 0.2 else chance.choice(small)
    (folder / name).write_bytes(damaged(seeds[name], chance, 2000))

    def work() -> object:
        from depdis_deploy.command import run
        from depdis_training.checkpoint import read_checkpoint

        def read(**_: object) -> int:
            read_checkpoint(f"in/{name}")
            return 0

        return run(read)  # type: ignore[arg-type]

    return work


def _list(seeds: dict[str, bytes], folder: Path, chance: random.Random) -> Callable[[], object]:
    (folder / "good.png").write_bytes(seeds["good.png"])
    (folder / "list.txt").write_bytes(damaged(seeds["list.txt"], chance, len(seeds["list.txt"])))
    return _infer("in/list.txt", "--model", folder.parents[1] / "models" / "area.onnx")


def _import(names: Iterable[str]) -> None:
    """What is there when a process begins, it need not import. OpenVINO begins threads, and has to wait."""
    for name in names:
        if not name.startswith("openvino"):
            with suppress(ImportError):
                importlib.import_module(name)


_RUNTIME = ("onnxruntime", "depdis_deploy.infer", "depdis_deploy.pictures", "depdis_deploy.visualize")
CASES: dict[str, tuple[Prepared, Sequence[str]]] = {
    "pictures": (_source, _RUNTIME), "videos": (_source, _RUNTIME), "models": (_model, _RUNTIME),
    "manifests": (_manifest, _RUNTIME), "checkpoints": (_checkpoint, ("depdis_training.checkpoint",)),
    "lists": (_list, _RUNTIME),
}  # fmt: skip
