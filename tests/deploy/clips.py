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
    pixels: str | None = None, aspect: Fraction | None = None, tags: dict[str, int] | None = None,
    encoder: dict[str, str] | None = None, loudness: int = 8000,
) -> Path:  # fmt: skip
    """stamps: pts of each frame in ticks of `time_base` (variable rate); sound: an audio codec's name.

    aspect: of a pixel; tags: colour codes that are written, not applied; encoder: its options.
    """
    with av.open(str(path), "w", options=options or {}) as out:
        video = out.add_stream(codec, rate=rate)
        video.width, video.height = size
        video.pix_fmt = pixels or ("yuv420p" if size[0] % 2 == size[1] % 2 == 0 else "yuv444p")
        video.thread_count = 1
        if codec == "libx264":
            video.codec_context.options = {"preset": "superfast", **(encoder or {})}
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        for name, value in (tags or {}).items():
            setattr(video.codec_context, name, value)
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
    return remux(path, target)


def remux(
    path: Path, target: Path, *, matrix: Sequence[int] | None = None, aspect: Fraction | None = None
) -> Path:
    """The same video in another container, which states a display matrix (a, b, c, d) or a pixel aspect."""
    with av.open(str(path)) as source, av.open(str(target), "w", options={"movflags": "+faststart"}) as out:
        stream = source.streams.video[0]
        copy = out.add_stream_from_template(stream)
        if matrix is not None:
            a, b, c, d = (round(65536 * value) for value in matrix)
            copy.set_display_matrix([a, b, 0, c, d, 0, 0, 0, 1 << 30])
        if aspect is not None:
            copy.codec_context.sample_aspect_ratio = aspect
        for packet in source.demux(stream):
            if packet.dts is not None:
                packet.stream = copy
                out.mux(packet)
    return target


def make_tracks(
    path: Path, sizes: Sequence[tuple[int, int]], *, default: int | None = None, sounds: Sequence[str] = ()
) -> Path:
    """A video of 3 frames with a video track of each size and an audio track of each codec."""
    with av.open(str(path), "w") as out:
        videos = [out.add_stream("mpeg4", rate=25) for _ in sizes]
        audios = [out.add_stream(sound, rate=48000) for sound in sounds]
        for index, (video, size) in enumerate(zip(videos, sizes, strict=True)):
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            if default is not None:
                video.disposition = int(index == default)
        for audio in audios:
            audio.layout = "mono"
        for index in range(3):
            for video, size in zip(videos, sizes, strict=True):
                frame = av.VideoFrame.from_ndarray(picture(index, size), format="rgb24")
                frame.pts, frame.time_base = index, Fraction(1, 25)
                out.mux(video.encode(frame))
        for video in videos:
            out.mux(video.encode())
        for audio in audios:
            _add_tone(out, audio, 0.12, 8000)
    return path
