"""OpenVINO models that would hang, exhaust memory or deceive the checks are rejected in one line."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hostile_models import FLOAT, INT64, PEAK, SOME, as_openvino, constant, node, with_nodes, write
from tiny_model import graph

from depdis_deploy.backends import describe, open_session
from depdis_deploy.backends.trial import vouch
from depdis_deploy.command import InputError


def used(*nodes: onnx.NodeProto, **constants: Any) -> Callable[[], onnx.ModelProto]:
    """The tiny model with nodes from `peak` to `x`, on which its depth depends."""
    added = [
        PEAK,
        *nodes,
        node("Cast", ["x"], ["x_float"], to=FLOAT),
        node("ReduceMax", ["x_float"], ["most"], keepdims=0),
        node("Mul", ["most", "nothing"], ["small"]),
        node("Add", ["own_depth", "small"], ["depth"]),
    ]
    given = [constant(name, value) for name, value in constants.items()]
    return lambda: with_nodes(added, [*given, SOME["zero_too"]])


def chain(
    operator: str, count: int, *others: str, first: str = "in", **attributes: Any
) -> list[onnx.NodeProto]:
    """Calls of an operator, each on the result of the one before; an empty name among `others` repeats that."""
    names = [first, *(f"c{index}" for index in range(1, count)), "x"]
    return [
        node(operator, [given, *(other or given for other in others)], [made], **attributes)
        for given, made in pairwise(names)
    ]


ROW = node("Expand", ["peak", "size_in"], ["in"])


# A model, the numbers to exchange in its weights, so that no engine computes with large ones, and the message.
IRS: dict[str, tuple[Callable[[], onnx.ModelProto], dict[int, int], str]] = {
    "tile": (used(ROW, node("Tile", ["in", "many"], ["x"]), size_in=[1], many=[70]), {}, "operator 'Tile'"),
    "broadcast": (
        used(node("Expand", ["peak", "size"], ["x"]), size=[71, 73]),
        {71: 10**5, 73: 10**5},
        r"Broadcast\) makes a tensor of 100000 x 100000",
    ),
    "interpolate": (
        used(ROW, node("Resize", ["in", "", "", "size"], ["x"]), size_in=[1, 1, 4, 4], size=[1, 1, 71, 73]),
        {71: 30_000, 73: 30_000},
        r"Interpolate\) makes a tensor of 1 x 1 x 30000 x 30000",
    ),
    "pad": (
        used(ROW, node("Pad", ["in", "pads"], ["x"]), size_in=[4, 4], pads=[0, 0, 71, 73]),
        {71: 10**6, 73: 10**6},
        r"Pad\) makes a tensor of 1000004 x 1000004",
    ),
    "range": (
        used(
            node("Range", ["low", "high", "step"], ["x"]), low=np.int64(0), high=np.int64(71), step=np.int64(1)
        ),
        {71: 2**62},
        "4611686018427387904",
    ),
    "doubling concat": (
        used(ROW, *chain("Concat", 40, "", axis=0), size_in=[1]),
        {},
        r"Concat\) makes a tensor",
    ),
    "many large tensors": (
        used(ROW, *chain("Relu", 100), size_in=[71, 73]),
        {71: 4000, 73: 4000},
        "more memory or computation",
    ),
    "slow products": (
        used(ROW, *chain("MatMul", 10, ""), size_in=[3000, 3000]),
        {},
        "more memory or computation",
    ),
    "slow convolutions": (
        used(
            ROW,
            node("Expand", ["peak", "size"], ["weights"]),
            *chain("Conv", 4, "weights", pads=[3] * 4),
            size_in=[1, 256, 64, 64],
            size=[256, 256, 7, 7],
        ),
        {},
        "more memory or computation",
    ),
    "enormous kernel": (
        used(
            ROW,
            node("Expand", ["peak", "size"], ["weights"]),
            *chain("Conv", 1, "weights", pads=[150] * 4),
            size_in=[1, 3, 300, 300],
            size=[1, 3, 301, 301],
        ),
        {},
        "buffer of",
    ),
    "size from pixels": (
        used(
            node("Cast", ["peak"], ["count"], to=INT64),
            node("Range", ["low", "count", "step"], ["x"]),
            low=np.int64(0),
            step=np.int64(1),
        ),
        {},
        "not a function of the input's size",
    ),
}


@pytest.mark.parametrize(("make", "exchanged", "words"), IRS.values(), ids=IRS)
def test_rejects_hostile_openvino_model_before_openvino_loads_it(
    tmp_path: Path, make: Callable[[], onnx.ModelProto], exchanged: dict[int, int], words: str
) -> None:
    path = as_openvino(write(tmp_path / "model.onnx", make()))
    weights = path.with_suffix(".bin")
    for old, new in exchanged.items():
        data = weights.read_bytes()
        assert old.to_bytes(8, "little") in data
        weights.write_bytes(data.replace(old.to_bytes(8, "little"), new.to_bytes(8, "little")))
    with pytest.raises(InputError, match=words) as error:
        describe(path)
    assert len(str(error.value).splitlines()) == 1


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


SECOND_INPUT = (
    '<layer id="99" name="x" type="Parameter" version="opset1"><data shape="1" element_type="u8"/></layer>'
)


EDGE = '<edge from-layer="0" from-port="0" to-layer="1" to-port="0"/>'


XML: list[tuple[str, str, str, str]] = [
    ("loop", 'type="TopK"', 'type="Loop"', "'Loop'"),
    ("extension", 'version="opset1"', 'version="extension"', "of 'extension'"),
    ("entities", "<net ", "<!DOCTYPE net [<!ENTITY a 'aaaa'>]><net ", "document type"),
    ("nested", "<layers>", "<layers>" + "<layer id='7' type='x'>" * 50_000, "element 'net/layers/layer/layer'"),
    ("body", "<data ", "<body/><data ", "element 'net/layers/layer/body'"),
    ("outside", 'offset="0"', 'offset="10000000000"', "does not match the weights"),
    ("negative", 'offset="0"', 'offset="-4"', "make no sense"),
    ("cut off", "</net>", "", "malformed"),
    ("two inputs", "</layers>", f"{SECOND_INPUT}</layers>", "one input"),
    ("two graphs", "</net>", "<layers/></net>", "twice"),
    ("two sets of attributes", "<data ", '<data element_type="u8"/><data ', "twice"),
    ("branch", 'type="TopK"', 'type="If"', "'If'"),
    ("iterator", 'type="TopK"', 'type="TensorIterator"', "'TensorIterator'"),
    ("variable", 'type="TopK"', 'type="ReadValue"', "'ReadValue'"),
    ("older version", 'version="opset8"', 'version="opset1"', "of 'opset1'"),
    ("text as a constant", 'offset="0"', 'value="abcd" offset="0"', "make no sense"),
    ("no edge", 'to-layer="3"', 'to-layer="2"', "edge"),
    ("edge from nowhere", 'from-port="0"', 'from-port="7"', "without an edge"),
    ("edges to one input", "<edges>", f"<edges>{EDGE * 2}", "one input"),
    ("two layers of one id", 'id="1"', 'id="0"', "the id 0"),
    ("number in another form", 'id="1"', 'id="01x"', "make no sense"),
    ("run-time attributes", "<data ", '<rt_info><attribute name="a"/></rt_info><data ', "rt_info"),
    ("preprocessing", "</net>", "<pre-process/></net>", "pre-process"),
    ("other framework", 'auto_broadcast="numpy"', 'auto_broadcast="pdpd"', "another framework"),
    ("many ports", "<output>", "<output>" + '<port id="1"/>' * 300, "ports"),
    ("many tags", "</net>", "<rt_info>" + "<a/>" * 1_100_000 + "</rt_info></net>", "tags or attributes"),
    ("digits", 'offset="0"', f'offset="{"9" * 5000}"', "make no sense"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return as_openvino(write(tmp_path_factory.mktemp("own") / "model.onnx", graph()))


@pytest.fixture
def own_format(exported: Path, tmp_path: Path) -> Path:
    """The tiny model in OpenVINO's own format, to be changed."""
    for suffix in (".xml", ".bin", ".json"):
        shutil.copy(exported.with_suffix(suffix), tmp_path)
    return tmp_path / exported.name


@pytest.mark.parametrize(("old", "new", "words"), [row[1:] for row in XML], ids=[row[0] for row in XML])
def test_rejects_hostile_openvino_xml(own_format: Path, old: str, new: str, words: str) -> None:
    edit(own_format, old, new)
    with pytest.raises(InputError, match=words) as error:
        describe(own_format)
    assert len(str(error.value)) < 400 + len(str(own_format))


def test_rejects_openvino_model_without_tensor_names(own_format: Path) -> None:
    for name in ("depth", "confidence"):
        edit(own_format, f' output_names="{name}"', "")
        edit(own_format, f' names="{name}"', "")
    vouch(own_format)
    with pytest.raises(InputError, match="has no tensor name") as error:
        open_session(own_format)
    assert len(str(error.value).splitlines()) == 1
