"""The OpenAPI description as a page without scripts and external resources."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from typing import Any

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h2 { border-top: 1px solid #ccd3dc; padding-top: 1.2rem; margin-top: 2rem }
code, pre { font-family: ui-monospace, monospace; font-size: 0.9em }
pre { background: #f3f5f8; padding: 0.8rem; overflow-x: auto; border-radius: 4px }
td, th { text-align: left; vertical-align: top; padding: 0.2rem 1.2rem 0.2rem 0 }
.method { color: #0b5cad; font-weight: 600 }
"""


def page(document: Mapping[str, Any]) -> str:
    """Return an OpenAPI document of this server as HTML, with relative links."""
    info = document["info"]
    parts = [
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1><p>{escape(info['description'])}</p>",
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>.',
    ]
    if "security" in document:
        parts.append("Requests carry <code>Authorization: Bearer KEY</code>, except those marked open.")
    parts.append("</p>")
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            parts += _operation(path, method, operation)
    schemas = document["components"]["schemas"]
    for name, schema in schemas.items():
        parts.append(f'<h2 id="{escape(name)}">{escape(name)}</h2>{_pre(schema)}')
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(parts)}</body></html>\n"
    )


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> list[str]:
    is_open = " (open)" if operation.get("security") == [] else ""
    parts = [
        f'<h2><span class="method">{method.upper()}</span> <code>{escape(path)}</code>{is_open}</h2>',
        f"<p>{escape(operation['summary'])} {_words(operation.get('description', ''))}</p>",
    ]
    if "parameters" in operation:
        rows = [
            (item["name"], _values(item["schema"]), item["description"]) for item in operation["parameters"]
        ]
        parts.append(_table(("Parameter", "Values", ""), rows))
    for sample in operation.get("x-codeSamples", ()):
        parts.append(f"<p>{escape(sample['label'])}:</p><pre>{escape(sample['source'])}</pre>")
    if len(operation["responses"]) > 1:
        rows = [
            (status, ", ".join(answer.get("content", ())), answer["description"])
            for status, answer in operation["responses"].items()
        ]
        parts.append(_table(("Status", "Form", ""), rows))
    for answer in operation["responses"].values():
        for kind, content in answer.get("content", {}).items():
            if "example" in content:
                parts.append(f"<p>For example, <code>{escape(kind)}</code>:</p>{_pre(content['example'])}")
    return parts


def _values(schema: Mapping[str, Any]) -> str:
    return ", ".join(schema.get("enum") or schema["items"]["enum"])


def _table(heads: tuple[str, ...], rows: list[tuple[str, str, str]]) -> str:
    head = "".join(f"<th>{escape(text)}</th>" for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{_words(text)}</td>" for text in row) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _words(text: str) -> str:
    """Return text with `code` marked up."""
    pieces = escape(text).split("`")
    return "".join(f"<code>{piece}</code>" if index % 2 else piece for index, piece in enumerate(pieces))


def _pre(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, indent=1, ensure_ascii=False))}</pre>"
