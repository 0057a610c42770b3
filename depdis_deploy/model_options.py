"""The options by which commands choose a model and how it runs, each said once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .command import finite

ModelFile = Annotated[
    Path | None, typer.Option(help="An exported model (.onnx, .xml, .engine).", show_default="the bundled one")
]
Device = Annotated[str, typer.Option(help="auto, cpu, or a GPU's number.")]
Engine = Annotated[str, typer.Option(help="auto, onnxruntime or openvino.")]
Precision = Annotated[str, typer.Option(help="auto, or insist on fp32, bf16 or int8.")]
TrustEngine = Annotated[
    bool, typer.Option("--trust-engine", help="Load a TensorRT engine not built here; it runs as code.")
]
InputSize = Annotated[
    str | None,
    typer.Option(
        "--imgsz",
        metavar="WIDTHxHEIGHT",
        help="The network's input, of a model that takes any size: larger sees farther, smaller is faster.",
        show_default="the model's own",
    ),
]
CameraFov = Annotated[
    float | None,
    typer.Option(
        metavar="DEGREES",
        callback=finite,
        help="The camera's horizontal field of view, for depth in its metres.",
        show_default="the model's canonical camera",
    ),
]
CameraHeight = Annotated[
    float | None,
    typer.Option(
        metavar="METRES",
        callback=finite,
        help="The camera's height above the road, to scale depth by the road that is seen.",
        show_default="depth as the model gives it",
    ),
]
