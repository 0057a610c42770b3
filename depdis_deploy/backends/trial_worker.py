"""The child process of a trial: loads a model, runs it on a few frames and answers in one line of JSON."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np

from depdis_deploy.child_limits import limit_memory, limit_processor_time
from depdis_deploy.command import InputError, one_line
from depdis_deploy.parent_process import end_with_parent

from . import Session
from .engine_message import one_line_of
from .model_file import ModelFile, read_model

# The last is what a thread that cannot be started says.
_MEMORY_WORDS = ("alloc", "out of memory", "resource temporarily unavailable")


def main() -> None:
    """Run the task of the last argument; the answer has `error` (None: it went well) and `memory`."""
    # The engines print too; the answer alone is to reach the parent.
    answer = os.dup(1)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 1)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    task = json.loads(sys.argv[-1])
    end_with_parent()
    os.write(answer, json.dumps(_run(task)).encode())
    os._exit(0)  # an engine that fails while it is torn down has answered already


def _run(task: dict[str, Any]) -> dict[str, Any]:
    try:
        file = read_model(Path(task["path"]))
        if file.sha256 != task["sha256"]:
            return {"error": f"{file.path}: the file changed while it was opened", "memory": False}
        limit_processor_time(task["seconds"])
        session = _session(file, task)
        random = np.random.default_rng(0)
        for shape in file.trial_shapes:
            session.run(random.integers(0, 256, shape, dtype=np.uint8))
    except InputError as error:
        return {"error": one_line(error), "memory": _is_memory(error)}
    except Exception as error:  # an engine's own
        return {"error": f"{task['path']}: {one_line_of(error)}", "memory": _is_memory(error)}
    return {"error": None, "memory": False}


def _is_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in _MEMORY_WORDS)


def _session(file: ModelFile, task: dict[str, Any]) -> Session:
    """The engine is imported before memory is limited: its code is large, and not the model's doing."""
    if task["engine"] == "openvino":
        from .openvino_backend import OpenVinoSession, import_openvino

        import_openvino()
        limit_memory(task["memory"])
        return OpenVinoSession(file, task["threads"], task["arithmetic"])
    from .onnxruntime_backend import OnnxRuntimeSession, import_onnxruntime

    import_onnxruntime()
    limit_memory(task["memory"])
    return OnnxRuntimeSession(file, "cpu", task["threads"])
