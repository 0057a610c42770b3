"""Small clips made for the tests: frame i is recognised by its grey level."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np


def level(index: int) -> int:
    return 30 + 5 * (index % 40)


def picture(index: int, size: tuple[int, int]) -> np.ndarray:
    """A grey frame whose top left quarter is red: up stays recognisable after turning."""
    width, height = size
    image = np.full((height, width, 3), level(index), np.uint8)
    image[: height // 2, : width // 2] = (200, 30, 30)
    return image


def make_clip(
    path: Path, frames: int = 20, *, size: tuple[int, int] = (96, 64), rate: Fraction | int = 25,
    stamps: Sequence[int] | None = None, time_base: Fraction | None = None, rotation: int = 0,
    sound: str | None = None, codec: str = "libx264", options: dict[str, str] | None = None,
    pixels: str | None = None, loudness: int = 8000,
) -> Path:  # fmt: skip
    """stamps: pts of each frame in ticks of `time_base` (variable rate); sound: an audio codec's name."""
    with av.open(str(path), "w", options=options or {}) as out:
        video = out.add_stream(codec, rate=rate)
        video.width, video.height = size
        video.pix_fmt = pixels or ("yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p")
        video.thread_count = 1
        if codec == "libx264":
            video.codec_context.options = {"preset": "superfast"}
        if rotation:
            video.set_display_rotation(rotation)
        if time_base is not None:
            video.codec_context.time_base = time_base
        audio = None
        if sound is not None:
            audio = out.add_stream(sound, rate=48000)
            audio.layout = "mono"
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
            frame.pts = index if stamps is None else stamps[index]
            frame.time_base = time_base if time_base is not None else 1 / Fraction(rate)
            out.mux(video.encode(frame))
        out.mux(video.encode())
        if audio is not None:
            _add_tone(out, audio, frames / float(rate), loudness)
    return path


def joined(path: Path, *parts: Path) -> Path:
    """The bytes of several clips in one file, as recorders and `cat` leave them."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def jumping_clip(path: Path, jump_s: float, *, frames: int = 20, **options: Any) -> Path:
    """A clip of 25 frames per second whose stamps are `jump_s` later from the middle on."""
    stamps = [index * 3600 + round(jump_s * 90_000) * (index >= frames // 2) for index in range(frames)]
    return make_clip(path, frames, stamps=stamps, time_base=Fraction(1, 90_000), **options)


def _add_tone(out: av.container.OutputContainer, audio: av.AudioStream, seconds: float, loudness: int) -> None:
    samples = int(seconds * 48000)
    tone = (loudness * np.sin(np.arange(samples) * 2 * np.pi * 440 / 48000)).astype(np.int16)
    resampler = av.AudioResampler(audio.codec_context.format, "mono", 48000)
    for start in range(0, samples, 1024):
        frame = av.AudioFrame.from_ndarray(tone[None, start : start + 1024], format="s16", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        for piece in resampler.resample(frame):
            out.mux(audio.encode(piece))
    out.mux(audio.encode(None))


def stamps_s(path: Path) -> list[float]:
    """When each frame of a video is shown, seconds."""
    with av.open(str(path)) as container:
        return [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]


def images(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def write_picture(path: Path, size: tuple[int, int] = (96, 64), index: int = 0) -> Path:
    assert cv2.imwrite(str(path), picture(index, size)[..., ::-1])
    return path


def faststart(path: Path, target: Path) -> Path:
    """The same video with its index in front, as cameras and downloads have it."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "+faststart"}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return target
