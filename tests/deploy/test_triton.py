"""The repository says what the model says, in the words of Triton's own schema."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import distribution
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import helper
from tiny_model import SIZE, graph, manifest, write_tiny_model

from depdis_deploy import Predictor, triton
from depdis_deploy.backends import open_session
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest


@pytest.fixture(scope="module")
def schema() -> ModuleType:
    """Triton's ModelConfig out of its client's package, whose other modules need more packages."""
    name = "tritonclient.grpc.model_config_pb2"
    path = distribution("tritonclient").locate_file("tritonclient/grpc/model_config_pb2.py")
    spec = importlib.util.spec_from_file_location(name, str(path))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def parsed(schema: ModuleType) -> Callable[[Path], Any]:
    def read(folder: Path) -> Any:
        return text_format.Parse((folder / "config.pbtxt").read_text(), schema.ModelConfig())

    return read


@pytest.fixture
def free(tmp_path: Path) -> Path:
    """A model of free batch, height and width whose export ran batches up to 3."""
    model = graph()
    said = replace(manifest(), parity={"shapes": [{"batch": 1}, {"batch": 3}]})
    helper.set_model_props(model, said.to_metadata())
    onnx.save(model, tmp_path / "free.onnx")
    return tmp_path / "free.onnx"


def shapes(model: Path) -> dict[str, tuple[int, list[int]]]:
    """(type, dimensions, -1 for free ones) of the inputs and outputs, by `onnx`."""
    loaded = onnx.load(model).graph
    return {
        value.name: (
            value.type.tensor_type.elem_type,
            [side.dim_value or -1 for side in value.type.tensor_type.shape.dim],
        )
        for value in (*loaded.input, *loaded.output)
    }


def types(schema: ModuleType) -> dict[int, int]:
    return {onnx.TensorProto.UINT8: schema.TYPE_UINT8, onnx.TensorProto.FLOAT: schema.TYPE_FP32}


def test_a_free_model_is_batched_as_far_as_its_gate_went(
    free: Path, tmp_path: Path, schema: ModuleType, parsed: Callable[[Path], Any]
) -> None:
    folder = triton.write_repository(free, tmp_path / "repository")
    assert folder == tmp_path / "repository" / "free"
    found = parsed(folder)
    assert (found.name, found.backend, found.max_batch_size) == ("free", "onnxruntime", 3)
    assert found.HasField("dynamic_batching")
    assert [entry.name for entry in found.output] == ["labels", "depth", "density", "confidence"]
    true = shapes(free)
    for entry in (*found.input, *found.output):
        assert entry.data_type == types(schema)[true[entry.name][0]]
        assert list(entry.dims) == true[entry.name][1][1:]
    assert list(found.model_warmup[0].inputs["frames"].dims) == [SIZE[1], SIZE[0], 3]
    assert (folder / "1" / found.default_model_filename).read_bytes() == free.read_bytes()
    assert Manifest.from_json((folder / "manifest.json").read_text()) == Predictor(free, "cpu").manifest


def test_a_model_of_one_size_is_not_batched(
    tmp_path: Path, schema: ModuleType, parsed: Callable[[Path], Any]
) -> None:
    path = write_tiny_model(tmp_path / "s.onnx", kind="stretch", batch=2)
    found = parsed(triton.write_repository(path, tmp_path / "repository", name="street"))
    assert (found.name, found.max_batch_size) == ("street", 0)
    assert not found.HasField("dynamic_batching")
    given = np.zeros((2, SIZE[1], SIZE[0], 3), np.uint8)
    true = {"frames": given, **open_session(path, "cpu", 1).run(given)}
    kinds = {"uint8": schema.TYPE_UINT8, "float32": schema.TYPE_FP32}
    for entry in (*found.input, *found.output):
        assert tuple(entry.dims) == true[entry.name].shape
        assert entry.data_type == kinds[str(true[entry.name].dtype)]


def test_openvinos_files_and_kind(free: Path, tmp_path: Path, parsed: Callable[[Path], Any]) -> None:
    openvino = pytest.importorskip("openvino")
    path = tmp_path / "m.xml"
    openvino.save_model(openvino.Core().read_model(free), path, compress_to_fp16=False)
    path.with_suffix(".json").write_text(manifest().to_json())
    folder = triton.write_repository(path, tmp_path / "repository")
    found = parsed(folder)
    assert (found.backend, found.instance_group[0].kind) == ("openvino", found.instance_group[0].KIND_CPU)
    assert found.parameters["RESHAPE_IO_LAYERS"].string_value == "YES"
    assert sorted(file.name for file in (folder / "1").iterdir()) == ["model.bin", "model.xml"]


def test_engines_and_int8_have_their_place(schema: ModuleType, free: Path) -> None:
    """A configuration for an engine, as made of what its session would say."""
    session = open_session(free, "cpu", 1)
    said = replace(manifest(), precision="int8")
    made = triton.signature(session, said, 3)
    kinds = {}
    for suffix in (".onnx", ".engine"):
        found = text_format.Parse(triton.config("m", suffix, made, said), schema.ModelConfig())
        kinds[found.backend] = (found.instance_group[0].kind, found.default_model_filename)
    group = schema.ModelInstanceGroup
    assert kinds == {
        "onnxruntime": (group.KIND_CPU, "model.onnx"), "tensorrt": (group.KIND_GPU, "model.plan"),
    }  # fmt: skip


def test_nothing_is_replaced_unasked(free: Path, tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    folder = triton.write_repository(free, repository)
    (folder / "2").mkdir()
    with pytest.raises(UsageError, match="--exist-ok"):
        triton.write_repository(free, repository)
    triton.write_repository(free, repository, exist_ok=True)
    assert not (folder / "2").exists()
    assert [path.name for path in repository.iterdir()] == ["free"]
    (repository / "own").mkdir()
    (repository / "own" / "thesis.txt").touch()
    with pytest.raises(UsageError, match="no model of a Triton repository"):
        triton.write_repository(free, repository, name="own", exist_ok=True)
    assert (repository / "own" / "thesis.txt").exists()
    (repository / "link").symlink_to(folder)
    with pytest.raises(UsageError, match="no model of a Triton repository"):
        triton.write_repository(free, repository, name="link", exist_ok=True)
    with pytest.raises(UsageError, match="no name for a model"):
        triton.write_repository(free, repository, name='a" }')


def test_what_was_there_stays_where_the_new_cannot_take_its_place(
    free: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = triton.write_repository(free, tmp_path / "repository")
    (folder / "2").mkdir()
    rename = Path.rename

    def refusing(path: Path, target: Path) -> Path:
        if path.suffix == ".part":
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refusing)
    with pytest.raises(InputError, match="No space left"):
        triton.write_repository(free, tmp_path / "repository", exist_ok=True)
    assert [path.name for path in folder.parent.iterdir()] == ["free"]
    assert (folder / "2").is_dir()


def test_a_failure_leaves_nothing(tmp_path: Path, free: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        triton.write_repository(free, tmp_path / "file")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(triton.shutil, "copyfile", full)
    with pytest.raises(InputError, match="No space left"):
        triton.write_repository(free, tmp_path / "repository")
    assert list((tmp_path / "repository").iterdir()) == []


class TestCommand:
    @pytest.fixture
    def export(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> Callable[..., tuple[int, str]]:
        def call(*words: object) -> tuple[int, str]:
            """Where torch is absent, as on the machine that serves."""
            from depdis_export.cli import main

            monkeypatch.setitem(sys.modules, "torch", None)
            monkeypatch.setattr("sys.argv", ["depdis-export", *map(str, words)])
            with pytest.raises(SystemExit) as end:
                main()
            printed = capsys.readouterr()
            return int(end.value.code or 0), printed.out + printed.err

        return call

    def test_an_exported_model_needs_no_torch(
        self, export: Callable[..., tuple[int, str]], free: Path, tmp_path: Path
    ) -> None:
        assert export(free, "--triton", tmp_path / "r")[0] == 0
        assert (tmp_path / "r" / "free" / "config.pbtxt").is_file()

    @pytest.mark.parametrize(
        ("words", "says"),
        [((), "--triton DIR"), (("--triton", "r", "--precision", "int8"), "--precision needs a checkpoint")],
    )
    def test_wrong_words(
        self, export: Callable[..., tuple[int, str]], free: Path, words: tuple[str, ...], says: str
    ) -> None:
        status, text = export(free, *words)
        assert status == 2
        assert says in text
