"""Frames of a video file: upright RGB with exact time stamps, whatever can be decoded of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol, Self

import av
from av.format import Flags

from .backends.cpu import cores
from .command import InputError
from .media.containers import MAX_PIXELS, open_container
from .media.frame_times import FrameTimes
from .media.frames import FrameReader, pixel_aspect
from .media.timeline import measure, nominal_rate, placed_packets
from .media.tracks import audio_stream, video_stream
from .patience import Patience
from .sources import Frame, Source, require_readable

if TYPE_CHECKING:
    from .pipe import Pipe

_MOST_THREADS = 8  # of a decoder, each of which holds frames of its own
_THREADED_PIXELS = 4 * MAX_PIXELS  # in all threads of a decoder together


class Clip(Protocol):
    """Frames with time stamps.

    size: (width, height) upright; rate: nominal frames a second; time_base: seconds of one pts tick.
    total: frames that will be yielded by the header's count, which may be wrong; None when unknown.
    aspect: of one pixel (width over height).
    damage: after reading, what was lost, as a sentence; None when all was read.
    audio: a file that holds the sound which goes with the frames; None without one.
    start_s: the time at which pts 0 lies, on the timeline of that file (`media.timeline.Timeline`).
    end_pts: where the last frame read so far ends.
    """

    size: tuple[int, int]
    rate: Fraction
    time_base: Fraction
    total: int | None
    aspect: Fraction
    damage: str | None
    audio: Path | None
    start_s: float
    end_pts: int

    def __iter__(self) -> Iterator[Frame]: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, *error: object) -> None: ...


def open_clip(
    source: Source, *, stride: int = 1, patience: Patience | None = None, max_pixels: int = MAX_PIXELS
) -> Clip:
    """Open a video file, a camera or a stream.

    Args:
        source: What to open.
        stride: Yield every `stride`-th frame.
        patience: The retry policy of a camera or stream that is lost, and `note`, which is called with a line
            about each property that is not honoured; None retries indefinitely and logs nothing.
        max_pixels: The largest frame of a file, in pixels. Live sources keep to `MAX_PIXELS`.

    Raises:
        InputError: It cannot be opened, holds no video or has larger frames.
    """
    require_readable(source)
    patience = patience or Patience()
    if source.kind == "video" and Path(source.location).is_fifo():
        return _piped(source.location, stride, patience, max_pixels)
    if source.kind == "video":
        return VideoFile(source.location, stride=stride, max_pixels=max_pixels, note=patience.note)
    from .live import Camera, NetworkStream

    return (Camera if source.kind == "camera" else NetworkStream)(source, patience, stride=stride)


def _piped(path: str, stride: int, patience: Patience, max_pixels: int) -> VideoFile:
    """Open a video that comes through a named pipe, for which it waits until `patience` is over."""
    from .pipe import Pipe

    pipe = Pipe(path, patience.over)
    try:
        video = VideoFile(path, stride=stride, max_pixels=max_pixels, pipe=pipe, note=patience.note)
    except BaseException:
        pipe.close()
        raise
    if video.has_audio:
        patience.note(f"note: {path}: the audio is not kept, since a named pipe can be read only once")
    return video


def count_frames(source: Source) -> int:
    """Return the number of frames of a video file, whatever its header says; nothing is decoded.

    Raises:
        InputError: It cannot be opened or holds no video.
    """
    with _container_of(source.location, source.location, MAX_PIXELS) as container:
        return measure(container, video_stream(container, source.label), audio_stream(container))[0]


def _container_of(path: str, opened: str | Pipe, max_pixels: int) -> Any:
    try:
        return open_container(opened, max_pixels=max_pixels)
    except (ValueError, av.error.FFmpegError) as error:
        if isinstance(error, OSError):
            raise
        raise InputError(
            f"{path}: not a readable video (another format, or cut off before its index was written); "
            "expected MP4, MOV, MKV, WebM, AVI, MPEG, MPEG-TS, WMV, FLV, Ogg, MJPEG, Y4M, H.264 or H.265"
        ) from None


class VideoFile:
    """A video file as a `Clip`. Skips damaged parts and frames above `max_pixels`; `damage` reports them.

    Args:
        pipe: The bytes of `path` where it is a FIFO, whose sound cannot be read a second time.
        note: Called with a line about each property that is not honoured, time stamps that jump, and
            the choice among several tracks.
    """

    def __init__(
        self,
        path: str,
        *,
        stride: int = 1,
        max_pixels: int = MAX_PIXELS,
        pipe: Pipe | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._note = note
        self._reader = FrameReader(path, note)
        self.path, self.stride, self.max_pixels, self._pipe = path, stride, max_pixels, pipe
        self._container = _container_of(path, pipe or path, max_pixels)
        try:
            self._open()
        except BaseException:
            self._container.close()
            raise

    def _open(self) -> None:
        stream = video_stream(self._container, self.path, self.max_pixels, self._reader.note)
        self._stream = stream
        context = stream.codec_context
        context.thread_type = "AUTO"
        context.thread_count = _threads(context.width * context.height)
        self.rate = nominal_rate(stream, 25)
        tick_s = Fraction(stream.time_base)
        self._times = FrameTimes(
            tick_s, self.rate, start=stream.start_time or 0,
            stamped=not self._container.format.flags & Flags.no_timestamps.value,
        )  # fmt: skip
        self.time_base = self._times.time_base
        expected = stream.frames or round((stream.duration or 0) * tick_s * (stream.average_rate or self.rate))
        self.total = -(-expected // self.stride) if expected > 0 else None
        self.has_audio = bool(self._container.streams.audio)
        self.audio = Path(self.path) if self.has_audio and self._pipe is None else None
        self.damage: str | None = None
        self.decoded = 0
        self._errors = self._oversize = 0
        self._at_work = Lock()
        self.end_pts = 0
        # The display matrix comes with the first frame, so that one is decoded now.
        self._decoder: Iterator[av.VideoFrame] = self._decode()
        self._first = next(self._decoder, None)
        if self._first is None:
            reason = self._too_large() if self._oversize else "the file is empty, cut off or damaged"
            raise InputError(f"{self.path}: no frame could be decoded; {reason}")
        if self._container.format.name == "jpeg_pipe":
            self._require_second_frame()
        self.size = self._reader.size(self._first)
        self.aspect = pixel_aspect(stream, self._first)
        self._first_pts = self._times.place(self._first)
        self.start_s = float(self._times.origin * tick_s)

    def _decode(self) -> Iterator[av.VideoFrame]:
        packets = self._packets()
        while True:
            frames: list[av.VideoFrame] = []
            with self._at_work:
                if self._stream is None:  # closed by another thread
                    return
                try:
                    frames = next(packets).decode()
                except (StopIteration, av.error.EOFError):
                    return
                except (ValueError, av.error.FFmpegError):
                    self._errors += 1
                    self._oversize += self._rejected_its_size()
            if self._errors > 1000 and not self.decoded:
                return
            for frame in frames:
                if frame.width * frame.height > self.max_pixels:
                    self._errors, self._oversize = self._errors + 1, self._oversize + 1
                    continue
                self.decoded += 1
                yield frame

    def _require_second_frame(self) -> None:
        """Raise InputError for a JPEG image, which FFmpeg opens as a video of one frame."""
        second = next(self._decoder, None)
        if second is None:
            raise InputError(f"{self.path}: a JPEG image, not a video; rename it to end in .jpg")
        self._decoder = chain([second], self._decoder)

    def _packets(self) -> Iterator[av.Packet[Any]]:
        video = self._stream
        for packet in placed_packets(self._container, video, audio_stream(self._container), self._note_jump):
            if packet.stream_index == video.index:
                yield packet

    def _note_jump(self, text: str) -> None:
        self._note(f"warning: {self.path}: {text}")

    def _rejected_its_size(self) -> bool:
        """Whether the decoder's last error was about a frame's size; it keeps that size or none."""
        pixels = self._stream.codec_context.width * self._stream.codec_context.height
        return bool(pixels == 0 or pixels > self.max_pixels)

    def _too_large(self) -> str:
        return f"its frames have more than {self.max_pixels:,} pixels: scale the video down"

    def __iter__(self) -> Iterator[Frame]:
        frame, pts, index = self._first, self._first_pts, 0
        self._first = None
        while frame is not None:
            self.end_pts = self._times.end
            if index % self.stride == 0:
                time_s, image = float(pts * self.time_base), self._reader.rgb(frame)
                yield Frame(image, self.path, index, time_s, pts, aspect=float(self.aspect))
            frame = next(self._decoder, None)
            if frame is not None:
                pts = self._times.place(frame)
            index += 1
        if self._stream is None:  # closed by another thread
            return
        self.damage = self._lost()

    def _lost(self) -> str | None:
        """What of the file could not be decoded; only an exact count in the header is believed."""
        exact = self._stream.frames
        if self._errors or (exact and self.decoded < exact and self._cut_off()):
            of = f" of {exact}" if exact else ""
            why = "damaged or cut off"
            if self._oversize:
                why = f"{self._oversize} frames have more than {self.max_pixels:,} pixels"
            return f"{self.path}: {why}; {self.decoded}{of} frames could be decoded and were used"
        return None

    def _cut_off(self) -> bool:
        """Whether the file ends before the last frame that its index lists."""
        entries = self._stream.index_entries
        size = Path(self.path).stat().st_size
        return bool(len(entries)) and max(entry.pos + entry.size for entry in entries) > size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        # A reader that was not run to its end holds this object, which holds the reader: a decoder, with its
        # threads and pictures, would stay until the garbage collector comes by.
        with self._at_work:  # another thread may be reading
            self._first, self._stream, self._decoder = None, None, iter(())
            self._container.close()
            if self._pipe is not None:
                self._pipe.close()


def _threads(pixels: int) -> int:
    """Return how many threads may decode frames of that size, given that each holds some of them."""
    return max(1, min(cores(), _MOST_THREADS, _THREADED_PIXELS // max(1, pixels)))
