"""HTTP requests and pictures changed at random, sent to a server that must go on for others."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from fuzz_requests import ask_all, whole_requests
from mutation import changed, damaged

LIMIT_S = 30.0  # other load on the machine stretches it


def fuzzed_server(place: Path, count: int, seed: int) -> dict[str, Any]:
    """`count` changed requests, and as many whole ones of changed pictures, to a `depdis-serve` of its own.

    place: with folders of models and pictures (`fuzz_seeds.make_all`). AssertionError, from the tests' server:
    it wrote a line that is no JSON, or a traceback, or it did not end well.
    """
    from serving import scene_png, serving

    chance = random.Random(f"{seed} requests")
    whole = whole_requests(scene_png())
    pictures = [path.read_bytes() for path in sorted((place / "pictures").iterdir())]
    changes = [changed(chance.choice(whole), chance, 120) for _ in range(count)]
    posts = [whole_requests(damaged(chance.choice(pictures), chance, 64))[0] for _ in range(count)]
    with serving("--model", place / "models" / "area.onnx", "--timeout", 1) as server:
        ask_all(server.port, [whole_requests(picture)[0] for picture in pictures * 2], LIMIT_S, leave=False)
        before = server.value("process_resident_memory_bytes")
        runs = [ask_all(server.port, changes, LIMIT_S), ask_all(server.port, posts, LIMIT_S, leave=False)]
        after = server.value("process_resident_memory_bytes")
        others = server.predict(scene_png()).status
    loud = [line for line in server.lines if line["level"] == "error"]
    failed = [text.decode("latin-1") for run in runs for text in run.failed]
    served = sum(run.statuses.get(200, 0) for run in runs)
    return {
        "inputs": 2 * count, "accepted": served, "cut_off": sum(run.cut for run in runs),
        "refused": sum(sum(run.statuses.values()) for run in runs) - served,
        "slowest_s": round(max(run.slowest_s for run in runs), 2),
        "memory_mb": [round(before / 1e6, 1), round(after / 1e6, 1)],
        "faults": len(failed) + len(loud) + (others != 200),
        "found": failed + [str(line)[:300] for line in loud],
    }  # fmt: skip
