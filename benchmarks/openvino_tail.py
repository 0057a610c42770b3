"""The logits' rows by a matrix product (`openvino_tail.py` of the package) beside OpenVINO's own up-sampling.

    python benchmarks/openvino_tail.py [--calls 100] [--out benchmarks/results/openvino_tail.json]

The bundled files are run as the package runs them, one thread a call, in turns: milliseconds of the
process, and how many times as fast the product makes it.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from depdis_deploy.backends import Session, openvino_backend
from depdis_deploy.backends.cpu import model_name
from depdis_deploy.backends.model_file import read_model
from depdis_deploy.backends.openvino_backend import OpenVinoSession
from depdis_deploy.files import written_whole
from depdis_deploy.predictor import BUNDLED_INT8, BUNDLED_MODEL

SIZE = (640, 320)
FILES = {"fp32": BUNDLED_MODEL, "int8": BUNDLED_MODEL.with_name(BUNDLED_INT8)}
FORMS: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "up-sampling": partial(mock.patch.object, openvino_backend, "rows_by_product"), "product": nullcontext,
}  # fmt: skip
WANTED = {"all four outputs": None, "labels and depth": ("labels", "depth")}


def race(sessions: dict[str, Session], outputs: tuple[str, ...] | None, calls: int) -> dict[str, Any]:
    """Medians of the process's milliseconds a call, and the median ratio of neighbouring calls."""
    frames = np.random.default_rng(0).integers(0, 256, (1, SIZE[1], SIZE[0], 3), np.uint8)
    spent: dict[str, list[float]] = {form: [] for form in sessions}
    for form, session in sessions.items():
        with FORMS[form]():  # it is compiled for a size and outputs at their first call
            session.run(frames, outputs)
    for _ in range(calls):
        for form, session in sessions.items():
            begun = time.process_time()
            session.run(frames, outputs)
            spent[form].append(1000 * (time.process_time() - begun))
    ratios = [slow / fast for slow, fast in zip(spent["up-sampling"], spent["product"], strict=True)]
    figures = {form: round(statistics.median(times), 2) for form, times in spent.items()}
    return {**figures, "times_as_fast": round(statistics.median(ratios), 3)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    rows: dict[str, Any] = {}
    for precision, path in FILES.items():
        sessions: dict[str, Session] = {form: OpenVinoSession(read_model(path), 1, "fp32") for form in FORMS}
        for name, outputs in WANTED.items():
            rows[f"{precision}, {name}"] = race(sessions, outputs, arguments.calls)
            print(f"{precision}, {name}: {rows[f'{precision}, {name}']}", flush=True)
    result = {
        "size": "x".join(map(str, SIZE)), "date": time.strftime("%Y-%m-%d"), "processor": model_name(),
        "load": os.getloadavg()[0], "calls": arguments.calls,
        "versions": {name: version(name) for name in ("openvino", "numpy")},
        "milliseconds": rows,
    }  # fmt: skip
    if arguments.out:
        with written_whole(arguments.out) as temporary:
            temporary.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
