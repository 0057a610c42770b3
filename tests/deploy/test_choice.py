"""What `auto` takes on which machine, and that it says why."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from calling import infer
from clips import write_picture
from tiny_model import manifest

from depdis_deploy import Predictor, backends
from depdis_deploy.backends import choice, cpu, onnxruntime_backend
from depdis_deploy.backends.choice import bundled_precision, check_words, choose
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest
from depdis_deploy.predictor import BUNDLED_INT8, BUNDLED_MODEL

HELD = replace(manifest(), parity={"engines": {"openvino bf16": {"held": True}}})
MISSED = replace(manifest(), parity={"engines": {"openvino bf16": {"held": False}}})


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A processor with everything, and openvino."""
    monkeypatch.setattr(cpu, "features", lambda: frozenset({"bf16", "fast bf16", "int8"}))
    monkeypatch.setattr(choice, "installed", lambda name: True)
    return monkeypatch


def test_auto_takes_bf16_where_its_export_measured_it(machine: pytest.MonkeyPatch) -> None:
    taken = choose(HELD, ".onnx", "auto", "auto", "auto", gpu=False)
    assert (taken.engine, taken.arithmetic) == ("openvino", "bf16")
    assert "measured it within its bounds" in taken.reason
    for said, why in ((MISSED, "missed its bounds"), (manifest(), "did not measure bf16")):
        taken = choose(said, ".onnx", "auto", "auto", "auto", gpu=False)
        assert (taken.engine, taken.arithmetic) == ("onnxruntime", "fp32")
        assert why in taken.reason
    machine.setattr(cpu, "features", lambda: frozenset({"int8"}))
    assert "not known to have bf16" in choose(HELD, ".onnx", "auto", "auto", "auto", gpu=False).reason
    machine.setattr(cpu, "features", lambda: frozenset({"bf16", "int8"}))
    assert "no faster" in choose(HELD, ".onnx", "auto", "auto", "auto", gpu=False).reason
    machine.setattr(cpu, "features", lambda: frozenset({"bf16", "fast bf16"}))
    machine.setattr(choice, "installed", lambda name: name != "openvino")
    assert "not installed" in choose(HELD, ".onnx", "auto", "auto", "auto", gpu=False).reason


def test_auto_takes_openvino_for_int8_where_bf16_is_out(machine: pytest.MonkeyPatch) -> None:
    def int8(**held: bool) -> Manifest:
        engines = {name.replace("_", " "): {"held": value} for name, value in held.items()}
        return replace(manifest(), precision="int8", parity={"engines": engines})

    def taken(said: Manifest) -> tuple[str, str, str]:
        found = choose(said, ".onnx", "auto", "auto", "auto", gpu=False)
        return found.engine, found.arithmetic, found.reason

    assert taken(int8(openvino=True, openvino_bf16=True))[:2] == ("openvino", "bf16")
    engine, arithmetic, why = taken(int8(openvino=True, openvino_bf16=False))
    assert (engine, arithmetic) == ("openvino", "fp32")
    assert "held its bounds there" in why
    assert "bf16 missed its bounds" in why
    engine, _, why = taken(int8(openvino=False, openvino_bf16=False))
    assert (engine, why) == ("onnxruntime", "openvino missed its bounds at export")
    assert taken(int8())[::2] == ("onnxruntime", "its export did not measure openvino")
    half = choose(int8(openvino=True, openvino_bf16=False), ".onnx", "cpu", "auto", "auto", gpu=False)
    assert (half.engine, half.arithmetic) == ("onnxruntime", "fp32")
    machine.setattr(cpu, "features", lambda: frozenset({"bf16"}))
    assert "INT8 arithmetic" in taken(int8(openvino=True, openvino_bf16=False))[2]
    machine.setattr(cpu, "features", lambda: frozenset({"int8"}))
    assert taken(int8(openvino=True, openvino_bf16=True))[:2] == ("openvino", "fp32")
    machine.setattr(choice, "installed", lambda name: name != "openvino")
    assert "not installed" in taken(int8(openvino=True))[2]


@pytest.mark.usefixtures("machine")
def test_the_bundled_model_on_a_processor_with_all() -> None:
    """The gate's own record in the shipped file decides."""
    said = backends.describe(BUNDLED_MODEL.with_name(BUNDLED_INT8))
    found = choose(said, ".onnx", "auto", "auto", "auto", gpu=False)
    assert found.engine == "openvino"
    assert (found.arithmetic == "bf16") == said.parity["engines"]["openvino bf16"]["held"]


@pytest.mark.usefixtures("machine")
def test_what_is_asked_for_is_taken() -> None:
    def taken(*words: str, said: object = HELD, suffix: str = ".onnx", gpu: bool = False) -> tuple[str, str]:
        found = choose(said, suffix, *words, gpu=gpu)  # type: ignore[arg-type]
        return found.engine, found.arithmetic

    assert taken("cpu", "auto", "auto") == ("onnxruntime", "fp32")
    assert taken("cpu", "auto", "bf16") == ("openvino", "bf16")
    assert taken("auto", "auto", "fp32") == ("onnxruntime", "fp32")
    assert taken("auto", "openvino", "fp32") == ("openvino", "fp32")
    assert taken("auto", "onnxruntime", "auto") == ("onnxruntime", "fp32")
    assert taken("auto", "auto", "auto", gpu=True) == ("onnxruntime", "fp32")
    assert taken("auto", "auto", "auto", suffix=".xml") == ("openvino", "bf16")
    assert taken("auto", "auto", "auto", said=MISSED, suffix=".xml") == ("openvino", "fp32")
    with pytest.raises(InputError, match="this model is fp32"):
        taken("auto", "auto", "int8")


@pytest.mark.parametrize(
    "words",
    [("gpu", "auto", "auto"), ("cpu", "tflite", "auto"), ("cpu", "auto", "fp8"), ("0", "openvino", "auto"),
     ("cpu", "onnxruntime", "bf16"), ("0", "auto", "bf16")],
)  # fmt: skip
def test_words_that_do_not_fit(words: tuple[str, str, str]) -> None:
    with pytest.raises(UsageError):
        check_words(*words)


def test_the_bundled_file(machine: pytest.MonkeyPatch) -> None:
    both = {"int8": Path("x")}
    assert bundled_precision("auto", "auto", both, gpu=False) == "int8"
    assert bundled_precision("auto", "auto", {}, gpu=False) == "fp32"
    assert bundled_precision("auto", "auto", both, gpu=True) == "fp32"
    assert bundled_precision("cpu", "auto", both, gpu=False) == "fp32"
    assert bundled_precision("cpu", "int8", both, gpu=False) == "int8"
    machine.setattr(cpu, "features", frozenset)
    assert bundled_precision("auto", "auto", both, gpu=False) == "fp32"


def test_features_are_read_from_the_kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "cpuinfo"
    monkeypatch.setattr(cpu, "_CPUINFO", file)
    for vendor, flags, found in (
        ("GenuineIntel", "fpu avx512_vnni amx_bf16", {"int8", "bf16", "fast bf16"}),
        ("GenuineIntel", "fpu avx512_vnni avx512_bf16", {"int8", "bf16"}),
        ("AuthenticAMD", "fpu avx512_bf16", {"bf16", "fast bf16"}),
        ("GenuineIntel", "fpu", set()),
    ):
        file.write_text(f"processor : 0\nvendor_id : {vendor}\nflags : {flags}\n")
        cpu.features.cache_clear()
        assert cpu.features() == found
    cpu.features.cache_clear()
    monkeypatch.setattr(cpu, "_CPUINFO", tmp_path / "none")
    assert cpu.features() == frozenset()
    cpu.features.cache_clear()


def test_the_predictor_says_what_it_took(model: Path) -> None:
    said = Predictor(model, "cpu", threads=1).choice
    assert said == f"{model.name} in onnxruntime, fp32, CPU, 1 thread a call: device cpu was asked for"
    assert "bf16 was asked for" in _bf16(model)


def test_a_gpus_onnxruntime_without_a_gpu_leaves_the_choice_to_the_cpu(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backends, "has_gpu", lambda: True)
    predictor = Predictor(model, threads=1)
    assert predictor.device == "0" or "has a GPU here" not in predictor.choice


@pytest.fixture
def gpu_build_without_cuda(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Make onnxruntime look like its GPU build on a machine without CUDA's libraries."""
    import onnxruntime

    def preload_dlls() -> None:
        print("Failed to load libcublasLt.so.13")
        os.write(1, b"Failed to load libcurand.so.10\n")

    found = ["CUDAExecutionProvider", *onnxruntime.get_available_providers()]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: found)
    monkeypatch.setattr(onnxruntime, "preload_dlls", preload_dlls, raising=False)
    monkeypatch.setattr(backends, "_has_gpu_build", lambda: True)
    monkeypatch.setattr(cpu, "features", lambda: frozenset({"int8"}))
    onnxruntime_backend.gpu_fault.cache_clear()
    with warnings.catch_warnings():
        # Raised by the CPU build, which rejects the provider itself.
        warnings.filterwarnings("ignore", message="Specified provider 'CUDAExecutionProvider'")
        yield
    onnxruntime_backend.gpu_fault.cache_clear()


@pytest.mark.usefixtures("gpu_build_without_cuda")
def test_gpu_build_without_cuda_takes_the_faster_int8_file() -> None:
    with pytest.warns(RuntimeWarning, match="running on the CPU: .*CUDA"):
        predictor = Predictor(threads=1)
    assert predictor.device == "cpu"
    assert predictor.model.name == BUNDLED_INT8


@pytest.mark.usefixtures("gpu_build_without_cuda")
def test_records_alone_reach_stdout_where_cuda_is_missing(
    tmp_path: Path, model: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    image = write_picture(tmp_path / "a.png")
    result = infer(capfd, monkeypatch, image, "--model", model, "--stdout")
    assert [json.loads(line)["width"] for line in result.out.splitlines()] == [96]
    assert "running on the CPU" in result.err


def test_asking_for_a_gpu_loads_no_engine_that_has_no_part_for_one() -> None:
    code = (
        "import sys; from depdis_deploy.backends import has_gpu; found = has_gpu(); "
        "assert found or 'onnxruntime' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], capture_output=True)
    assert done.returncode == 0, done.stderr


def _bf16(model: Path) -> str:
    if "bf16" not in cpu.features():
        pytest.skip("no bf16 on this processor")
    return Predictor(model, precision="bf16").choice
