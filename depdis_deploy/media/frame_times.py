"""When each decoded frame of a video is shown, from the stamps that the `Timeline` gave its packets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

LONGEST_HOLD_S = Fraction(10)  # of a last frame, or of silence
_LEAST_TICKS_PER_FRAME = 4  # for rounded stamps to be put back on the nominal frame rate
_LEAST_OUTPUT_RATE = 10_000  # ticks per second of an output time base
_AVERAGE = 1_000_000  # a numerator above it belongs to an average over a variable rate, not a nominal one


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
