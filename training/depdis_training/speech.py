"""What a command says of its work, on stderr."""

from __future__ import annotations

import os

from depdis_deploy import progress


def say(text: str) -> None:
    """A line of the command's log; on a terminal it takes the place of the progress line.

    Of several processes that work as one, the first speaks.
    """
    if os.environ.get("RANK", "0") == "0":
        progress.say(text)
