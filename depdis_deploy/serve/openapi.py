"""The server's description of itself, in OpenAPI's terms."""

from __future__ import annotations

from typing import Any

import depdis_deploy
from depdis_deploy.job import PANELS
from depdis_deploy.manifest import Manifest

from .answers import JSON, NPZ, OUTPUTS, PNG, UNITS
from .guard import OPEN
from .settings import Settings

_ERRORS = {
    "400": "A parameter or output that there is not.",
    "401": "No API key, or a wrong one, where the server asks for one.",
    "406": "None of the accepted media types can be given.",
    "408": "The body did not arrive in time.",
    "413": "Too many bytes or pixels.",
    "415": "The body is not sent as the picture's own bytes.",
    "421": "Reached under a name that is not this machine's own (without an API key).",
    "422": "No picture, or a damaged one.",
    "429": "All places are taken.",
    "503": "The server is about to end, or receives too much at once.",
}
_RETRIED = ("429", "503")
_CURL = "curl --fail-with-body -H 'Content-Type: image/jpeg' --data-binary @street.jpg"


def document(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    """OpenAPI 3.1 of a server for one model."""
    paths: dict[str, Any] = {
        "/predict": {"post": _predict(manifest, settings)},
        "/model": {"get": _page("The model's manifest: classes, palette, sizes, units, checks.", JSON)},
        "/healthz": {"get": _page("200 as long as the process answers.", "text/plain")},
        "/readyz": {"get": _page("200 when pictures are taken; 503 once the server is to end.", "text/plain")},
        "/metrics": {"get": _page("Counters and times in Prometheus's format.", "text/plain")},
        "/openapi.json": {"get": _page("This description.", JSON)},
        "/docs": {"get": _page("This description as a page.", "text/html")},
    }
    paths["/readyz"]["get"]["responses"]["503"] = _error("503")
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": "depdis",
            "version": depdis_deploy.__version__,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "What every pixel of a street picture is, how far away it is in metres, and how "
            "usual that is for its class.",
        },
        "paths": paths,
        "components": {"schemas": {"Error": _ERROR, "Prediction": _prediction(manifest)}},
    }
    if settings.api_key is not None:
        described["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"key": []}]
        for path in OPEN:
            paths[path]["get"]["security"] = []
    return described


def _predict(manifest: Manifest, settings: Settings) -> dict[str, Any]:
    outputs = [name for name in OUTPUTS if name in (*manifest.outputs, "overlay")]
    units = "; ".join(f"{name}: {UNITS[name]}" for name in outputs)
    picture = {"schema": {"type": "string", "format": "binary"}}
    return {
        "summary": "A picture in; labels, depth and density out.",
        "description": f"The body is the picture's own bytes: JPEG, PNG, WebP or BMP, at most "
        f"{settings.max_bytes:,} bytes and {settings.max_pixels:,} pixels. `Accept` chooses the form. A PNG's "
        f"values are ({units}); an NPZ's are metres and shares of 1, on the picture's pixels.",
        "parameters": [
            {
                "name": "output", "in": "query", "required": False,
                "description": "Which map: one of a PNG (labels if none is named), any number of JSON's (none) "
                "and of an NPZ (all, and always the labels).",
                "schema": {"type": "array", "items": {"type": "string", "enum": outputs}},
                "style": "form", "explode": True, "example": ["depth"],
            },
            {
                "name": "panel", "in": "query", "required": False, "description": "What the overlay shows.",
                "schema": {"type": "string", "enum": list(PANELS), "default": "overlay"}, "example": "quad",
            },
        ],
        "requestBody": {
            "required": True,
            "content": dict.fromkeys(("image/jpeg", "image/png", "application/octet-stream"), picture),
        },
        "responses": {
            "200": {
                "description": "The prediction.",
                "headers": {
                    "Server-Timing": {
                        "description": "Milliseconds of each stage.",
                        "schema": {"type": "string"}, "example": "wait;dur=0.1, inference;dur=21.0",
                    }
                },
                "content": {
                    JSON: {
                        "schema": {"$ref": "#/components/schemas/Prediction"},
                        "example": _example(manifest),
                    },
                    PNG: picture,
                    NPZ: picture,
                },
            },
            **{status: _error(status) for status in _ERRORS},
        },
        "x-codeSamples": [
            {"lang": "sh", "label": "Shares and depths by class", "source": f"{_CURL} URL/predict"},
            {
                "lang": "sh", "label": "Depth as a 16-bit PNG in centimetres",
                "source": f"{_CURL} -H 'Accept: image/png' -o depth.png 'URL/predict?output=depth'",
            },
            {
                "lang": "sh", "label": "All maps as arrays",
                "source": f"{_CURL} -H 'Accept: application/x-npz' -o maps.npz URL/predict",
            },
        ],
    }  # fmt: skip


def _page(text: str, media_type: str) -> dict[str, Any]:
    content = {media_type: {"schema": {"type": "object" if media_type == JSON else "string"}}}
    return {"summary": text, "responses": {"200": {"description": text, "content": content}}}


def _error(status: str) -> dict[str, Any]:
    found: dict[str, Any] = {
        "description": _ERRORS[status],
        "content": {JSON: {"schema": {"$ref": "#/components/schemas/Error"}}},
    }
    if status in _RETRIED:
        retry = {
            "description": "Seconds after which to try again.",
            "schema": {"type": "integer"},
            "example": 1,
        }
        found["headers"] = {"Retry-After": retry}
    return found


_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string", "description": "What was expected, what was got, what to do."}},
    "example": {"error": "the image: it is empty; expected an image"},
}


def _example(manifest: Manifest) -> dict[str, Any]:
    found = {"share": 0.09, "median_depth_m": 17.2, "nearest_depth_m": 8.1}
    return {
        "width": 640, "height": 320, "classes": {manifest.taxonomy.names[0]: found},
        "units": {"depth": "m", "depth_png": "cm", "share": "1", "speed": "ms"},
        "camera": {"fov_degrees": 90.0, "focal_px": 320.0, "assumed": True, "height": None},
        "speed": {"preprocess": 0.1, "inference": 27.0, "postprocess": 0.2},
    }  # fmt: skip


def _prediction(manifest: Manifest) -> dict[str, Any]:
    number, count = {"type": "number"}, {"type": "integer"}
    depth = {"type": ["number", "null"], "description": "metres; null where the class is not there"}
    found = {
        "type": "object",
        "properties": {"share": number, "median_depth_m": depth, "nearest_depth_m": depth},
    }
    embedded = {
        "type": "object",
        "properties": {name: {"type": "string"} for name in ("media_type", "unit", "base64")},
    }
    return {
        "type": "object",
        "required": ["width", "height", "classes", "units", "camera", "speed"],
        "properties": {
            "width": count, "height": count,
            "classes": {
                "type": "object", "properties": dict.fromkeys(manifest.taxonomy.names, found),
                "description": "Of each class its share of the picture, and its depths.",
            },
            "units": {"type": "object", "additionalProperties": {"type": "string"}},
            "camera": {
                "type": ["object", "null"],
                "description": "The camera for which depth is in metres; where the server was given its "
                "height, what that did to the scale.",
            },
            "speed": {"type": "object", "additionalProperties": number, "description": "milliseconds"},
            "maps": {
                "type": "object", "additionalProperties": embedded,
                "description": "The outputs asked for, each a PNG in base64.",
            },
        },
    }  # fmt: skip
