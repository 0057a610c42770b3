"""Drawings as SVG text, in the page's colours: a shape's class says what it is, `style.css` how it looks."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape


def number(value: float) -> str:
    """A coordinate, short."""
    return f"{value:.1f}".removesuffix(".0")


def rect(x: float, y: float, width: float, height: float, kind: str = "", *, fill: str = "", radius: float = 0,
         hint: str = "") -> str:  # fmt: skip
    """A rectangle; hint: what is shown where the pointer rests on it."""
    place = f'x="{number(x)}" y="{number(y)}" width="{number(max(0, width))}" height="{number(max(0, height))}"'
    rounded = f' rx="{number(radius)}"' if radius else ""
    return _shape("rect", place + rounded, kind, fill, hint)


def circle(x: float, y: float, radius: float, kind: str = "", *, fill: str = "", hint: str = "") -> str:
    """A disc."""
    place = f'cx="{number(x)}" cy="{number(y)}" r="{number(radius)}"'
    return _shape("circle", place, kind, fill, hint)


def line(x1: float, y1: float, x2: float, y2: float, kind: str = "rule") -> str:
    """A line."""
    return f'<line x1="{number(x1)}" y1="{number(y1)}" x2="{number(x2)}" y2="{number(y2)}" class="{kind}"/>'


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start", turned: float = 0) -> str:
    """Words; anchor: start, middle or end; turned: degrees about their anchor."""
    turn = f' transform="rotate({number(turned)} {number(x)} {number(y)})"' if turned else ""
    place = f'x="{number(x)}" y="{number(y)}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}"{turn}>{escape(words)}</text>'


def drawing(width: float, height: float, parts: Iterable[str], *, label: str) -> str:
    """The whole; label: what it shows, for those who do not see it. It shrinks with the page."""
    size = f'viewBox="0 0 {number(width)} {number(height)}" width="{number(width)}" height="{number(height)}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(parts)
        + "</svg>"
    )


def hex_colour(colour: Iterable[int]) -> str:
    """(red, green, blue), 0..255 each, as #rrggbb."""
    return "#" + "".join(f"{int(level):02x}" for level in colour)


def _shape(name: str, place: str, kind: str, fill: str, hint: str) -> str:
    look = (f' class="{kind}"' if kind else "") + (f' fill="{fill}"' if fill else "")
    return (
        f"<{name} {place}{look}><title>{escape(hint)}</title></{name}>" if hint else f"<{name} {place}{look}/>"
    )
