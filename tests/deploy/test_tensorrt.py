"""What may be loaded as an engine, what fits where, and a session's dealings with buffers and threads."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import host_cuda
import numpy as np
import onnx
import pytest
from calling import infer
from numpy.typing import NDArray
from tiny_model import manifest, write_tiny_model

from depdis_deploy import Predictor, triton
from depdis_deploy.backends import cuda, local_engines, open_session, tensorrt_engine, tensorrt_open
from depdis_deploy.backends.cuda import Cuda, Gpu, find_gpu
from depdis_deploy.backends.engine_key import Key, Profile, beside, differences, read_key, sha256
from depdis_deploy.backends.model_file import read_model
from depdis_deploy.backends.onnxruntime_backend import OnnxRuntimeSession
from depdis_deploy.backends.tensorrt_build import choose_target
from depdis_deploy.backends.tensorrt_engine import make_engine, rebuilt
from depdis_deploy.backends.tensorrt_graph import Convolution, Graph, bytes_at_the_border
from depdis_deploy.backends.tensorrt_layers import EngineError, check_layers, read_layers
from depdis_deploy.backends.tensorrt_module import TensorRT, installed
from depdis_deploy.backends.tensorrt_parity import measured, street_frames
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.predictor import BUNDLED_MODEL

HERE = {"flavour": "tensorrt", "version": "11.4.0", "gpu": "NVIDIA A10", "capabilities": ["8.6"]}
BOUNDS = {"mean": False, "labels_equal": 0.999, "inverse_depth": 1e-3, "density": 0.5}


def key(data: bytes, **changes: Any) -> Key:
    profile = Profile(min=(1, 16, 16, 3), opt=(1, 32, 64, 3), max=(2, 64, 64, 3))
    found = Key(
        engine_sha256=sha256(data), onnx="colours.onnx", onnx_sha256="", flavour="tensorrt", version="11.4.0",
        gpu="NVIDIA A10", capabilities=("8.6",), precision="fp32", profile=profile, workspace_mib=None,
        layers={"fp32": 3}, bounds=BOUNDS, manifest=manifest(),
    )  # fmt: skip
    return replace(found, **changes)


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def engine(model: Path, tmp_path: Path) -> Path:
    """Where no GPU is needed, an engine's bytes are the model's own; built here, with its key."""
    path = tmp_path / "colours.engine"
    path.write_bytes(model.read_bytes())
    beside(path).write_text(key(path.read_bytes()).to_json())
    assert local_engines.remember(sha256(path.read_bytes()), path)
    return path


class TestTrust:
    def test_a_key_reads_as_it_was_written(self, engine: Path) -> None:
        assert read_key(engine) == key(engine.read_bytes())
        assert tensorrt_open.checked(engine, trusted=False) == (engine.read_bytes(), read_key(engine))

    def test_an_engine_from_elsewhere_is_refused_whatever_lies_beside_it(
        self, engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "another's"))
        with pytest.raises(InputError, match="--trust-engine"):
            tensorrt_open.checked(engine, trusted=False)
        assert tensorrt_open.checked(engine, trusted=True)[1] == read_key(engine)

    def test_a_note_that_others_may_have_written_does_not_count(self, engine: Path, tmp_path: Path) -> None:
        name = sha256(engine.read_bytes())
        note = tmp_path / "cache/depdis/engines" / name
        assert local_engines.built_here(name)
        note.chmod(0o666)
        assert not local_engines.built_here(name)
        note.chmod(0o600)
        note.parent.chmod(0o777)
        assert not local_engines.built_here(name)
        note.parent.chmod(0o700)
        note.rename(tmp_path / "elsewhere")
        note.symlink_to(tmp_path / "elsewhere")
        assert not local_engines.built_here(name)

    def test_a_cache_that_cannot_be_written_to_is_said(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
        assert not local_engines.remember("0" * 64, tmp_path / "x.engine")
        local_engines.keep_bytes("timings", b"x")
        assert local_engines.own_bytes("timings") == b""
        assert not local_engines.built_here("0" * 64)

    def test_without_a_home_nothing_is_kept_and_nothing_believed(
        self, engine: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("XDG_CACHE_HOME", "cache")  # there, but of this folder, not of the user
        assert not local_engines.built_here(sha256(engine.read_bytes()))
        assert not local_engines.remember("0" * 64, engine)

    @pytest.mark.parametrize(
        "changes",
        [
            {"onnx": 5}, {"onnx": None}, {"engine_sha256": None}, {"flavour": "other"}, {"gpu": 3},
            {"capabilities": 8}, {"capabilities": [8]}, {"precision": []}, {"workspace_mib": "all"},
            {"layers": [1]}, {"parity": "good"}, {"bounds": []}, {"bounds": {"mean": True}}, {"manifest": {}},
            {"profile": {"min": [1, 2, 3]}}, {"profile": {"min": [0, 32, 32, 3]}},
        ],
    )  # fmt: skip
    def test_a_key_that_was_edited_is_refused_in_one_line(self, changes: dict[str, Any], engine: Path) -> None:
        found = json.loads(beside(engine).read_text())
        if "profile" in changes:
            changes = {"profile": {**found["profile"], **changes["profile"]}}
        beside(engine).write_text(json.dumps({**found, **changes}))
        with pytest.raises(InputError, match="not a key of depdis-export"):
            open_session(engine)

    def test_a_changed_engine_and_a_missing_or_foreign_key(self, engine: Path) -> None:
        data = engine.read_bytes()
        engine.write_bytes(data + b"x")
        with pytest.raises(InputError, match="not the engine that its key is of"):
            tensorrt_open.checked(engine, trusted=True)
        engine.write_bytes(data)
        for text in (
            "[1]",
            "{}",
            "no",
            key(data).to_json().replace('"format_version": 1', '"format_version": 9'),
        ):
            beside(engine).write_text(text)
            with pytest.raises(InputError, match="not a key of depdis-export"):
                open_session(engine)
        beside(engine).unlink()
        with pytest.raises(InputError, match="is not beside it"):
            open_session(engine)


class TestFit:
    def test_what_fits(self) -> None:
        assert differences(key(b""), **HERE) == []  # type: ignore[arg-type]
        rtx = key(b"", flavour="tensorrt_rtx", gpu=None, capabilities=("8.6", "8.9"))
        here = {**HERE, "flavour": "tensorrt_rtx", "capabilities": ["8.9"], "gpu": "NVIDIA L4"}
        assert differences(rtx, **here) == []  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("here", "says"),
        [
            ({"version": "10.0.1"}, "built by tensorrt 11.4.0, here is tensorrt 10.0.1"),
            ({"flavour": "tensorrt_rtx"}, "here is tensorrt_rtx 11.4.0"),
            ({"gpu": "NVIDIA A40"}, "built on NVIDIA A10, here is NVIDIA A40"),
            ({"capabilities": ["9.0"]}, "for compute capability 8.6, not 9.0"),
            ({"onnx_sha256": "1"}, "from another colours.onnx"),
            ({"workspace_mib": 5}, "another workspace"),
            (
                {"profile": Profile(min=(1, 8, 8, 3), opt=(1, 8, 8, 3), max=(1, 8, 8, 3))},
                "frames of 1x16x16 to 2x64x64, best at 1x64x32, not 1x8x8",
            ),
        ],
    )
    def test_what_does_not(self, here: dict[str, Any], says: str) -> None:
        (found,) = differences(key(b""), **{**HERE, **here})
        assert says in found

    def test_without_its_onnx_file_it_cannot_be_built_again(self, engine: Path) -> None:
        with pytest.raises(InputError, match=r"is too old.*colours.onnx is not beside it"):
            rebuilt(engine, read_key(engine), ["is too old"], "auto")
        write_tiny_model(engine.with_suffix(".onnx"))
        with pytest.raises(InputError, match="is another file than it was built from"):
            rebuilt(engine, read_key(engine), ["is too old"], "auto")
        out = replace(read_key(engine), onnx="../colours.onnx")
        with pytest.raises(InputError, match="is not beside it"):
            rebuilt(engine, out, ["is too old"], "auto")


def without_gpu() -> bool:
    try:
        find_gpu()
    except InputError:
        return True
    return False


@pytest.mark.skipif(not without_gpu(), reason="there is a GPU here")
def test_without_a_gpu_an_engine_is_refused_in_one_line(
    engine: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in ((), ("--device", "0")):
        result = infer(capfd, monkeypatch, "--model", engine, "--outdir", tmp_path / "out", *words)
        assert result.status == 1
        assert len(result.errors) == 1
        assert "TensorRT engines run on NVIDIA GPUs only" in result.errors[0]
    assert not (tmp_path / "out").exists()


def test_what_an_engine_cannot_run_on(engine: Path) -> None:
    for words in ({"device": "cpu"}, {"engine": "openvino"}):
        with pytest.raises(UsageError, match="TensorRT on a GPU"):
            open_session(engine, **words)


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorrt", None)
    with pytest.raises(InputError, match=r"pip install '.\[tensorrt\]'"):
        installed(["tensorrt"])


def test_a_gpu_that_tensorrt_rtx_refuses_is_told_before_the_build() -> None:
    rtx = installed(["tensorrt_rtx"])
    for wanted in ((), ("9.0",)):
        with pytest.raises(InputError, match=r"not on this NVIDIA H200 \(9.0\): .*pip install .*\[tensorrt\]'"):
            choose_target(rtx, Gpu(0, "NVIDIA H200", "9.0"), wanted)
    for capability in ("8.9", "13.0"):
        assert choose_target(rtx, Gpu(0, "some GPU", capability), ()).capabilities == (capability,)


def test_precisions_are_read_as_tensorrt_10_writes_them_too() -> None:
    def layer(name: str, kind: str, taken: str, weights: str) -> str:
        return (
            f"Name: {name}, LayerType: {kind}, Inputs: [ {{ Name: x, Location: Device, Dimensions: [1,3,8,8], "
            f"Format/Datatype: {taken} }}], Outputs: [ {{ Name: y, Location: Device, Dimensions: [1,4,8,8], "
            f'Format/Datatype: Half }}], ParameterType: Convolution, Weights: {{"Type": "{weights}"}}, '
            f"Metadata: [ONNX Layer: {name}]\x1e[ONNX Layer: act]"
        )

    vectors = "Thirty-two wide channel vectorized row major Int8 format"
    plain, halves = "Row major linear FP32", "Channel major FP16 format where channel % 8 == 0"
    text = "\n".join([
        "Layers:", layer("a", "CaskConvolution", halves, "Half"),
        layer("b", "CaskConvolution", vectors, "Int8"),
        layer("c", "CaskConvolution", plain, "Float"), layer("b", "Reformat", plain, "Float"),
    ])  # fmt: skip
    graph = {
        name: Convolution(kind, 9) for name, kind in zip("abcd", ("fp16", "int8", "fp16", "fp32"), strict=True)
    }
    built = read_layers(text, graph)
    assert built.counts == {"fp16": 1, "int8": 1, "fp32": 1}
    assert built.wrong == ["c is fp32, not fp16"]
    assert built.unread == ["d"]
    with pytest.raises(EngineError, match="c is fp32, not fp16"):
        check_layers(built, "fp16", "an A10")
    with pytest.raises(EngineError, match="cannot be shown to be fp16"):
        check_layers(read_layers("", graph), "fp16", "an A10")


def test_a_layer_with_constants_of_an_unknown_type_is_read() -> None:
    tensor = "{{ Name: w, Dimensions: [9], Datatype: {} }}"
    taken = (
        f"Inputs: [ {tensor.format('Half')} ], Constants: [ {tensor.format('FP8')}, {tensor.format('Half')} ]"
    )
    line = f"LayerType: conv, {taken}, Outputs: [], Metadata: [ONNX Layer: a]"
    assert read_layers(line, {"a": Convolution("fp16", 9)}).counts == {"fp16": 1}


def test_a_cast_is_told_by_its_attributes_name() -> None:
    """Of operator set 19 on a cast also says whether it saturates, before what it is to."""
    kinds = onnx.TensorProto
    cast = onnx.helper.make_node("Cast", ["middle"], ["labels"], saturate=1, to=kinds.UINT8)
    assert cast.attribute[0].name == "saturate"
    ends = [
        onnx.helper.make_tensor_value_info(name, kind, [1])
        for name, kind in (("frames", kinds.UINT8), ("labels", kinds.UINT8))
    ]
    first = onnx.helper.make_node("Cast", ["frames"], ["middle"], to=kinds.FLOAT)
    model = onnx.helper.make_model(onnx.helper.make_graph([first, cast], "g", ends[:1], ends[1:]))
    bytes_at_the_border(model)
    to = [attribute.i for node in model.graph.node for attribute in node.attribute if attribute.name == "to"]
    assert to == [kinds.FLOAT, kinds.FLOAT, kinds.FLOAT, kinds.UINT8]


class TestParity:
    def test_frames_are_of_a_street_and_differ(self) -> None:
        frames = street_frames((3, 32, 64, 3))
        assert frames.shape == (3, 32, 64, 3)
        assert (frames[0] != frames[1]).any()

    @pytest.mark.parametrize("wrong", [None, "labels", "depth", "density", "nan", "dtype"])
    def test_an_engine_that_differs_is_refused(self, wrong: str | None, model: Path) -> None:
        reference = OnnxRuntimeSession(read_model(model), "cpu", 1)

        class Other:
            def run(self, frames: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
                found = reference.run(frames)
                if wrong == "labels":
                    found["labels"] = 2 - found["labels"]
                elif wrong == "dtype":
                    found["depth"] = found["depth"].astype(np.float64)
                elif wrong is not None:
                    name = "depth" if wrong == "nan" else wrong
                    # in the second frame alone, as an engine that is wrong in batches
                    found[name][1] *= np.nan if wrong == "nan" else 1.5
                return found

        frames = street_frames((2, 32, 64, 3))
        if wrong is None:
            assert measured(Other(), reference, frames, BOUNDS)["labels_equal"] == 1.0  # type: ignore[arg-type]
        else:
            with pytest.raises(EngineError, match="nothing was kept"):
                measured(Other(), reference, frames, BOUNDS)  # type: ignore[arg-type]


class TestSession:
    """The session's own work, on a GPU that is played in host memory (see host_cuda)."""

    @pytest.fixture
    def runtime(self, monkeypatch: pytest.MonkeyPatch) -> host_cuda.Runtime:
        runtime = host_cuda.Runtime()
        self.engines: list[host_cuda.Engine] = []
        tensorrt = TensorRT("tensorrt", host_cuda.module(runtime, self.engines), "11.4.0")
        monkeypatch.setattr(Cuda, "__init__", lambda self: setattr(self, "api", runtime))
        monkeypatch.setattr(tensorrt_open, "find_gpu", lambda device: Gpu(0, "NVIDIA A10", "8.6"))
        monkeypatch.setattr(tensorrt_open, "installed", lambda *_: tensorrt)
        return runtime

    def test_predictor_gives_what_the_onnx_file_gives(
        self, runtime: host_cuda.Runtime, engine: Path, model: Path
    ) -> None:
        pictures = list(np.random.default_rng(0).integers(0, 256, (5, 32, 64, 3), dtype=np.uint8))
        predictor = Predictor(engine)
        assert predictor.choice.startswith("colours.engine in tensorrt, fp32, GPU 0")
        assert predictor.choice.endswith("it was never compared with its ONNX file")
        # Five at once are more than the engine takes: they go in twos.
        for got, expected in zip(
            predictor.predict(pictures), Predictor(model, "cpu").predict(pictures), strict=True
        ):
            for name in predictor.manifest.outputs:
                np.testing.assert_array_equal(getattr(got, name), getattr(expected, name))

    def test_only_what_is_asked_for_comes_back(self, runtime: host_cuda.Runtime, engine: Path) -> None:
        session = open_session(engine)
        frames = street_frames((1, 32, 64, 3))
        found = session.run(frames, ["depth"])
        assert list(found) == ["depth"]
        assert runtime.calls.count("cudaMemcpyAsync 2") == 1
        kept = found["depth"].copy()
        session.run(255 - frames, ["depth"])
        np.testing.assert_array_equal(found["depth"], kept)

    @pytest.mark.parametrize(("graph_ms", "launches"), [(1.0, True), (3.0, False)])
    def test_a_cuda_graph_is_used_where_it_is_faster(
        self, graph_ms: float, launches: bool, runtime: host_cuda.Runtime, engine: Path, model: Path
    ) -> None:
        runtime.graph_ms = graph_ms
        session, reference = open_session(engine), open_session(model, "cpu")
        for index in range(4):
            runtime.calls.clear()
            frames = street_frames((1, 32, 64, 3)) + np.uint8(index)
            np.testing.assert_array_equal(session.run(frames)["depth"], reference.run(frames)["depth"])
        assert ("cudaGraphLaunch" in runtime.calls, "execute_async_v3" in runtime.calls) == (
            launches,
            not launches,
        )

    def test_memory_is_made_once_a_shape_and_given_back(self, runtime: host_cuda.Runtime, engine: Path) -> None:
        session = open_session(engine)
        sizes = [(1, 16, 16, 3), (1, 16, 32, 3), (2, 16, 32, 3), (1, 32, 32, 3), (1, 64, 64, 3)]
        for shape in (*sizes, *sizes):
            assert session.run(street_frames(shape))["labels"].shape == shape[:3]
        # Three shapes have a context each, all others one together.
        assert len(self.engines[0].contexts) == 4
        assert runtime.calls.count("cudaMalloc") == 4 * 5 * 2
        del session
        self.engines.clear()
        assert runtime.memory == {}

    def test_device_memory_is_given_back_where_the_host_has_none(
        self, runtime: host_cuda.Runtime, engine: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(runtime, "cudaMallocHost", lambda size: (2, 0), raising=False)
        with pytest.raises(InputError, match="cudaMallocHost: error 2"):
            open_session(engine).run(street_frames((1, 32, 64, 3)))
        assert runtime.memory == {}

    def test_each_thread_has_a_context_of_its_own(
        self, runtime: host_cuda.Runtime, engine: Path, model: Path
    ) -> None:
        session, reference = open_session(engine), open_session(model, "cpu")
        many = [street_frames((1, 32, 64, 3)) + np.uint8(step) for step in range(8)]
        with ThreadPoolExecutor(4) as pool:
            found = list(pool.map(lambda given: session.run(given)["depth"], many))
        for given, got in zip(many, found, strict=True):
            np.testing.assert_array_equal(got, reference.run(given)["depth"])
        assert 1 < len(self.engines[0].contexts) <= 4

    def test_frames_outside_the_profile(self, runtime: host_cuda.Runtime, engine: Path) -> None:
        with pytest.raises(InputError, match="frames of 1x16x16 to 2x64x64, best at 1x64x32, got 1x128x64"):
            open_session(engine).run(np.zeros((1, 64, 128, 3), np.uint8))

    def test_triton_gets_batches_as_large_as_the_engine_takes(
        self, runtime: host_cuda.Runtime, engine: Path, tmp_path: Path
    ) -> None:
        folder = triton.write_repository(engine, tmp_path / "repository")
        assert "max_batch_size: 2\n" in (folder / "config.pbtxt").read_text()
        assert (folder / "1" / "model.plan").read_bytes() == engine.read_bytes()
        beside(engine).write_text(key(engine.read_bytes(), flavour="tensorrt_rtx").to_json())
        with pytest.raises(InputError, match="this one is of tensorrt_rtx"):
            triton.write_repository(engine, tmp_path / "other")

    def test_an_engine_that_tensorrt_refuses(self, runtime: host_cuda.Runtime, engine: Path) -> None:
        engine.write_bytes(b"no engine")
        beside(engine).write_text(key(b"no engine").to_json())
        with pytest.raises(InputError, match="cannot load this engine"):
            Predictor(engine, trust_engine=True)


class TestRebuilding:
    """On a GPU that is played in host memory: what is built there is the graph itself, for onnxruntime."""

    @pytest.fixture
    def here(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
        """A model's file, and a machine whose TensorRT builds."""
        runtime = host_cuda.Runtime()
        tensorrt = TensorRT("tensorrt", host_cuda.module(runtime, []), "11.4.0")
        self.gpu = Gpu(0, "NVIDIA A10", "8.6")
        self.harm = ""

        def build(_: object, graph: Graph, *__: object) -> tuple[bytes, str]:
            self.graph = graph
            return graph.data, ""

        def described(*_: object) -> str:
            return "\n".join(
                f"LayerType: conv, Inputs: [ {{ Dimensions: [1], Datatype: {self.harm or 'Float'} }}], "
                f"Outputs: [], Metadata: [ONNX Layer: {name}]"
                for name in self.graph.convolutions
            )

        monkeypatch.setattr(Cuda, "__init__", lambda self: setattr(self, "api", runtime))
        for module in (tensorrt_open, tensorrt_engine):
            monkeypatch.setattr(module, "find_gpu", lambda device: self.gpu)
            monkeypatch.setattr(module, "installed", lambda *_: tensorrt)
        monkeypatch.setattr(tensorrt_engine, "build", build)
        monkeypatch.setattr(tensorrt_engine, "described", described)
        path = tmp_path / "street.onnx"
        path.write_bytes(BUNDLED_MODEL.read_bytes())
        return path

    def make(self, path: Path, **changes: Any) -> Key:
        size = (1, 64, 128, 3)
        wishes = tensorrt_engine.Wishes(min=size, opt=size, max=size)
        return make_engine(path, path.with_suffix(".engine"), {**BOUNDS, **changes}, wishes).key

    def test_an_engine_is_compared_with_its_file_before_it_is_kept(self, here: Path) -> None:
        key = self.make(here)
        assert key.gpu == "NVIDIA A10"
        assert key.parity is not None
        assert key.parity[0]["labels_equal"] == 1.0
        picture = street_frames((1, 64, 128, 3))[0]
        predictor = Predictor(here.with_suffix(".engine"))
        assert predictor.choice.endswith("its format's engine")
        prediction = predictor(picture)
        expected = OnnxRuntimeSession(read_model(here), "cpu", 1).run(picture[None])
        np.testing.assert_array_equal(prediction.labels, expected["labels"][0])

    def test_one_that_differs_or_is_in_another_precision_is_not_kept(self, here: Path) -> None:
        with pytest.raises(EngineError, match="nothing was kept"):
            self.make(here, labels_equal=1.1)
        self.harm = "Half"
        with pytest.raises(EngineError, match="is fp16, not fp32"):
            self.make(here)
        assert sorted(path.name for path in here.parent.iterdir() if path.is_file()) == ["street.onnx"]

    def test_another_gpu_builds_it_again_and_says_why(self, here: Path) -> None:
        self.make(here)
        engine = here.with_suffix(".engine")
        self.gpu = Gpu(0, "NVIDIA L4", "8.9")
        with pytest.warns(
            RuntimeWarning, match="built for compute capability 8.6, not 8.9.*built on NVIDIA A10"
        ):
            Predictor(engine)
        assert read_key(engine).gpu == "NVIDIA L4"
        Predictor(engine)  # without a word
        engine.write_bytes(b"of somebody else")
        beside(engine).write_text(key(b"of somebody else").to_json())
        with pytest.raises(InputError, match="not built here by you"):
            Predictor(engine)
        self.make(here)
        Predictor(engine)
        here.unlink()
        self.gpu = Gpu(0, "NVIDIA A10", "8.6")
        with pytest.raises(InputError, match=r"not 8.6; .*street.onnx is not beside it"):
            Predictor(engine)

    def test_one_that_is_swapped_behind_the_build_is_not_loaded(
        self, here: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        self.make(here)
        self.gpu = Gpu(0, "NVIDIA L4", "8.9")

        def swapped(engine: Path, *words: Any) -> tensorrt_engine.Made:
            made = rebuilt(engine, *words)
            engine.write_bytes(b"of somebody else")
            beside(engine).write_text(key(b"of somebody else").to_json())
            return made

        monkeypatch.setattr(tensorrt_open, "rebuilt", swapped)
        with pytest.warns(RuntimeWarning, match="again"), pytest.raises(InputError, match="has replaced"):
            Predictor(here.with_suffix(".engine"))


def test_cudas_own_words_are_in_the_message() -> None:
    if cuda.Cuda().api.cudaGetDeviceCount()[1]:
        pytest.skip("there is a GPU here")
    with pytest.raises(InputError, match=r"cudaSetDevice: .*driver"):
        cuda.Cuda().call("cudaSetDevice", 0)
    assert os.linesep not in str(cuda.Cuda().words(cuda.Cuda().api.cudaError_t.cudaErrorNoDevice))
