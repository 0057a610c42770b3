"""TensorRT engines, really parsed and built by TensorRT-RTX for named GPUs; nothing here runs one."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from typer.testing import CliRunner

from depdis_deploy.backends.engine_key import Key, beside, read_key, sha256
from depdis_deploy.backends.local_engines import built_here
from depdis_deploy.backends.tensorrt_engine import Wishes, make_engine
from depdis_deploy.backends.tensorrt_graph import read_graph
from depdis_deploy.backends.tensorrt_layers import EngineError
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.manifest import Manifest
from depdis_deploy.predictor import BUNDLED_MODEL
from depdis_export import cli, exporting, precision, quantize
from depdis_export.bounds import BOUNDS
from depdis_export.deployable import Deployable
from depdis_export.engine_file import from_checkpoint
from depdis_export.layers import folded
from depdis_export.to_onnx import build, describe
from depdis_training.network import build_network

pytest.importorskip("tensorrt_rtx")
ROOT = Path(__file__).parents[2]
CAPABILITY = "8.6"
# Its tensor cores take INT8, but TensorRT-RTX builds INT8 convolutions in float for it, and says nothing.
WITHOUT_INT8 = "7.5"


def noise(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


def lowered(model: onnx.ModelProto, frames: NDArray[np.uint8]) -> dict[str, onnx.ModelProto]:
    """The graph in each precision, all of its convolutions."""
    base = folded(model)
    int8 = quantize.to_int8(base, quantize.ranges(base, [frames]), "tensorrt")
    return {"fp32": model, "fp16": precision.to_fp16(base), "int8": int8}


def written(models: dict[str, onnx.ModelProto], manifest: Manifest, folder: Path) -> dict[str, Path]:
    paths = {}
    for name, model in models.items():
        describe(model, replace(manifest, precision=name, parity={}))
        paths[name] = folder / f"{name}.onnx"
        onnx.save(model, paths[name])
    return paths


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The bundled network, which takes any size."""
    model = onnx.load(BUNDLED_MODEL)
    return written(lowered(model, noise(1, 64, 128)), manifest_of(model), tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The paper's network with random weights, for pictures of one size."""
    torch.manual_seed(0)
    manifest = exporting.released_manifest(16, (64, 64))
    model = build(Deployable(build_network(16, "resnet101").eval(), manifest, 1), manifest, 1)
    return written(lowered(model, noise(1, 64, 64)), manifest, tmp_path_factory.mktemp("large"))


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


def make(onnx_file: Path, engine: Path, capability: str = CAPABILITY, **wishes: Any) -> Key:
    kind = onnx_file.stem
    made = make_engine(onnx_file, engine, asdict(BOUNDS[kind]), Wishes(capabilities=(capability,), **wishes))
    return made.key


def export(*words: object) -> Any:
    return CliRunner().invoke(cli.app, [str(word) for word in words])


def manifest_of(model: onnx.ModelProto) -> Manifest:
    return Manifest.from_metadata({entry.key: entry.value for entry in model.metadata_props})


def mislabelled(fp32: Path, path: Path) -> None:
    """A file of fp32 that says it is fp16."""
    model = onnx.load(fp32)
    describe(model, replace(manifest_of(model), precision="fp16"))
    onnx.save(model, path)


class TestBuilds:
    """Layers and precisions are what TensorRT says of the engine that it has built."""

    @pytest.mark.parametrize(
        ("kind", "capability", "sizes"),
        [
            ("fp32", "12.0", {}),
            ("fp16", "8.9", {"min": (1, 64, 64, 3), "opt": (1, 64, 128, 3), "max": (4, 128, 256, 3)}),
            ("int8", "8.6", {"min": (1, 64, 64, 3), "opt": (1, 64, 128, 3), "max": (2, 64, 128, 3)}),
        ],
    )
    def test_small_network(
        self, kind: str, capability: str, sizes: dict[str, Any], small: dict[str, Path], tmp_path: Path
    ) -> None:
        engine = tmp_path / "street.engine"
        key = make(small[kind], engine, capability, **sizes)
        convolutions = sum(node.op_type == "Conv" for node in onnx.load(small[kind]).graph.node)
        assert key.layers == {kind: convolutions, "unread": 0}
        assert read_key(engine) == key
        assert (key.precision, key.manifest.precision) == (kind, kind)
        assert (key.gpu, key.capabilities) == (None, (capability,))
        assert built_here(key.engine_sha256)
        rule = key.manifest.resize
        if sizes:
            assert key.manifest.dynamic
            assert (rule.kind, rule.width, rule.height) == ("area", 128, 64)
            assert key.profile.shape == (None, None, None, 3)
        else:
            # The nominal size alone, to which pictures of another aspect are padded.
            assert not key.manifest.dynamic
            assert (rule.kind, rule.width, rule.height) == ("fit", 640, 320)
            assert key.profile.shape == (1, 320, 640, 3)

    @pytest.mark.parametrize(("kind", "capability"), [("fp32", "8.9"), ("fp16", "12.0"), ("int8", "8.0")])
    def test_papers_network(self, kind: str, capability: str, large: dict[str, Path], tmp_path: Path) -> None:
        engine = tmp_path / "paper.engine"
        key = make(large[kind], engine, capability)
        assert key.layers == {kind: 114, "unread": 0}
        assert key.profile.shape == (1, 64, 64, 3)
        weights = large["fp32"].stat().st_size
        assert engine.stat().st_size < {"fp32": 1.2, "fp16": 0.6, "int8": 0.4}[kind] * weights

    @pytest.mark.parametrize(
        ("network", "kind"), [("small", "fp32"), ("small", "fp16"), ("small", "int8"), ("large", "fp32")]
    )
    def test_rewritten_graph_computes_the_same(
        self, kind: str, network: str, request: pytest.FixtureRequest
    ) -> None:
        file: Path = request.getfixturevalue(network)[kind]
        frames = noise(1, 64, 64)
        graph = read_graph(file.read_bytes())

        def outputs(model: bytes) -> list[NDArray[Any]]:
            options = onnxruntime.SessionOptions()
            options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
            return onnxruntime.InferenceSession(model, options).run(None, {"frames": frames})  # type: ignore

        for before, after in zip(outputs(file.read_bytes()), outputs(graph.data), strict=True):
            assert before.dtype == after.dtype
            np.testing.assert_array_equal(before, after)


class TestGate:
    """An engine that is not what was asked for is not kept."""

    def test_int8_that_is_built_in_float_exits_1_and_leaves_no_file(
        self, small: dict[str, Path], tmp_path: Path
    ) -> None:
        engine = tmp_path / "s.engine"
        done = export(small["int8"], "--trt", "-o", engine, "--compute-capability", WITHOUT_INT8)
        assert done.exit_code == 1
        assert isinstance(done.exception, EngineError)
        assert "is fp32, not int8" in str(done.exception)
        assert list(tmp_path.iterdir()) == []

    def test_a_graph_that_is_not_in_the_precision_of_its_manifest(
        self, small: dict[str, Path], tmp_path: Path
    ) -> None:
        mislabelled(small["fp32"], tmp_path / "fp16.onnx")
        done = export(tmp_path / "fp16.onnx", "--trt", "--compute-capability", CAPABILITY)
        assert done.exit_code == 1
        assert "says that it is fp16" in str(done.exception)
        assert [path.name for path in tmp_path.iterdir()] == ["fp16.onnx"]

    def test_another_precision_than_the_files(self, small: dict[str, Path], tmp_path: Path) -> None:
        words = ("--trt", "-o", tmp_path / "s.engine", "--compute-capability", CAPABILITY)
        done = export(small["fp32"], *words, "--precision", "fp16")
        assert done.exit_code == 1
        assert "an engine has its file's precision" in str(done.exception)
        assert list(tmp_path.iterdir()) == []

    def test_int8_of_another_form(self, tmp_path: Path) -> None:
        base = folded(onnx.load(BUNDLED_MODEL))
        model = quantize.to_int8(base, quantize.ranges(base, [noise(1, 64, 64)]), "onnxruntime")
        said = {
            entry.key: entry.value
            for entry in onnx.load(BUNDLED_MODEL, load_external_data=False).metadata_props
        }
        describe(model, replace(Manifest.from_metadata(said), precision="int8"))
        onnx.save(model, tmp_path / "int8.onnx")
        with pytest.raises(InputError, match="unsigned activations"):
            make(tmp_path / "int8.onnx", tmp_path / "s.engine")

    def test_neither_file_is_left_where_the_engine_fails(self, small: dict[str, Path], tmp_path: Path) -> None:
        def write(path: Path) -> None:
            path.write_bytes(small["fp16"].read_bytes())

        target = (tmp_path / "s.onnx", tmp_path / "s.engine")
        wishes = Wishes(capabilities=(CAPABILITY,))
        with pytest.raises(EngineError):
            from_checkpoint(*target, wishes, "fp16", lambda path: mislabelled(small["fp32"], path))
        assert list(tmp_path.iterdir()) == []
        from_checkpoint(*target, wishes, "fp16", write)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["s.engine", "s.engine.json", "s.onnx"]
        assert read_key(target[1]).onnx == "s.onnx"


class TestKey:
    @pytest.fixture
    def engine(self, small: dict[str, Path], tmp_path: Path) -> Path:
        (tmp_path / "fp32.onnx").write_bytes(small["fp32"].read_bytes())
        make(tmp_path / "fp32.onnx", tmp_path / "fp32.engine")
        return tmp_path / "fp32.engine"

    def again(self, engine: Path, *words: object) -> str:
        given = words or ("--compute-capability", CAPABILITY)
        done = export(engine.with_suffix(".onnx"), "--trt", *given)
        assert done.exit_code == 0, done.output
        assert str(engine) in done.stdout
        return done.stderr

    def test_an_engine_that_fits_is_left_alone(self, engine: Path) -> None:
        before = engine.stat().st_mtime_ns
        assert "fits already" in self.again(engine)
        assert engine.stat().st_mtime_ns == before

    def test_one_that_does_not_is_built_again_and_it_is_said_why(self, engine: Path) -> None:
        key = read_key(engine)
        said = self.again(engine, "--compute-capability", "8.9", "--workspace", "64")
        assert "built for compute capability 8.6, not 8.9; it was built with another workspace" in said
        assert read_key(engine).capabilities == ("8.9",)
        changed = replace(read_key(engine), version="1.6.0", capabilities=("8.9", CAPABILITY))
        beside(engine).write_text(changed.to_json())
        assert f"it was built by tensorrt_rtx 1.6.0, here is tensorrt_rtx {key.version}" in self.again(engine)
        assert read_key(engine).version == key.version
        engine.write_bytes(engine.read_bytes() + b"x")
        assert "it is not the file that its key is of" in self.again(engine)

    def test_a_file_that_is_no_engine_of_ours_is_replaced_only_when_told_to(self, engine: Path) -> None:
        words = (engine.with_suffix(".onnx"), "--trt", "--compute-capability", CAPABILITY)
        for text in ("notes", None):
            if text is None:
                beside(engine).unlink()
            else:
                beside(engine).write_text(text)
            assert isinstance(export(*words).exception, UsageError)
            assert export(*words, "--exist-ok").exit_code == 0
            assert read_key(engine).engine_sha256 == sha256(engine.read_bytes())

    def test_one_that_fits_but_was_not_built_here_is_built_here(
        self, engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another's"))
        assert "it was not built here by you" in self.again(engine)
        assert built_here(read_key(engine).engine_sha256)

    def test_another_onnx_file_of_the_name(self, engine: Path, small: dict[str, Path]) -> None:
        key = read_key(engine)
        mislabelled(small["fp32"], engine.with_suffix(".onnx"))
        assert export(engine.with_suffix(".onnx"), "--trt", "--compute-capability", CAPABILITY).exit_code == 1
        assert read_key(engine) == key
        engine.with_suffix(".onnx").write_bytes(small["fp16"].read_bytes())
        assert "it was built from another fp32.onnx" in self.again(engine)
        assert read_key(engine).precision == "fp16"


def test_checkpoint_goes_to_the_form_for_tensorrt(
    small: dict[str, Path], checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def stand_in(source: Path, path: Path, **options: Any) -> tuple[Manifest, list[Any], str]:
        asked.append(options["precision"])
        path.write_bytes(small["fp16"].read_bytes())
        return exporting.released_manifest(16, None), [], ""

    monkeypatch.setattr(exporting, "export", stand_in)
    words = ("--trt", "-o", tmp_path / "m.engine", "--precision", "fp16", "--compute-capability", CAPABILITY)
    done = export(checkpoint, *words)
    assert done.exit_code == 0, done.output
    assert (asked[0].name, asked[0].target) == ("fp16", "tensorrt")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.engine", "m.engine.json", "m.onnx"]
    assert isinstance(export(checkpoint, *words).exception, UsageError)
    asked.clear()
    other = (checkpoint, "--trt", "-o", tmp_path / "n.engine", "--compute-capability")
    assert isinstance(export(*other, "1.0").exception, InputError)
    assert isinstance(export(*other, "ampere").exception, UsageError)
    assert not asked  # nothing was exported in vain


def test_an_onnx_file_needs_no_torch(tmp_path: Path) -> None:
    code = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "depdis_training", "onnxscript", "onnxruntime", "numba", "scipy"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from depdis_export.cli import main
main()
"""
    engine = tmp_path / "street.engine"
    words = [str(BUNDLED_MODEL), "--trt", "-o", str(engine), "--compute-capability", CAPABILITY]
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, *words],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT / 'export'}", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
    )
    assert done.returncode == 0, done.stderr
    assert read_key(engine).layers["fp32"] == 61
    assert list((tmp_path / ".cache/depdis/engines").iterdir())


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ([BUNDLED_MODEL], UsageError, "add --trt"),
        ([BUNDLED_MODEL, "--trt", "-o", "s.onnx"], UsageError, "ends in .engine"),
        ([BUNDLED_MODEL, "--trt", "--imgsz", "64x64"], UsageError, "--imgsz needs a checkpoint"),
        ([BUNDLED_MODEL, "--trt", "--max", "64"], UsageError, "--max takes"),
        ([BUNDLED_MODEL, "--trt", "--min", "64x64", "--max", "32x64"], UsageError, "have to rise"),
        ([BUNDLED_MODEL, "--trt", "--max", "100x64"], UsageError, "multiples of 32"),
        (["last.pt", "--workspace", "64"], UsageError, "are for --trt"),
        ([BUNDLED_MODEL, "--trt", "--precision", "int4"], UsageError, "--precision takes"),
        ([BUNDLED_MODEL, "--trt", "--triton", "r"], UsageError, "--triton and --compute-capability"),
        (["none.onnx", "--trt"], InputError, "no such model file"),
        ([BUNDLED_MODEL, "--trt", "--compute-capability", "1.0"], InputError, "but for 7.5"),
        ([BUNDLED_MODEL, "--trt", "--compute-capability", "ampere"], UsageError, "numbers such as 8.6"),
    ],
)
def test_wrong_words(words: list[object], error: type[Exception], says: str, tmp_path: Path) -> None:
    output = [] if "-o" in words else ["-o", tmp_path / "s.engine"]
    ahead = (
        ["--compute-capability", CAPABILITY] if "--trt" in words and "--compute-capability" not in words else []
    )
    done = export(*words, *output, *ahead)
    assert isinstance(done.exception, error), done.exception
    assert says in str(done.exception)
    assert list(tmp_path.iterdir()) == []


def test_sizes_for_a_file_of_one_size(large: dict[str, Path], tmp_path: Path) -> None:
    own = (1, 64, 64, 3)
    for sizes in ({"opt": (2, 64, 64, 3)}, {"min": (1, 32, 64, 3), "opt": own}, {"max": (1, 64, 128, 3)}):
        with pytest.raises(UsageError, match="1x64x64 only"):
            make(large["fp32"], tmp_path / "s.engine", **sizes)


def test_what_stays_fp32_never_passes_through_fp16(small: dict[str, Path]) -> None:
    casts: dict[int, list[onnx.NodeProto]] = {onnx.TensorProto.FLOAT16: [], onnx.TensorProto.FLOAT: []}
    for node in onnx.load(small["fp16"]).graph.node:
        if node.op_type == "Cast":
            casts.setdefault(node.attribute[0].i, []).append(node)
    halved = {node.output[0] for node in casts[onnx.TensorProto.FLOAT16]}
    assert halved
    assert not halved.intersection(node.input[0] for node in casts[onnx.TensorProto.FLOAT])
