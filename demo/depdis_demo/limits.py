"""What is taken from visitors, looked at in a file's header before anything is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

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
    from depdis_deploy.media.timeline import measure
    from depdis_deploy.media.tracks import audio_stream, video_stream

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
        frames, seconds = measure(container, stream, audio_stream(container), 10 * limits.frames)
        if seconds > limits.seconds:
            raise InputError(
                f"{path}: {seconds:.0f} seconds are too long; videos of up to {limits.seconds:g} seconds are "
                "taken here, so cut out the part that matters"
            )
        if frames > limits.frames:
            raise InputError(
                f"{path}: more than {limits.frames} frames are too many; lower the frame rate, or cut out the "
                "part that matters"
            )


def plain(error: BaseException, path: Path, name: str) -> str:
    """An error's sentence with the visitor's own name of a file in place of its path here."""
    return one_line(error).replace(str(path), name)
