"""Text that is safe to show: names from elsewhere must neither control a terminal nor imitate other text."""

from __future__ import annotations

import errno
import json
import re
import sys
import warnings
from typing import Any

from .standard_streams import replaced_stdout, write_message, write_result

# Control characters (C0, DEL, C1), invisible and bidirectional format characters, line separators, and the
# surrogates that stand for bytes that are no UTF-8.
_UNSAFE = (
    "\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U0001d173-\U0001d17a\U000e0000-\U000e007f"
)
_unsafe = re.compile(f"[{_UNSAFE}]")
# Several scripts need joiners in words, and a stray byte of an old encoding keeps two names apart.
_unsafe_in_name = re.compile(f"(?![\u200c\u200d\ud800-\udfff])[{_UNSAFE}]")
_SHORT = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_format_warning = warnings.formatwarning


def printable(text: str) -> str:
    """`text` on one line, with each unsafe character as a visible escape such as `\\x1b` or `\\u202e`."""
    return text if text.isprintable() else _unsafe.sub(_escaped, text)  # the pattern is slower


def printable_lines(text: str) -> str:
    """As `printable`, for text of several lines."""
    return "\n".join(map(printable, text.split("\n")))


def plain_name(name: str) -> str:
    """`name` as a part of a new file's name, with `_` in place of each unsafe character."""
    return name if name.isprintable() else _unsafe_in_name.sub("_", name)


def json_line(value: Any) -> str:
    """`value` as one line of JSON: letters as they are, unsafe characters as JSON's own escapes."""
    line = json.dumps(value, ensure_ascii=False)
    return line if line.isprintable() else _unsafe.sub(lambda found: json.dumps(found[0])[1:-1], line)


def write_out(text: str) -> None:
    """Write text of one or more lines to stdout. It is no error if its reader has left or it is closed."""
    text = f"{printable_lines(text)}\n"
    replaced = replaced_stdout()
    if replaced is not None:
        replaced.write(text)
        replaced.flush()
        return
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        write_result(text.encode(encoding, "backslashreplace"))
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.EBADF):
            raise


def write_err(text: str) -> None:
    """Write text of one or more lines to stderr."""
    write_message(f"{printable_lines(text)}\n")


def escape_warnings() -> None:
    """Have Python print warnings with visible escapes, since their texts contain names."""

    def shown(*arguments: Any, **keywords: Any) -> str:
        return printable_lines(_format_warning(*arguments, **keywords))

    warnings.formatwarning = shown


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    plain = f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
    return _SHORT.get(found[0], plain)
