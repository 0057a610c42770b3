"""Which video and audio track of a container is used."""

from __future__ import annotations

from typing import Any

from .containers import AUDIO_DECODERS


def audio_stream(container: Any) -> Any:
    """Return the first audio track whose codec is in AUDIO_DECODERS, or None."""
    decoders = AUDIO_DECODERS.split(",")
    return next(
        (
            stream
            for stream in container.streams.audio
            if stream.codec_context is not None and stream.codec_context.name in decoders
        ),
        None,
    )
