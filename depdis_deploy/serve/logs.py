"""Log records as JSON objects on stderr, one per line."""

from __future__ import annotations

import json
import logging
import os
import select
import sys
import time
from datetime import UTC, datetime
from typing import Any

_logger = logging.getLogger("depdis.serve")
_REPEAT_S = 60.0
_MAX_KINDS = 100


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage().strip(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry, default=str)


class _RepeatFilter(logging.Filter):
    """Pass one of several equal records per minute, with the number of those suppressed before it.

    It applies to the records of libraries and to those of this server that a client can cause at will; a
    request's own record always passes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._seen: dict[
            tuple[str, str], tuple[float, int]
        ] = {}  # by kind: time of the last one, suppressed since

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name == _logger.name and not getattr(record, "limited", False):
            return True
        kind = (record.name, f"{record.getMessage()} {record.exc_info and record.exc_info[1]!r}"[:300])
        now = time.monotonic()
        last, suppressed = self._seen.get(kind, (-_REPEAT_S, 0))
        if now - last < _REPEAT_S:
            self._seen[kind] = (last, suppressed + 1)
            return False
        if len(self._seen) >= _MAX_KINDS:
            self._seen.clear()
        self._seen[kind] = (now, 0)
        if suppressed:
            record.fields = {**getattr(record, "fields", {}), "suppressed": suppressed}
        return True


def set_up(level: str) -> None:
    """Send the records of this server, and its libraries' warnings and errors, to stderr."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonFormatter())
    handler.addFilter(_RepeatFilter())
    logging.raiseExceptions = False  # a log that cannot be written does not stop the service
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    _logger.setLevel(level.upper())
    logging.captureWarnings(True)


def log(
    event: str,
    *,
    level: int = logging.INFO,
    exc_info: BaseException | None = None,
    limited: bool = False,
    **fields: Any,
) -> None:
    """Write one record.

    Args:
        exc_info: Error whose traceback to add.
        limited: Write this event at most once a minute.
    """
    _logger.log(level, event, extra={"fields": fields, "limited": limited}, exc_info=exc_info)


def log_last(event: str, **fields: Any) -> None:
    """Write a record without locks and without waiting for a reader, for use in a signal handler."""
    record = logging.LogRecord(_logger.name, logging.INFO, "", 0, event, None, None)
    record.fields = fields
    line = (_JsonFormatter().format(record) + "\n").encode()
    try:
        stderr = sys.stderr.fileno()
        if select.select([], [stderr], [], 0)[1]:
            os.write(stderr, line)
    except (OSError, ValueError):
        pass  # stderr is closed
