"""The timeline of a video file: continuous time stamps for the packets of its video and audio."""

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

_OVERLAP_S = Fraction(1, 10)  # by which stamps may go back; FFmpeg's value
_BROADCAST_GAP_S = Fraction(10)  # FFmpeg's -dts_delta_threshold
_FILE_GAP_S = Fraction(3600)
_LATEST_S = 4_000_000_000  # what a clock that counts from 1970 shows in 2096
_MOST_NOMINAL_RATE = 240  # above it FFmpeg's guess is the tick of a variable rate


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
