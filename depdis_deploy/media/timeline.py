"""The timeline of a video file: when each frame is shown, from the time stamps of its packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av import AudioStream, Packet
from av.error import FFmpegError
from av.format import Flags

from .containers import packets_of

LONGEST_HOLD_S = Fraction(10)  # of a last frame, or of silence
_OVERLAP_S = Fraction(1, 10)  # by which stamps may go back; FFmpeg's value
_BROADCAST_GAP_S = Fraction(10)  # FFmpeg's -dts_delta_threshold
_FILE_GAP_S = Fraction(3600)
_LATEST_S = 4_000_000_000  # what a clock that counts from 1970 shows in 2096
_LEAST_TICKS_PER_FRAME = 4  # for rounded stamps to be put back on the nominal frame rate
_LEAST_OUTPUT_RATE = 10_000  # ticks per second of an output time base
_MOST_NOMINAL_RATE = 240  # above it FFmpeg's guess is the tick of a variable rate
_AVERAGE = 1_000_000  # a numerator above it belongs to an average over a variable rate, not a nominal one


@dataclass(slots=True)
class _Track:
    """One stream on the timeline; all but `tick_s` and `video` in its own ticks.

    latest: The largest stamp that is no damage; computing with larger ones leaves 64 bits.
    last, end: The last decoding stamp, and where that packet ends. shown: Where the latest frame ends, by
    presentation stamps. step: The duration of packets that declare none.
    """

    tick_s: Fraction
    overlap: int
    gap: int
    latest: int
    video: bool
    offset: int = 0
    last: int | None = None
    end: int = 0
    shown: int = 0
    step: int = 0

    def duration(self, packet: Packet[Any]) -> int:
        """How long a packet takes."""
        declared = packet.duration or 0
        return min(declared, self.latest) if declared > 0 else self.step

    def moved(self, stamp: int | None, offset: int = 0) -> int | None:
        """A stamp plus an offset; None where there is none, or none that a clock shows."""
        if stamp is None or abs(stamp + offset) > self.latest:
            return None
        return stamp + offset


class Timeline:
    """Continuous time stamps for the packets of one file, by FFmpeg's rule.

    A file's stamps restart where recordings were joined, and jump where a clock was set. Each packet is
    compared with the end of the previous packet of its stream, by decoding stamps. A packet that lies more than
    0.1 s before the previous one, or too far after its end, begins a new part of the file: an offset moves that
    part to the end of the previous one. All streams share the offset, so audio and video stay in sync. Where
    the audio comes first, the video corrects the offset by up to 0.1 s, such that its frames follow each other.
    Where the stamps return to the previous part's clock after a few wrong ones, that part's offset applies
    again.

    Too far is 10 s in broadcast formats, whose stamps may be discontinuous (FFmpeg's `AVFMT_TS_DISCONT`:
    MPEG-TS, MPEG-PS, Ogg), as in `ffmpeg -dts_delta_threshold`. In other containers a gap may be meant, such
    as the pause of a screen recording, so too far is 1 h there (in FFmpeg 30 h). A gap is no jump where the
    other stream goes on in it, or where the packet before it declares that duration (MP4).

    Args:
        container: The open file.
        note: Called once per file, with a sentence about the first jump.
    """

    def __init__(self, container: Any, note: Callable[[str], None] | None = None) -> None:
        self._broadcast = bool(container.format.flags & Flags.ts_discont.value)
        self._note = note
        self._tracks: dict[int, _Track] = {}
        self._start_s = Fraction(0)
        self._offset_s = Fraction(0)
        self._previous_s: Fraction | None = None  # the offset of the previous part
        self._video_decides = False

    def place(self, packet: Packet[Any]) -> None:
        """Move the stamps of a packet to the timeline. Packets come in the order of the file."""
        track = self._tracks.get(packet.stream_index)
        if track is None:
            track = self._tracks[packet.stream_index] = self._new_track(packet)
        packet.dts, packet.pts = track.moved(packet.dts), track.moved(packet.pts)
        if packet.dts is None:
            track.end += track.duration(packet)
        else:
            if packet.pts is not None and abs(packet.pts - packet.dts) > track.gap:
                packet.pts = None  # of the next part already, to whose start the decoding stamps will lead
            self._follow(track, packet)
        packet.dts, packet.pts = track.moved(packet.dts, track.offset), track.moved(packet.pts, track.offset)

    def _new_track(self, packet: Packet[Any]) -> _Track:
        tick_s = Fraction(packet.time_base)
        gap_s = _BROADCAST_GAP_S if self._broadcast else _FILE_GAP_S
        return _Track(
            tick_s,
            overlap=int(_OVERLAP_S / tick_s),
            gap=int(gap_s / tick_s),
            latest=min(int(_LATEST_S / tick_s), 2**62),
            video=packet.stream.type == "video",
            offset=round(self._offset_s / tick_s),
        )

    def _follow(self, track: _Track, packet: Any) -> None:
        """Let the stream's next packet continue the timeline."""
        dts = packet.dts
        placed = dts + track.offset
        if track.last is None:
            self._begin(track, dts)
        elif placed + track.overlap < track.last or self._is_jump(track, dts):
            self._join(track, dts, self._contiguous(track, packet))
            self._video_decides = not track.video
        elif track.video and self._video_decides:
            self._video_decides = False
            offset = self._contiguous(track, packet)
            if abs(offset - track.offset) <= track.overlap:
                self._shift(offset * track.tick_s)
        placed = dts + track.offset
        if track.last is not None and 0 < placed - track.last <= track.overlap:
            track.step = placed - track.last
        track.last, track.end = placed, placed + track.duration(packet)
        if packet.pts is not None:
            track.shown = max(track.shown, packet.pts + track.offset + track.duration(packet))

    def _begin(self, track: _Track, dts: int) -> None:
        """Place the first packet of a stream: a broadcast stream that begins far from the others jumped."""
        track.shown = dts + track.offset
        if all(other.last is None for other in self._tracks.values()):
            self._start_s = dts * track.tick_s
        elif self._broadcast and abs(dts + track.offset - self._end(track)) > track.gap:
            self._join(track, dts, self._end(track) - dts)

    def _is_jump(self, track: _Track, dts: int) -> bool:
        """Whether the gap before a packet is none of the recording."""
        placed = dts + track.offset
        if placed - track.end <= track.overlap:
            return False
        return placed - self._end(track) > track.gap or self._returns(track, dts)

    def _end(self, track: _Track) -> int:
        """Where the latest stream ends so far, in ticks of `track`."""
        ends = (other.end * other.tick_s for other in self._tracks.values() if other.last is not None)
        return round(max(ends) / track.tick_s)

    def _contiguous(self, track: _Track, packet: Any) -> int:
        """The least offset with which a packet overlaps none of its stream, in decoding or presentation."""
        offset: int = track.end - packet.dts
        return offset if packet.pts is None else max(offset, track.shown - packet.pts)

    def _returns(self, track: _Track, dts: int) -> bool:
        """Whether a stamp continues the timeline with the offset of the previous part."""
        if self._previous_s is None:
            return False
        return abs(dts + round(self._previous_s / track.tick_s) - track.end) <= track.overlap

    def _join(self, track: _Track, dts: int, offset: int) -> None:
        """Begin a new part with an offset in ticks of `track`, or continue the part before the present one."""
        if self._note is not None:
            step_s = (track.offset - offset) * track.tick_s
            after_s = (dts + offset) * track.tick_s - self._start_s
            self._note(
                f"time stamps jump by {float(step_s):+.3f} s after {float(after_s):.3f} s; the video and audio "
                "after the jump are shifted to close it (further jumps are not reported)"
            )
            self._note = None
        offset_s = offset * track.tick_s
        if self._previous_s is not None and self._returns(track, dts):
            offset_s = self._previous_s
        self._previous_s = self._offset_s
        self._shift(offset_s)

    def _shift(self, offset_s: Fraction) -> None:
        self._offset_s = offset_s
        for track in self._tracks.values():
            track.offset = round(offset_s / track.tick_s)


def placed_packets(
    container: Any, video: Any, audio: AudioStream | None, note: Callable[[str], None] | None = None
) -> Iterator[Packet[Any]]:
    """Yield the packets of two streams with stamps on the file's `Timeline`, and the empty ones at the end.

    Whoever reads one stream has to read both, so that every reader of a file gets the same timeline.

    Raises:
        ValueError, av.error.FFmpegError: The file is damaged from there on.
    """
    timeline = Timeline(container, note)
    for packet in packets_of(container, video, *(() if audio is None else (audio,))):
        timeline.place(packet)
        yield packet


def nominal_rate(stream: Any, default: int) -> Fraction:
    """Return the frames per second between which a stream's stamps lie, or else their average."""
    guessed = stream.guessed_rate
    if guessed and guessed <= _MOST_NOMINAL_RATE:
        return Fraction(guessed)
    return Fraction(stream.average_rate or guessed or default)


def measure(
    container: Any, video: Any, audio: AudioStream | None, most: int | None = None
) -> tuple[int, float]:
    """Count the frames of a video and measure its length on the timeline, without decoding it.

    Headers are not relied on. A file that is damaged counts up to there.

    Args:
        container: The open file, which is read to its end.
        video: The stream to measure.
        audio: The audio stream that goes with it.
        most: Stop after this many frames and one more.

    Returns:
        The number of frames, and seconds from the start of the first one to the end of the last one.
    """
    stamps: list[int] = []
    count = 0
    with suppress(ValueError, FFmpegError):
        for packet in placed_packets(container, video, audio):
            if packet.stream_index != video.index or not packet.size:
                continue
            count += 1
            stamp = packet.dts if packet.pts is None else packet.pts
            if stamp is not None:
                stamps = [min(stamps[0], stamp), max(stamps[1], stamp)] if stamps else [stamp, stamp]
            if most is not None and count > most:
                break
    rate = nominal_rate(video, 25)
    if container.format.flags & Flags.no_timestamps.value or not stamps:
        return count, float(count / rate)
    return count, float((stamps[1] - stamps[0]) * video.time_base + 1 / rate)


class FrameTimes:
    """When each decoded frame is shown, in ticks since the first frame.

    A frame's stamp is FFmpeg's best effort: the presentation stamp, or the decoding stamp once the former
    went wrong more often. A frame without a stamp follows the previous frame by that frame's duration. A stamp
    that does not advance is moved forward, to half the way to the next frame's nominal time at most, so that
    no frame is shown for one tick only. Stamps that the container rounded are put back on the nominal frame
    rate, if a tick is at most a quarter of a frame.

    Attributes:
        time_base: Seconds per tick of the result.
        origin: The first frame's stamp, in the stream's ticks.
        end: Where the last frame so far ends. It is shown for its own duration, at most 10 s or, if longer, the
            mean interval between frames.

    Args:
        tick_s: Seconds per tick of the stream's stamps.
        rate: Nominal frames per second.
        start: The stamp of a first frame that has none.
        stamped: False for formats without stamps, such as raw H.264: frames follow each other at `rate`.
    """

    def __init__(self, tick_s: Fraction, rate: Fraction, *, start: int = 0, stamped: bool = True) -> None:
        self._tick_s, self._rate, self._stamped = tick_s, rate, stamped
        self.origin = start
        fine = stamped and tick_s * rate * _LEAST_TICKS_PER_FRAME <= 1
        self.time_base = _output_ticks(tick_s, rate if fine else None)
        self._snaps = fine and self.time_base != tick_s
        self._scale = tick_s / self.time_base
        self._frame = max(1, round(1 / rate / self.time_base))
        self._interval = self._frame  # between the last two frames whose stamps advanced
        self._count, self._last, self._latest = 0, -1, 0
        self.end = 0
        self._wrong_pts = self._wrong_dts = 0
        self._last_pts: int | None = None
        self._last_dts: int | None = None

    def place(self, frame: Any) -> int:
        """Return the pts of the next frame in display order; the first one's is 0."""
        stamp = self._best_effort(frame.pts, frame.dts)
        if not self._stamped:
            pts = round(self._count / self._rate / self.time_base)
        elif self._count == 0:
            self.origin = self.origin if stamp is None else stamp
            pts = 0
        elif stamp is None:
            pts = max(self.end, self._last + 1)
        else:
            pts = self._advanced(stamp - self.origin)
        self._count += 1
        self._last = pts
        self.end = pts + self._duration(frame.duration or 0)
        return pts

    def _best_effort(self, pts: int | None, dts: int | None) -> int | None:
        """`guess_correct_pts` of libavcodec, whose result PyAV does not pass on."""
        if dts is not None:
            self._wrong_dts += self._last_dts is not None and dts <= self._last_dts
            self._last_dts = dts
        elif pts is not None:
            self._last_dts = pts
        if pts is not None:
            self._wrong_pts += self._last_pts is not None and pts <= self._last_pts
            self._last_pts = pts
        elif dts is not None:
            self._last_pts = dts
        return pts if dts is None or (pts is not None and self._wrong_pts <= self._wrong_dts) else dts

    def _advanced(self, ticks: int) -> int:
        """A stamp in output ticks, after the last frame."""
        pts = round(ticks * self._scale)
        if pts > self._last:
            self._interval, self._latest = pts - self._last, pts
            return max(self._snapped(ticks, pts), self._last + 1)
        limit = self._latest + max(self._frame, int(self._scale))
        return self._last + max(1, min(self._frame, self._interval, (limit - self._last) // 2))

    def _snapped(self, ticks: int, pts: int) -> int:
        """The nearest frame of the nominal rate, if rounding to a tick explains the difference."""
        if not self._snaps:
            return pts
        seconds = ticks * self._tick_s
        nominal = round(seconds * self._rate) / self._rate
        snapped = round(nominal / self.time_base)
        return snapped if abs(nominal - seconds) < self._tick_s and snapped > self._last else pts

    def _duration(self, ticks: int) -> int:
        """How long a frame is shown, in output ticks."""
        declared = round(ticks * self._scale)
        if declared <= 0 or (self._snaps and abs(declared - self._frame) <= self._scale):
            declared = self._frame  # none, or rounded to a tick
        longest = max(round(LONGEST_HOLD_S / self.time_base), self._last // max(1, self._count - 1))
        return max(1, min(declared, longest))


def _output_ticks(tick_s: Fraction, rate: Fraction | None) -> Fraction:
    """Return a time base for the source's stamps of at least 10,000 ticks per second.

    rate: A frame rate whose frames are to be whole ticks too. MP4 has such ticks already. Matroska and FLV
    round stamps to milliseconds: there the result is fine enough to put each frame back on the nominal rate.
    """
    if rate is None:
        return _ticks_of(tick_s.denominator)
    if (1 / rate / tick_s).denominator == 1 and tick_s <= Fraction(1, _LEAST_OUTPUT_RATE):
        return tick_s
    if rate.numerator > _AVERAGE:
        return min(tick_s, Fraction(1, 90_000))
    return _ticks_of(rate.numerator)


def _ticks_of(per_second: int) -> Fraction:
    return Fraction(1, per_second * -(-_LEAST_OUTPUT_RATE // per_second))
