"""What is taken from visitors, looked at in a file's header before anything is decoded."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError, UsageError, one_line


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What the demo accepts from a visitor.

    Attributes:
        megabytes: Size of a file.
        megapixels: Size of an image or of one video frame.
        seconds: Length of a video.
        frames: Number of frames in a video; 120 seconds at 60 frames a second.
        minutes: Time that one video may take to process, since it blocks the others.
        waiting: Visitors that may wait for their turn at anything.
    """

    megabytes: int = 100
    megapixels: float = 40.0
    seconds: float = 120.0
    frames: int = 7200
    minutes: float = 15.0
    waiting: int = 8

    def __post_init__(self) -> None:
        for name in ("megabytes", "megapixels", "seconds", "frames", "minutes"):
            if not getattr(self, name) > 0:
                raise UsageError(f"--max-{name}: expected more than 0, got {getattr(self, name):g}")
        if self.waiting < 0:
            raise UsageError(f"--max-waiting: expected 0 or more, got {self.waiting}")

    @property
    def pixels(self) -> int:
        """Of a picture or of one frame."""
        return round(self.megapixels * 1e6)


def check_size(path: Path, limits: Limits) -> None:
    """InputError: the file is empty or too large."""
    size = path.stat().st_size
    if size == 0:
        raise InputError(f"{path}: the file is empty")
    if size > limits.megabytes * 1_000_000:
        raise InputError(
            f"{path}: {size / 1e6:.0f} MB are too many; at most {limits.megabytes} MB are taken here"
        )


def check_video(path: Path, limits: Limits) -> None:
    """Check a video against the limits without decoding it. `Film` checks again while it decodes.

    Raises:
        InputError: The file is not a video, too large, too long, or has too many frames.
    """
    import av

    from depdis_deploy.media.containers import open_container
    from depdis_deploy.media.tracks import video_stream

    check_size(path, limits)
    try:
        container = open_container(path, max_pixels=limits.pixels)
    except (ValueError, OSError, av.error.FFmpegError):
        raise InputError(f"{path}: not a video that can be read; MP4, MOV, MKV, WebM and AVI can") from None
    with container:
        stream = video_stream(container, str(path))
        width, height = stream.codec_context.width, stream.codec_context.height
        if width * height > limits.pixels:
            raise InputError(
                f"{path}: frames of {width}x{height} are too large; at most {limits.megapixels:g} megapixels "
                "are taken here"
            )
        seconds = _seconds(container, stream)
        if seconds is not None and seconds > limits.seconds:
            raise InputError(
                f"{path}: {seconds:.0f} seconds are too long; videos of up to {limits.seconds:g} seconds are "
                "taken here, so cut out the part that matters"
            )
        # `stream.frames` is zero where the container gives no number
        if stream.frames > limits.frames or _packets(container, stream, limits.frames) > limits.frames:
            raise InputError(
                f"{path}: more than {limits.frames} frames are too many; lower the frame rate, or cut out the "
                "part that matters"
            )


def _packets(container: Any, stream: Any, most: int) -> int:
    """Count the stream's packets, of which each holds about one frame, up to `most` and one more."""
    from av.error import FFmpegError

    from depdis_deploy.media.containers import packets_of

    count = 0
    with suppress(ValueError, FFmpegError):  # damaged: what can be read counts
        for packet in packets_of(container, stream):
            count += packet.size > 0
            if count > most:
                break
    return count


def _seconds(container: Any, stream: Any) -> float | None:
    if stream.duration:
        return float(stream.duration * stream.time_base)
    if container.duration:
        return float(container.duration / 1_000_000)
    if stream.frames and stream.average_rate:
        return float(stream.frames / stream.average_rate)
    return None


def plain(error: BaseException, path: Path, name: str) -> str:
    """An error's sentence with the visitor's own name of a file in place of its path here."""
    return one_line(error).replace(str(path), name)
