"""Every command without a package that it needs: one line that names the extra, before any work."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from test_imports import COMMANDS, ROOT

EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
MODELS = ROOT / "depdis_deploy" / "models"
WEIGHTS, MODEL = str(MODELS / "depdis-street.safetensors"), str(MODELS / "depdis-street.onnx")
ENGINES = "onnxruntime,openvino"
TRAIN = ("torch", "yaml", "numba", "sklearn", "cc3d", "safetensors", "lightning_fabric", "tensorboard")

# Command line -> modules (or sets of them) that are hidden in turn, by the extra that the message has to name.
NEEDS: dict[tuple[str, ...], dict[str, tuple[str, ...]]] = {
    ("depdis-infer",): {"cpu": (ENGINES,)},
    ("depdis-infer", "images", "--ray"): {"ray": ("ray", "pyarrow"), "cpu": (ENGINES,)},
    ("depdis-benchmark",): {"cpu": (ENGINES,)},
    ("depdis-serve", "--port", "0"): {
        "serve": ("starlette", "uvicorn", "prometheus_client"), "serve,cpu": (f"starlette,{ENGINES}",),
        "cpu": (ENGINES,),
    },
    ("depdis-demo",): {
        "demo": ("gradio", "fastapi", "starlette", "uvicorn"), "demo,cpu": (f"gradio,{ENGINES}",),
        "cpu": (ENGINES,),
    },
    ("depdis-data", "check", "data"): {"train": ("yaml",)},
    ("depdis-data", "street", "data"): {"train": ("yaml", "numba")},
    ("depdis-data", "statistics", "street"): {"train": TRAIN},
    ("depdis-train",): {"train": TRAIN},
    ("depdis-evaluate", MODEL, "--config", "street"): {"train": TRAIN, "cpu": (ENGINES,)},
    ("depdis-export", WEIGHTS, "-o", "m.onnx"): {
        "export": (*TRAIN, "onnx", "onnxscript", "onnx_ir"), "export,cpu": (f"torch,{ENGINES}",),
        "cpu": (ENGINES,),
    },
    ("depdis-export", WEIGHTS, "-o", "m.onnx", "--precision", "int8"): {"cpu": ("onnxruntime",)},
    ("depdis-export", WEIGHTS, "-o", "m.onnx", "--precision", "fp16"): {"cpu": ("onnxruntime",)},
    ("depdis-export", WEIGHTS, "-o", "m.xml"): {"openvino": ("openvino",)},
    ("depdis-export", MODEL, "--trt", "-o", "m.engine"): {"tensorrt": ("tensorrt,tensorrt_rtx",)},
    ("depdis-export", MODEL, "--triton", "repository"): {"cpu": (ENGINES,)},
}  # fmt: skip

# Imports once what every command needs, and runs each case in a fork.
RUNNER = """
import importlib, json, os, sys, types
import cv2, numpy, typer

def child(words, module, hidden, folder, number):
    for descriptor, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{number}.{name}", os.O_WRONLY | os.O_CREAT), descriptor)
    if hidden.startswith("/"):
        for name in [name for name in sys.modules if name.split(".")[0] == "cv2"]:
            del sys.modules[name]
        sys.path.insert(0, hidden)
    else:
        for name in hidden.split(","):
            sys.modules[name] = None
    sys.argv = words
    importlib.import_module(module).main()

folder = sys.argv[1]
cases = json.loads(sys.stdin.read())
os.chdir(folder)
statuses = []
for number, (words, module, hidden) in enumerate(cases):
    process = os.fork()
    if not process:
        try:
            child(words, module, hidden, folder, number)
        except SystemExit as end:
            os._exit(end.code or 0)
        except BaseException:
            import traceback
            traceback.print_exc()
        finally:
            sys.stderr.flush()
        os._exit(70)
    statuses.append(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
print(json.dumps(statuses))
"""


def run_all(cases: Iterable[tuple[tuple[str, ...], str]], folder: Path) -> list[tuple[int, str, str]]:
    """Return (exit status, stdout, stderr) of each (command line, hidden modules)."""
    given = [(list(words), COMMANDS[words[0]], hidden) for words, hidden in cases]
    done = subprocess.run(
        [sys.executable, "-c", RUNNER, str(folder)], input=json.dumps(given), capture_output=True, text=True,
        timeout=240, env={
            "PYTHONPATH": f"{ROOT}:{ROOT / 'training'}:{ROOT / 'export'}:{ROOT / 'demo'}",
            "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1",
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return [
        (status, (folder / f"{number}.out").read_text(), (folder / f"{number}.err").read_text())
        for number, status in enumerate(json.loads(done.stdout))
    ]


Case = tuple[tuple[str, ...], str, str]


def check(cases: Sequence[Case], folder: Path) -> None:
    """Run command lines without the hidden modules; each prints one line with its extra and writes nothing."""
    found = run_all([case[:2] for case in cases], folder)
    for (words, hidden, extra), (status, out, err) in zip(cases, found, strict=True):
        where = f"{' '.join(words)} without {hidden}: {err}"
        assert status == 1, where
        assert re.fullmatch(r"error: [^\n]+\n", err), where
        assert f"run pip install '.[{extra}]'" in err, where
        assert out == "", where
        if hidden.endswith(ENGINES):
            assert "openvino" in err.partition("pip install")[2], where
    names = {f"{number}.{kind}" for number in range(len(cases)) for kind in ("out", "err")}
    assert {path.name for path in folder.iterdir()} == names


def test_missing_extra_is_one_line_that_names_it(tmp_path: Path) -> None:
    cases = []
    for words, needs in NEEDS.items():
        cases += [(words, ",".join(hidden), extra) for extra, hidden in needs.items()]
    check(cases, tmp_path)


@pytest.mark.long
def test_each_missing_package_is_one_line_that_names_the_extra(tmp_path: Path) -> None:
    cases = []
    for words, needs in NEEDS.items():
        cases += [(words, module, extra) for extra, hidden in needs.items() for module in hidden]
    check(cases, tmp_path)


BROKEN_OPENCV = {
    "no imread": "",
    "libGL.so.1": "raise ImportError('libGL.so.1: cannot open shared object file', name='cv2')",
}


@pytest.mark.parametrize("cause", ["no imread", pytest.param("libGL.so.1", marks=pytest.mark.long)])
def test_broken_opencv_is_one_line_with_the_fix(cause: str, tmp_path: Path) -> None:
    package, folder = tmp_path / "packages" / "cv2", tmp_path / "run"
    package.mkdir(parents=True)
    folder.mkdir()
    (package / "__init__.py").write_text(BROKEN_OPENCV[cause])
    lines = {words[0]: words for words in NEEDS}.values()  # one of each command
    found = run_all([(words, str(package.parent)) for words in lines], folder)
    for words, (status, out, err) in zip(lines, found, strict=True):
        assert (status, out) == (1, ""), (words, err)
        assert re.fullmatch(r"error: [^\n]+\n", err), (words, err)
        assert cause in err
        assert "pip uninstall -y opencv-python " in err
        assert "pip install opencv-python-headless" in err


def test_extras_that_go_with_a_gpu_bring_no_second_onnxruntime() -> None:
    for extra in EXTRAS.keys() - {"cpu", "dev"}:
        names = resolved([extra])
        assert "onnxruntime" not in names, extra
        assert not {"opencv-python", "opencv-contrib-python"} & names, extra
    assert "onnxruntime-gpu" in resolved(["export", "gpu"])
    assert "onnxruntime" in resolved(["export", "cpu"])


def resolved(extras: Iterable[str]) -> set[str]:
    """Return the names of all packages that extras install, as far as they are installed here."""
    waiting = [Requirement(text) for extra in extras for text in EXTRAS[extra]]
    seen: set[str] = set()
    names: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        if str(requirement) in seen:
            continue
        seen.add(str(requirement))
        name = canonicalize_name(requirement.name)
        if name == "depdis-deploy":
            waiting += [Requirement(text) for extra in requirement.extras for text in EXTRAS[extra]]
            continue
        names.add(name)
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for found in map(Requirement, needed):
            chosen = ("", *requirement.extras)
            if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in chosen):
                waiting.append(found)
    return names


def test_extras_of_the_messages_exist() -> None:
    text = (ROOT / "depdis_deploy" / "install_hint.py").read_text()
    table = text.partition("_MODULES: ")[2].partition("\n}\n")[0]
    assert set(re.findall(r'^    "([a-z-]+)": \(', table, re.MULTILINE)) <= set(EXTRAS)


@pytest.mark.long
def test_exports_and_predicts_where_openvino_is_the_only_engine(tmp_path: Path) -> None:
    words = ("depdis-export", WEIGHTS, "-o", "m.onnx", "--imgsz", "128x64")
    ((status, out, err),) = run_all([(words, "onnxruntime")], tmp_path)
    assert status == 0, err
    assert out.startswith("m.onnx: ")
    assert "parity check in openvino: 1/1" in err
    words = ("depdis-infer", "--model", "m.onnx", "--stride", "100", "--save", "json", "--outdir", "out")
    ((status, _, err),) = run_all([(words, "onnxruntime")], tmp_path)
    assert status == 0, err
    assert "onnxruntime is not installed" in err or "bf16" in err
