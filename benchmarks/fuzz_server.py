"""HTTP requests and pictures changed at random, sent to a server that must go on for others."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

from fuzz_requests import ask_all, whole_requests
from fuzz_seeds import make_models, make_pictures
from mutation import changed, damaged

LIMIT_S = 10.0


def fuzzed_server(count: int, seed: int) -> dict[str, Any]:
    """`count` changed requests, and as many changed pictures in whole ones, to a `depdis-serve` of its own.

    AssertionError, from the tests' server: it wrote a line that is no JSON, a traceback, or did not end well.
    """
    from serving import scene_png, serving

    chance = random.Random(f"{seed} requests")
    whole = whole_requests(scene_png())
    with tempfile.TemporaryDirectory() as temporary:
        place = Path(temporary)
        make_models(place)
        (place / "pictures").mkdir()
        make_pictures(place / "pictures")
        pictures = [path.read_bytes() for path in sorted((place / "pictures").iterdir())]
        changes = [changed(chance.choice(whole), chance, 120) for _ in range(count)]
        changes += [whole_requests(damaged(chance.choice(pictures), chance, 64))[0] for _ in range(count)]
        with serving("--model", place / "area.onnx", "--timeout", 1) as server:
            ask_all(server.port, whole * 10, LIMIT_S)
            before = server.value("process_resident_memory_bytes")
            found = ask_all(server.port, changes, LIMIT_S)
            after = server.value("process_resident_memory_bytes")
            others = server.predict(scene_png()).status
        loud = [line for line in server.lines if line["level"] == "error"]
    return {
        "inputs": len(changes), "accepted": found.statuses.get(200, 0),
        "refused": sum(found.statuses.values()) - found.statuses.get(200, 0), "cut_off": found.cut,
        "slowest_s": round(found.slowest_s, 2), "memory_mb": [round(before / 1e6, 1), round(after / 1e6, 1)],
        "faults": len(found.failed) + len(loud) + (others != 200),
        "found": [text.decode("latin-1") for text in found.failed] + [str(line)[:300] for line in loud],
    }  # fmt: skip
