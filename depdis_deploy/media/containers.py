"""Opening of media files: fixed lists of demuxers and decoders, and no access to any other file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from io import FileIO
from pathlib import Path
from typing import Any

import av
from av import Packet
from av.container import Flags, InputContainer, OutputContainer

from depdis_deploy.pipe import Pipe

MAX_PIXELS = 67_108_864  # of one frame, 8192 x 8192: above 8K video, below what exhausts a small machine

# Comma-separated, as FFmpeg takes them. Demuxers that open other files or hosts are left out: playlists, image
# sequences, SDP, devices.
DEMUXERS = "mov,matroska,avi,asf,ivf,yuv4mpegpipe,mjpeg,jpeg_pipe,h264,hevc,mpegvideo,m4v"
# Streams of these may appear only while FFmpeg probes, where it does not apply `max_pixels` to them.
LATE_DEMUXERS = "mpegts,mpeg,flv,ogg"
# For those, probing may use only video decoders that read no more than headers. MPEG-1 time stamps need one.
PROBING_DECODERS = "mpeg1video,mpeg2video"
# What cameras, phones, screen recorders and editors write. Each of them obeys `max_pixels`.
VIDEO_DECODERS = (
    "h264,hevc,libdav1d,vp8,vp9,vp6,vp6f,mpeg1video,mpeg2video,mpeg4,msmpeg4v2,msmpeg4,h263,flv,wmv1,wmv2,wmv3,"
    "vc1,theora,mjpeg,rawvideo,prores,dnxhd,dvvideo,ffv1,huffyuv,ffvhuff,utvideo,png"
)
AUDIO_DECODERS = (
    "aac,aac_latm,ac3,eac3,mp3float,mp2,mp2float,alac,flac,opus,vorbis,wmav1,wmav2,wmapro,amrnb,amrwb,nellymoser,"
    "speex,dca,g726,adpcm_ms,adpcm_ima_wav,adpcm_ima_qt,adpcm_swf,pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,"
    "pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_f32le,pcm_f32be,pcm_bluray,pcm_dvd"
)


def open_container(source: str | os.PathLike[str] | Pipe, *, max_pixels: int = MAX_PIXELS) -> InputContainer:
    """Open a media file or FIFO for reading, with the demuxer that its content calls for.

    FFmpeg gets an open descriptor or a stream of bytes instead of a name, and may use no protocol to open
    anything else. Whatever the file contains, no other file and no address is opened.

    Args:
        source: A file, whose name is never read as a URL, or an open FIFO.
        max_pixels: The largest frame that may be decoded while the streams are probed.

    Raises:
        OSError: The file cannot be opened.
        ValueError, av.error.FFmpegError: The content is damaged, or needs a demuxer that is not in the list.
    """
    decoders = f"{VIDEO_DECODERS},{AUDIO_DECODERS}"
    if isinstance(source, Pipe):
        try:
            return _opened(source, DEMUXERS, decoders, max_pixels)
        except av.error.ArgumentError:  # another format
            if not source.rewind():
                raise
            return _opened(source, LATE_DEMUXERS, f"{PROBING_DECODERS},{AUDIO_DECODERS}", max_pixels)
    with open(source, "rb", buffering=0) as file:
        try:
            return _opened(file, DEMUXERS, decoders, max_pixels)
        except av.error.ArgumentError:  # another format
            file.seek(0)
            return _opened(file, LATE_DEMUXERS, f"{PROBING_DECODERS},{AUDIO_DECODERS}", max_pixels)


def _opened(source: FileIO | Pipe, demuxers: str, decoders: str, max_pixels: int) -> InputContainer:
    """Open a file from its present position, or a FIFO. `decoders` may be used to probe its streams."""
    options = {
        "protocol_whitelist": "fd",
        "format_whitelist": demuxers,
        "codec_whitelist": decoders,
        **decoder_options(max_pixels),
    }
    given: Any = source
    if not isinstance(source, Pipe):
        given, options["fd"] = "fd:", str(source.fileno())
    opened: InputContainer = av.open(given, options=options, metadata_errors="replace")  # noqa: TID251
    # PyAV has FFmpeg make up missing presentation stamps, which are wrong for H.264 with B-frames in AVI.
    made_up: Any = Flags.gen_pts
    opened.flags &= ~made_up.value
    return opened


def packets_of(container: Any, *streams: Any) -> Iterator[Packet[Any]]:
    """Yield the packets of `streams`, in the order of the file.

    Streams that appear partway are skipped: PyAV knows those of the header only, and raises IndexError.

    Raises:
        ValueError, av.error.FFmpegError: The file is damaged from there on.
    """
    while True:
        try:
            yield from container.demux(*streams)
            return
        except IndexError:
            continue


def create_container(path: Path, options: dict[str, str]) -> OutputContainer:
    """Create an MP4 file. The prefix keeps a name such as `a:b.mp4` from being read as a URL."""
    return av.open(f"file:{path}", "w", format="mp4", options=options)  # noqa: TID251 (the one place)


def decoder_options(max_pixels: int) -> dict[str, str]:
    """FFmpeg's options that make a decoder reject frames of more than `max_pixels` before it allocates them.

    Decoders round each side up to whole blocks of up to 64 pixels, so that the option allows somewhat more.
    """
    return {"max_pixels": str(max_pixels + max_pixels // 8 + 65_536)}
