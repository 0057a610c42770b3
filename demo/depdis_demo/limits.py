"""What is taken from visitors, looked at in a file's header before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from depdis_deploy.command import InputError, UsageError, one_line


@dataclass(frozen=True, kw_only=True)
class Limits:
    """megabytes: of a file; megapixels: of a picture or of one frame; seconds: of a video; waiting: visitors
    that may wait for their turn at anything."""

    megabytes: int = 100
    megapixels: float = 40.0
    seconds: float = 120.0
    waiting: int = 8

    def __post_init__(self) -> None:
        for name in ("megabytes", "megapixels", "seconds"):
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
    """InputError: no video, too large, or longer than is taken; no frame is decoded to find out.

    A length that the header does not give (recordings of browsers) is left to who reads the frames.
    """
    import av

    from depdis_deploy.clip import video_stream

    check_size(path, limits)
    try:
        # a playlist called .mp4 must not make the decoder open other files
        container = av.open(str(path), options={"protocol_whitelist": "file"}, metadata_errors="replace")
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
