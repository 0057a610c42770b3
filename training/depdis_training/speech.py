"""What a command says of its work, on stderr."""

from __future__ import annotations

import os

from depdis_deploy import progress


def say(*lines: str) -> None:
    """Log lines to stderr; on a terminal they replace the progress line.

    Of several processes that train as one, only the first logs.
    """
    if os.environ.get("RANK", "0") == "0":
        progress.say(*lines)
