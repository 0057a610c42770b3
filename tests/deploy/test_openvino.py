"""OpenVINO gives what onnxruntime gives, from the ONNX file and from its own format."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from tiny_model import manifest, write_tiny_model

from depdis_deploy import Predictor
from depdis_deploy.backends import open_chosen, open_session
from depdis_deploy.backends.model_file import read_model
from depdis_deploy.backends.openvino_backend import OpenVinoSession
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.predictor import BUNDLED_MODEL

openvino = pytest.importorskip("openvino")


def frames(*shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.fixture
def own_format(model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "model.xml"
    openvino.save_model(openvino.Core().read_model(model), path, compress_to_fp16=False)
    path.with_suffix(".json").write_text(manifest().to_json())
    return path


def test_the_same_outputs_from_both_engines_and_both_formats(model: Path, own_format: Path) -> None:
    given = frames(2, 16, 24)
    true = open_session(model, "cpu", 1).run(given)
    for path, engine in ((model, "openvino"), (own_format, "auto")):
        session = open_session(path, "cpu", 1, engine=engine)
        assert (session.engine, session.arithmetic) == ("openvino", "fp32")
        assert session.output_names == tuple(true)
        assert session.input_shape == (None, None, None, 3)
        got = session.run(given)
        for name, values in true.items():
            assert got[name].dtype == values.dtype
            np.testing.assert_allclose(got[name], values, rtol=1e-5)
    assert Predictor(own_format, "cpu")(given[0]).labels.shape == (16, 24)


@pytest.mark.parametrize("name", ["depdis-street.onnx", "depdis-street-int8.onnx"])
def test_compiled_bundled_models_keep_their_output_names(name: str) -> None:
    compiled = openvino.Core().compile_model(BUNDLED_MODEL.with_name(name), "CPU")
    names = [output.get_any_name() for output in compiled.outputs]
    assert names == ["labels", "depth", "density", "confidence"]
    described = onnx.load(BUNDLED_MODEL.with_name(name)).graph
    assert all(entry.doc_string for entry in (*described.input, *described.output))


def test_takes_openvino_where_onnxruntime_is_not_installed(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    session, reason = open_chosen(model, "auto", 1)
    assert (session.engine, reason) == ("openvino", "onnxruntime is not installed")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(InputError, match=r"run pip install '\.\[cpu\]' \(or openvino, gpu or cuda"):
        open_session(model, "auto", 1)


def test_only_the_outputs_asked_for(model: Path) -> None:
    session = open_session(model, "cpu", 1, engine="openvino")
    assert list(session.run(frames(1, 16, 24), ["depth"])) == ["depth"]


def test_more_sizes_than_are_compiled_each_for_itself(model: Path) -> None:
    session = open_session(model, "cpu", 1, engine="openvino")
    reference = open_session(model, "cpu", 1)
    for width in (8, 16, 24, 32, 40):
        given = frames(1, 16, width)
        assert (session.run(given)["labels"] == reference.run(given)["labels"]).all()


def test_threads_share_a_session(model: Path) -> None:
    session = open_session(model, "cpu", 1, engine="openvino")
    many = [frames(1, 16, 24) + np.uint8(step) for step in range(8)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda given: session.run(given)["depth"], many))
    for given, got in zip(many, found, strict=True):
        np.testing.assert_array_equal(got, session.run(given)["depth"])


def test_threads_that_come_and_go_share_requests(model: Path) -> None:
    session = OpenVinoSession(read_model(model), 1, "fp32")
    given = frames(1, 16, 24)
    for _ in range(4):
        with ThreadPoolExecutor(3) as pool:
            pool.submit(session.run, given).result()
    assert [len(free) for free in session._free.values()] == [1]


def test_a_static_model_says_its_size_and_refuses_others(tmp_path: Path) -> None:
    path = write_tiny_model(tmp_path / "s.onnx", kind="stretch", batch=2)
    session = open_session(path, "cpu", engine="openvino")
    assert session.input_shape == (2, 32, 64, 3)
    with pytest.raises(InputError, match="2x32x64x3"):
        session.run(frames(1, 32, 64))


@pytest.mark.parametrize("suffix", [".bin", ".json"])
def test_the_three_files_belong_together(own_format: Path, suffix: str) -> None:
    own_format.with_suffix(suffix).unlink()
    with pytest.raises(InputError, match="keep its three files together"):
        open_session(own_format)


def test_foreign_files_are_refused_in_one_line(own_format: Path) -> None:
    own_format.with_suffix(".json").write_text("[1]")
    with pytest.raises(InputError, match="not a manifest of depdis-export"):
        open_session(own_format)
    own_format.with_suffix(".json").write_text(manifest().to_json())
    own_format.write_text("<net></net>")
    with pytest.raises(InputError, match="should have one input"):
        open_session(own_format)


def test_what_only_the_other_engine_can_do(own_format: Path) -> None:
    with pytest.raises(UsageError, match="runs in openvino only"):
        open_session(own_format, engine="onnxruntime")
    with pytest.raises(UsageError, match=r"export to \.onnx for a GPU"):
        open_session(own_format, "0")


def test_several_calls_side_by_side_fill_the_cores(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from depdis_deploy.backends import openvino_backend

    monkeypatch.setattr(openvino_backend, "cores", lambda: 4)
    one = openvino_backend._settings(1, "fp32")
    assert (one["NUM_STREAMS"], one["INFERENCE_NUM_THREADS"]) == ("4", 4)
    whole = openvino_backend._settings(None, "bf16")
    assert (whole["NUM_STREAMS"], whole["INFERENCE_NUM_THREADS"]) == ("1", 4)
    assert whole["INFERENCE_PRECISION_HINT"] == "bf16"
    assert isinstance(open_session(model, "cpu", 2, engine="openvino"), OpenVinoSession)
