"""Addresses of network cameras: which are accepted, and what of them may be shown."""

from __future__ import annotations

import re
from collections.abc import Collection

_FORM = re.compile(
    r"""
    (?P<scheme>[a-z][a-z0-9+.-]*) ://
    (?:[^\x00-\x20\x7f@/?#]*@)?
    (?:\[[0-9a-f:.]+(?:%[\w.~-]+)?\] | [^\x00-\x20\x7f@/?#:\[\]]+)
    (?::(?P<port>\d{1,5}))?
    (?:[/?][^\x00-\x20\x7f@#]*)?
    """,
    re.IGNORECASE | re.VERBOSE,
)
_START = re.compile(r"\s*(?:[a-z][a-z0-9+.-]+:[/\\]+|rtsps?:)", re.IGNORECASE)
_RTSP = re.compile(r"\s*rtsps?:", re.IGNORECASE)
_IN_TEXT = re.compile(r"\b(?:[a-z][a-z0-9+.-]+:[/\\]+|rtsps?:)(?:.*@)?\S*", re.IGNORECASE | re.DOTALL)
_USER_INFO = re.compile(r"(?![a-z]:[/\\][^:]*$).*:.*@", re.IGNORECASE | re.DOTALL)
# A camera's own form of credentials, in path or query: user=admin&password=secret&channel=1. A value ends
# where the next key=value begins, whatever it contains.
_PAIR = re.compile(
    r"""
    (?:(?<![a-z0-9])|(?<=%26)|(?<=%3f))
    (?P<key>
      (?: u | p | pw
        | [a-z0-9]{0,64} (?:pas|pwd|psw|secret|token|auth|key|user|usr|login|cred|sign|session) [a-z0-9-]{0,64}
      ) (?:=|%3d)
    )
    .*?
    (?P<end>(?:[&;,_/?\#]|%26)(?=[a-z][a-z0-9]*(?:=|%3d)[^=&;,_/?\#])|$)
    """,
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_HOST = re.compile(r"(?P<host>(?>\[[^\]/?#]*\]?|[^:/?#\[]*)):(?!\d{0,5}(?:[/?#]|$))")
_HIDDEN = "***"


def is_address(word: str) -> bool:
    """Whether a word that names no file is meant as an address, whether or not it is one that is accepted."""
    return "://" in word or _RTSP.match(word) is not None


def has_credentials(word: str) -> bool:
    """Whether `word`, which names no file, seems to contain a password."""
    return masked(word) != word


def masked(address: str) -> str:
    """`address` as it may be shown: without user name and password, however malformed it is.

    User info is dropped. Values of keys such as `user`, `password` and `token` in path or query become `***`.
    """
    start = _START.match(address)
    scheme, rest = (start[0], address[start.end() :]) if start else ("", address)
    at = rest.rfind("@") if start or _USER_INFO.match(rest) else -1
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    # An @ behind the authority is a part of a password that is not percent-encoded, or of a value of a key.
    first = at + 1 if at < len(authority) else 0
    spans = [(max(found.end("key"), at + 1), found.start("end")) for found in _PAIR.finditer(rest, first)]
    shown, position = "", at + 1
    for begin, end in spans:
        if end > position:
            shown += rest[position:begin] + _HIDDEN
            position = end
    shown += rest[position:]
    if not start:
        return shown
    shown = shown.partition("#")[0]
    no_port = _HOST.match(shown)  # a password without its @host looks like a port
    return scheme + (no_port["host"] + ":" + _HIDDEN if no_port else shown)


def masked_text(text: str) -> str:
    """`text` with the addresses in it masked."""
    return _IN_TEXT.sub(lambda found: masked(found[0]), text)


def address_stem(address: str) -> str:
    """What the names of the output files of a stream start with: its host and path, without credentials."""
    place = _PAIR.sub("", masked(address)).partition("://")[2].partition("?")[0]
    host, _, path = place.partition("/")
    host = re.sub(r":\d*$", "", host).strip("[]").lower()
    words = "_".join(filter(None, [host, *path.split("/")]))
    return "".join(letter if letter.isalnum() or letter in "._-" else "_" for letter in words)


def fault_of(address: str, schemes: Collection[str]) -> str | None:
    """Why an address is not accepted, without its password; None if it is.

    It needs one of the `schemes`, a host, and special characters percent-encoded.
    """
    if address.partition("://")[0].lower() not in schemes:
        return (
            f"{masked(address)}: expected a file, or an address such as rtsp://host/path; download anything "
            "else and give the file"
        )
    form = _FORM.fullmatch(address)
    if form is None or int(form["port"] or 0) > 65535:
        return (
            f"{masked(address)}: expected rtsp://host:port/path or rtsp://user:password@host:port/path; in "
            "user name and password, write # as %23, / as %2F, ? as %3F, @ as %40 and a space as %20"
        )
    return None
