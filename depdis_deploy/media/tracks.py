"""Which video and audio track of a container is used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from av.stream import Disposition

from depdis_deploy.command import InputError

from .containers import AUDIO_DECODERS, LATE_DEMUXERS, MAX_PIXELS, VIDEO_DECODERS, decoder_options
from .heif import image_error

# Cover images and previews that players do not show as the video.
_NO_VIDEO = Disposition.attached_pic | Disposition.timed_thumbnails


def _ignore(text: str) -> None:
    """Log nothing."""


def video_stream(
    container: Any, name: str, max_pixels: int = MAX_PIXELS, note: Callable[[str], None] = _ignore
) -> Any:
    """Return the video track to decode: the default track, or else the largest one.

    Cover images and thumbnail tracks are left out. The decoder is limited to frames of `max_pixels`.

    Args:
        container: An open container.
        name: What errors and notes call it.
        max_pixels: The largest frame, in pixels.
        note: Called with a line that states the choice, where there are several tracks.

    Raises:
        InputError: There is none, its codec is not in VIDEO_DECODERS, its header gives larger frames, or the
            container holds an image.
    """
    streams = [stream for stream in container.streams.video if not stream.disposition & _NO_VIDEO]
    if not streams:
        raise InputError(f"{name}: no video in it; expected one such as of .mp4, .mov, .mkv or .avi")
    _reject_image(container, streams, name)
    stream = max(filter(_is_decodable, streams), key=_preference, default=streams[0])
    context = stream.codec_context
    if not _is_decodable(stream):
        codec = "its video codec" if context is None else f"the video codec {context.name}"
        raise InputError(f"{name}: {codec} is not supported; convert the video to H.264")
    if context.width * context.height > max_pixels:
        raise InputError(
            f"{name}: frames of {context.width}x{context.height} are too large, expected at most "
            f"{max_pixels:,} pixels; scale the video down"
        )
    if len(streams) > 1:
        note(
            f"{name}: {len(streams)} video tracks; track {streams.index(stream) + 1} "
            f"({context.width}x{context.height}, {context.name}) is used"
        )
    # The header may give a smaller size than the frames have.
    context.options = decoder_options(max_pixels)
    if context.name == "h264" and container.format.name in LATE_DEMUXERS.split(","):
        # No frame was decoded to find out how many are reordered: assume the most.
        context.options["strict"] = "1"
    return stream


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


def _reject_image(container: Any, streams: Sequence[Any], name: str) -> None:
    """Raise InputError for an image of the MP4 family, which FFmpeg opens as one video stream per tile."""
    metadata = container.metadata
    compatible = metadata.get("compatible_brands", "")
    brands = [
        metadata.get("major_brand", ""),
        *(compatible[at : at + 4] for at in range(0, len(compatible), 4)),
    ]
    if error := image_error(brands, [stream.frames for stream in streams]):
        raise InputError(f"{name}: {error}")


def _is_decodable(stream: Any) -> bool:
    context = stream.codec_context
    return context is not None and context.name in VIDEO_DECODERS.split(",")


def _preference(stream: Any) -> tuple[bool, int]:
    context = stream.codec_context
    return bool(stream.disposition & Disposition.default), context.width * context.height
