"""Bytes of text files that people write -> text, by one rule for lists, JSON and YAML."""

from __future__ import annotations

import codecs

from .command import InputError

# UTF-32 comes first: its mark for little-endian starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def decode_text(data: bytes, name: str, *, errors: str = "strict") -> str:
    """Decode UTF-8, or UTF-16 and UTF-32 that start with a byte order mark as Notepad and PowerShell write.

    Args:
        data: The whole file.
        name: What errors call it.
        errors: How bytes that are not UTF-8 are decoded, as for `bytes.decode`.

    Raises:
        InputError: Binary data, or another encoding.
    """
    encoding = next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)
    try:
        if encoding is not None:
            return data.decode(encoding)
        text = data.decode("utf-8-sig", errors)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name}: not {(encoding or 'utf-8').upper()} text ({error.reason} at byte {error.start}); "
            "save it as UTF-8"
        ) from None
    # Half of the bytes of ASCII in UTF-16 are NUL, which is valid UTF-8.
    if 4 * data.count(0) >= len(data) > 0 or (b"\0" in data and _is_binary(text)):
        raise InputError(
            f"{name}: expected text in UTF-8, got binary data or UTF-16 without a byte order mark; save it as "
            "UTF-8"
        )
    return text


def _is_binary(text: str) -> bool:
    """Whether bytes that are no text were decoded nevertheless."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False
