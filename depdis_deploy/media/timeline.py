"""The timeline of a video file: when each frame is shown, from the time stamps of its packets."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from av import AudioStream, Packet
from av.format import Flags

from .containers import packets_of

LONGEST_HOLD_S = Fraction(10)  # of a last frame
_BACKWARD_S = Fraction(1, 10)  # what packets may overlap; FFmpeg's value
_BROADCAST_GAP_S = Fraction(10)  # FFmpeg's -dts_delta_threshold
_FILE_GAP_S = Fraction(3600)
_LEAST_TICKS_PER_FRAME = 4  # for rounded stamps to be put back on the nominal frame rate
_LEAST_OUTPUT_RATE = 10_000  # ticks per second of an output time base
_AVERAGE = 1_000_000  # a numerator above it belongs to an average over a variable rate, not a nominal one


@dataclass(slots=True)
class _Track:
    """One stream: its offset, the last decoding stamp and the end of that packet, in its own ticks."""

    tick_s: Fraction
    overlap: int
    gap: int
    offset: int = 0
    last: int | None = None
    end: int = 0


class Timeline:
    """Continuous time stamps for the packets of one file, by FFmpeg's rule.

    A file's stamps restart where recordings were joined, and jump where a clock was set. Each packet is
    compared with the end of the previous packet of its stream, by decoding stamps. A packet that lies more than
    0.1 s before the previous one, or too far after its end, begins a new part of the file: an offset moves that
    part to the end of the previous one. All streams share the offset, so sound and video stay in sync. Where
    the stamps return to the previous part's clock after a few wrong ones, that part's offset applies again.

    Too far is 10 s in broadcast formats, whose stamps may be discontinuous (FFmpeg's `AVFMT_TS_DISCONT`:
    MPEG-TS, MPEG-PS, Ogg), as in `ffmpeg -dts_delta_threshold`. In other containers a gap may be meant, such
    as the pause of a screen recording, so too far is 1 h there (in FFmpeg 30 h). A gap is no jump where the
    other stream goes on in it, or where the packet before it declares that duration (MP4).

    Args:
        container: The open file.
        note: Called once per file, with a sentence about the first jump.
    """

    def __init__(self, container: Any, note: Callable[[str], None] | None = None) -> None:
        broadcast = bool(container.format.flags & Flags.ts_discont.value)
        self._gap_s = _BROADCAST_GAP_S if broadcast else _FILE_GAP_S
        self._broadcast = broadcast
        self._note = note
        self._tracks: dict[int, _Track] = {}
        self._start_s = Fraction(0)
        self._offset_s = Fraction(0)
        self._previous_s: Fraction | None = None  # the offset of the previous part

    def place(self, packet: Packet[Any]) -> None:
        """Move the stamps of a packet to the timeline. Packets come in the order of the file."""
        track = self._tracks.get(packet.stream_index)
        if track is None:
            track = self._tracks[packet.stream_index] = self._new_track(packet)
        if packet.dts is not None:
            self._follow(track, packet.dts, packet.duration or 0)
            if packet.pts is not None and abs(packet.pts - packet.dts) > track.gap:
                packet.pts = None  # one of them is wrong, and decoding stamps are the ones that were checked
        if track.offset:
            if packet.dts is not None:
                packet.dts += track.offset
            if packet.pts is not None:
                packet.pts += track.offset

    def _new_track(self, packet: Packet[Any]) -> _Track:
        tick_s = Fraction(packet.time_base)
        track = _Track(tick_s, int(_BACKWARD_S / tick_s), int(self._gap_s / tick_s))
        track.offset = round(self._offset_s / tick_s)
        return track

    def _follow(self, track: _Track, dts: int, duration: int) -> None:
        """Let the stamp of the stream's next packet continue the timeline."""
        placed = dts + track.offset
        if track.last is None:
            if all(other.last is None for other in self._tracks.values()):
                self._start_s = placed * track.tick_s
            elif self._broadcast and abs(placed - self._end(track)) > track.gap:
                self._join(track, dts, self._end(track))
        elif placed + track.overlap < track.last or self._is_jump(track, dts):
            self._join(track, dts, track.end)
        track.last = dts + track.offset
        track.end = track.last + duration

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

    def _returns(self, track: _Track, dts: int) -> bool:
        """Whether a stamp continues the timeline with the offset of the previous part."""
        if self._previous_s is None:
            return False
        return abs(dts + round(self._previous_s / track.tick_s) - track.end) <= track.overlap

    def _join(self, track: _Track, dts: int, target: int) -> None:
        """Change the offset such that `dts` lies at `target`, or on the previous part's clock."""
        if self._note is not None:
            step_s = (dts + track.offset - target) * track.tick_s
            after_s = target * track.tick_s - self._start_s
            self._note(
                f"time stamps jump by {float(step_s):+.3f} s after {float(after_s):.3f} s; the video and audio "
                "after the jump are shifted to close it (further jumps are not reported)"
            )
            self._note = None
        offset_s = (target - dts) * track.tick_s
        if self._returns(track, dts):
            assert self._previous_s is not None
            offset_s = self._previous_s
        self._previous_s, self._offset_s = self._offset_s, offset_s
        for other in self._tracks.values():
            other.offset = round(offset_s / other.tick_s)


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
        if not declared or (self._snaps and abs(declared - self._frame) <= self._scale):
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
