"""H.264 out: a fragmented file that plays at any moment, made into an ordinary one at the end."""

from __future__ import annotations

import heapq
import math
import os
from collections.abc import Iterator
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np

from .command import InputError
from .files import Protected, create, sync, written_whole
from .media.containers import create_container, open_container, packets_of
from .media.frame_times import LONGEST_HOLD_S
from .media.timeline import placed_packets
from .media.tracks import audio_stream, video_stream

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Without B-frames a fragment never waits for a later frame, and decoding order is showing order.
_PRESET, _QUALITY = "veryfast", "23"
_PROMPT = {"tune": "zerolatency"}
_KEY_EVERY_S = 2
_LONGEST_SIDE = 16384  # of H.264 as x264 writes it
_LEAST_TIMESCALE, _MOST_TICKS = 10_000, 2**31 - 2
_FINEST_TICK = Fraction(1, 1_000_000)  # seconds; finer ones leave little room for long gaps
_MP4_AUDIO = frozenset({"aac", "mp3", "ac3", "eac3", "alac", "opus"})
# Every frame is a fragment of its own: whatever ends the process, all that was encoded plays.
_FRAGMENTED = {"movflags": "frag_every_frame+empty_moov+default_base_moof", "flush_packets": "1"}
_BT601_LIMITED = {"colorspace": 6, "color_range": 1}  # what OpenCV's conversion writes


def part_path(path: Path) -> Path:
    """The name of the file that grows while the video `path` is being made."""
    return path.with_name(path.stem + ".part.mp4")


def whole_fragments(path: Path) -> tuple[int, int]:
    """How many complete fragments (`moof`, `mdat`) a fragmented file starts with, and where they end."""
    count = end = position = 0
    size = path.stat().st_size
    with path.open("rb") as file:
        while len(header := file.read(8)) == 8:
            length, kind = int.from_bytes(header[:4], "big"), header[4:]
            position += length
            if length < 8 or position > size:
                break
            if kind == b"mdat":
                count, end = count + 1, position
            file.seek(position)
    return count, end


def longest_ticks(time_base: Fraction) -> int:
    """For how many ticks MP4 can show one frame: fewer than 2**31 of its own, at least 10000 per second."""
    own = time_base.denominator
    while own < _LEAST_TIMESCALE:  # as the muxer does
        own *= 2
    return max(1, int(_MOST_TICKS / (own * time_base)))


def even_size(panel: NDArray[np.uint8]) -> tuple[int, int]:
    """(width, height) of the video that holds a (H, W, 3) panel: yuv420p wants even ones."""
    height, width = panel.shape[:2]
    return width + width % 2, height + height % 2


def to_yuv(panel: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A (H, W, 3) RGB panel as planar I420, (3 / 2 H', W') for `size` (W', H').

    An odd panel is padded; one that does not match otherwise (its source changed its size) is scaled.
    """
    height, width = panel.shape[:2]
    picture: Any = panel
    if even_size(panel) != size:
        picture = cv2.resize(panel, size, interpolation=cv2.INTER_LINEAR)
    elif (width, height) != size:
        picture = cv2.copyMakeBorder(panel, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2YUV_I420), np.uint8)


class VideoWriter:
    """Encodes I420 frames to `part_path(path)`; `finish` makes `path` of it.

    size: (width, height), even; time_base: seconds of a pts tick; rate: nominal frames a second.
    prompt: no frame is held back for a better choice of bits, so none is lost in a kill.
    protected: files that neither `path` nor the part may replace.
    Gaps between frames are shortened to what MP4 can express (6 hours in ticks of 1/90000 s).
    InputError: larger than H.264 can be, or a protected file. OSError: the disk is full or the file cannot be
    written; what was encoded stays in the part.
    """

    def __init__(
        self, path: Path, size: tuple[int, int], *, time_base: Fraction, rate: Fraction, aspect: Fraction,
        threads: int = 1, prompt: bool = False, protected: Protected | None = None,
    ) -> None:  # fmt: skip
        if max(size) > _LONGEST_SIDE:
            raise InputError(
                f"{path.name}: {size[0]}x{size[1]} is too large for H.264, expected at most {_LONGEST_SIDE} a "
                "side; choose a smaller --panel, or scale the source down"
            )
        self.path, self.part = path, part_path(path)
        self._time_base = max(time_base, min(_FINEST_TICK, 1 / rate))
        self._scale = time_base / self._time_base
        self._longest_ticks = longest_ticks(self._time_base)
        rate = max(rate, 1 / (self._longest_ticks * self._time_base))
        self._protected = protected or Protected()
        for final in (path, self.part):
            self._protected.check(final)
        os.close(create(self.part))  # opened by name below, which would follow a link
        try:
            self._container, self._stream = self._opened(size, rate, aspect, threads, prompt)
        except BaseException:
            self.part.unlink(missing_ok=True)
            raise
        self.frames = 0
        self._last = 0
        self._left_out = 0  # ticks by which gaps were shortened

    def _opened(
        self, size: tuple[int, int], rate: Fraction, aspect: Fraction, threads: int, prompt: bool
    ) -> tuple[Any, Any]:
        container = create_container(self.part, _FRAGMENTED)
        stream: Any = container.add_stream("libx264", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.options = {"preset": _PRESET, "crf": _QUALITY, "bf": "0"} | (_PROMPT if prompt else {})
        context.time_base = self._time_base
        context.sample_aspect_ratio = aspect
        context.thread_count = threads
        context.gop_size = min(250, max(1, round(rate * _KEY_EVERY_S)))
        for name, value in _BT601_LIMITED.items():
            setattr(context, name, value)
        return container, stream

    def write(self, yuv: NDArray[np.uint8], pts: int) -> None:
        """Encode one (3 / 2 H, W) I420 frame shown from `pts`, which starts at 0 and grows."""
        # The buffer form shares memory, but takes the height for a multiple of 4.
        make = av.VideoFrame.from_ndarray if yuv.shape[0] % 6 else av.VideoFrame.from_numpy_buffer
        frame = make(yuv, format="yuv420p")
        pts = self._fitted(pts)
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))
        self._last, self.frames = pts, self.frames + 1

    def _fitted(self, pts: int) -> int:
        """`pts` in the file's ticks, after gaps longer than MP4 can express were shortened."""
        fitted = round(pts * self._scale) - self._left_out
        excess = max(0, fitted - self._last - self._longest_ticks)
        self._left_out += excess
        return max(fitted - excess, self._last + 1 if self.frames else 0)

    def sync(self) -> None:
        """Have on the disk what was encoded so far."""
        with suppress(FileNotFoundError):  # its folder is gone, which the next write reports
            sync(self.part)

    def close(self) -> None:
        """Write what the encoder holds back and close the part."""
        try:
            self._container.mux(self._stream.encode())
        finally:
            self._container.close()

    def abandon(self) -> int:
        """Close the part after a failed write, cut off what is torn, and return how many frames it holds.

        A part without frames is removed. 0 too where that cannot be told, since its disk is gone.
        """
        with suppress(ValueError, OSError, av.error.FFmpegError):
            self.close()
        frames = 0
        with suppress(OSError):
            frames, end = whole_fragments(self.part)
            if frames:
                os.truncate(self.part, end)
            else:
                self.part.unlink()
        return frames

    def finish(
        self, end_pts: int, audio: Path | None = None, *, audio_start_s: float = 0.0,
        whole_audio: bool = False, durable: bool = False,
    ) -> str | None:  # fmt: skip
        """Make `path`, an MP4 with its index in front and the sound of `audio`, and remove the part.

        end_pts: until when the last frame is shown; audio_start_s: the time on the timeline of `audio` at which
        pts 0 lies; whole_audio: keep audio that goes on after the last frame; durable: once this has returned,
        the file outlasts a power cut.
        Returns a sentence when the sound could not be kept. OSError: no room; the part is kept.
        """
        lost = None
        end_pts = self._fitted(end_pts)
        end_s = math.inf if whole_audio else float(end_pts * self._time_base)
        if audio is not None:
            try:
                with open_container(audio) as sound:
                    self._remux(end_pts, sound, audio_start_s, end_s, durable)
            except (ValueError, av.error.FFmpegError) as error:
                if isinstance(error, OSError):
                    raise
                lost, audio = f"{self.path.name}: the sound of {audio} could not be kept ({error})", None
        if audio is None:
            self._remux(end_pts, None, 0.0, 0.0, durable)
        with suppress(OSError):
            self.part.unlink()
        return lost

    def _remux(self, end_pts: int, sound: Any, sound_start_s: float, end_s: float, durable: bool) -> None:
        with (
            written_whole(self.path, durable=durable, protected=self._protected) as temporary,
            open_container(self.part, max_pixels=_LONGEST_SIDE**2) as part,
            create_container(temporary, {"movflags": "+faststart"}) as out,
        ):
            video_in = part.streams.video[0]
            video_out = out.add_stream_from_template(video_in)
            flows = [self._video_packets(part, video_in, video_out, end_pts)]
            if sound is not None:
                flows.append(audio_packets(sound, out, sound_start_s, end_s))
            for packet in heapq.merge(*flows, key=lambda packet: packet.dts * packet.time_base):
                out.mux(packet)

    def _video_packets(self, part: Any, video_in: Any, video_out: Any, end_pts: int) -> Iterator[Any]:
        """The part's packets, the last one shown until `end_pts`."""
        scale = self._time_base / video_in.time_base
        last = round(self._last * scale)
        for packet in packets_of(part, video_in):
            if packet.dts is None:
                continue
            if packet.pts >= last:
                packet.duration = max(1, round(end_pts * scale) - packet.pts)
            packet.stream = video_out
            yield packet


def audio_packets(source: Any, out: Any, start_s: float, end_s: float) -> Iterator[Any]:
    """The first audio track with a supported codec from `start_s` on, for `end_s` seconds, as packets.

    Times are those of the file's `Timeline`. Copied where MP4 holds its codec, encoded as AAC otherwise. The
    output stream is added at once, since a container's header wants all streams before the first packet.
    ValueError: there is no such track.
    """
    stream = audio_stream(source)
    if stream is None:
        raise ValueError("its codec is not supported")
    if stream.codec_context.name in _MP4_AUDIO:
        return _copied(source, stream, out.add_stream_from_template(stream), start_s, end_s)
    rate = stream.codec_context.sample_rate
    encoder = out.add_stream("aac", rate=rate if rate in (44100, 48000, 32000, 22050, 16000) else 48000)
    encoder.codec_context.layout = "mono" if stream.codec_context.channels == 1 else "stereo"
    return _encoded(source, stream, encoder, start_s, end_s)


def _copied(source: Any, stream: Any, target: Any, start_s: float, end_s: float) -> Iterator[Any]:
    shift = round(start_s / stream.time_base)
    last: int | None = None
    for packet in _whole_packets(source, stream):
        if packet.pts is None or packet.dts is None or packet.pts < shift:
            continue
        packet.pts -= shift
        packet.dts -= shift
        if packet.pts * packet.time_base >= end_s:
            return
        if last is not None and packet.dts <= last:  # parts of a file may overlap
            continue
        last = packet.dts
        packet.stream = target
        yield packet


def _encoded(source: Any, stream: Any, target: Any, start_s: float, end_s: float) -> Iterator[Any]:
    for frame in _resampled(_sound_frames(source, stream), target.codec_context, start_s, end_s):
        yield from target.encode(frame)
    yield from target.encode(None)


def _resampled(frames: Iterator[Any], context: Any, start_s: float, end_s: float) -> Iterator[Any]:
    """The frames from `start_s` on, for `end_s` seconds, in the encoder's format and with times from 0 on.

    Short gaps are filled with silence; after a long one, which could take gigabytes, the time stamps go on.
    """
    graph: Any = None
    heard_s = 0.0
    for frame in frames:
        if frame.time is None or frame.time < start_s:
            continue
        if frame.time - start_s >= end_s:
            break
        if graph is not None and frame.time - heard_s > LONGEST_HOLD_S:
            yield from _filtered(graph, None)
            graph = None
        heard_s = frame.time + frame.samples / frame.sample_rate
        frame.pts -= round(start_s / frame.time_base)
        if graph is None:
            graph = _resampler(frame, context)
        yield from _filtered(graph, frame)
    if graph is not None:
        yield from _filtered(graph, None)


def _resampler(frame: Any, context: Any) -> Any:
    """A filter graph to the encoder's format; it fills gaps between time stamps and cuts overlaps."""
    graph = av.filter.Graph()
    graph.link_nodes(
        graph.add_abuffer(
            sample_rate=frame.sample_rate, format=frame.format, layout=frame.layout, time_base=frame.time_base
        ),
        graph.add("aresample", f"{context.sample_rate}:async=1"),
        graph.add("aformat", f"sample_fmts=fltp:channel_layouts={context.layout.name}"),
        graph.add("abuffersink"),
    ).configure()
    return graph


def _filtered(graph: Any, frame: Any) -> Iterator[Any]:
    """What comes out of the graph for one frame, or at the end for None."""
    graph.push(frame)
    with suppress(av.error.BlockingIOError, av.error.EOFError):  # nothing left
        while True:
            yield graph.pull()


def _whole_packets(source: Any, stream: Any) -> Iterator[Any]:
    """The stream's packets up to where the file is cut off or damaged."""
    try:
        for packet in placed_packets(source, video_stream(source, "sound"), stream):
            if packet.stream_index == stream.index:
                yield packet
    except (ValueError, av.error.FFmpegError):
        return


def _sound_frames(source: Any, stream: Any) -> Iterator[Any]:
    for packet in _whole_packets(source, stream):
        try:
            yield from packet.decode()
        except (ValueError, av.error.FFmpegError):
            continue
