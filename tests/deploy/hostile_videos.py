"""Videos that try to make a decoder open other files, or whose header gives less than their frames hold."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
from clips import level, make_clip

Size = tuple[int, int]


def playlists(folder: Path) -> dict[str, Path]:
    """Playlists in `folder`/sent that name a playable video outside it, by what they are."""
    sent = folder / "sent"
    sent.mkdir()
    private = make_clip(folder / "private.ts", 10)
    hls = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{}\n#EXT-X-ENDLIST\n"
    texts = {
        "absolute.m3u8": hls.format(private),
        "scheme.m3u8": hls.format(f"file:{private}"),
        "url.m3u8": hls.format(f"file://{private}"),
        "parent.m3u8": hls.format("../private.ts"),
        "marked.m3u8": "\ufeff" + hls.format(private),
        "master.m3u8": f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{sent}/absolute.m3u8\n",
        "map.m3u8": hls.format(private).replace("#EXTINF", f'#EXT-X-MAP:URI="{private}"\n#EXTINF'),
        "renamed.mp4": hls.format(private),
        "concat.mp4": "ffconcat version 1.0\nfile '../private.ts'\n",
        "concat_absolute.mp4": f"ffconcat version 1.0\nfile '{private}'\n",
        "concat_scheme.avi": f"ffconcat version 1.0\nfile 'file:{private}'\n",
        "concat.ffconcat": "ffconcat version 1.0\nfile ../private.ts\n",
        "dash.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011' type='static'>"
        "<Period><AdaptationSet mimeType='video/mp4'><Representation id='1' bandwidth='1'>"
        f"<BaseURL>{private}</BaseURL></Representation></AdaptationSet></Period></MPD>",
        "session.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video 9 RTP/AVP 33\n",
    }
    for name, text in texts.items():
        (sent / name).write_text(text, "utf-8")
    return {name: sent / name for name in texts}


def encoded(codec: str, size: Size, frames: int) -> list[bytes]:
    """Packets of grey frames without a container."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height = size
    encoder.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
    if codec == "libx264":
        encoder.options = {"preset": "ultrafast"}
    packets = []
    for index in range(frames):
        frame = av.VideoFrame(*size, encoder.pix_fmt)
        for plane in frame.planes:
            plane.update(bytes([level(index)]) * plane.buffer_size)
        frame.pts = index
        packets += encoder.encode(frame)
    return [bytes(packet) for packet in [*packets, *encoder.encode(None)]]


def lying_clip(path: Path, codec: str, parts: Sequence[tuple[Size, int]]) -> Path:
    """A video of so many frames in each of these sizes, whose header gives the first one."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height = parts[0][0]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        out.start_encoding()
        index = 0
        for size, frames in parts:
            for data in encoded(codec, size, frames):
                packet = av.Packet(data)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
                packet.pts = packet.dts = index
                out.mux(packet)
                index += 1
    return path


class _Bits:
    """Writes the syntax elements of a NAL unit."""

    def __init__(self) -> None:
        self._bits = ""

    def fixed(self, *numbers: tuple[int, int]) -> _Bits:
        """Append (value, bits) pairs."""
        self._bits += "".join(format(value, f"0{bits}b") for value, bits in numbers)
        return self

    def golomb(self, *values: int) -> _Bits:
        """Append Exp-Golomb codes."""
        for value in values:
            digits = format(value + 1, "b")
            self._bits += "0" * (len(digits) - 1) + digits
        return self

    def unit(self, kind: int) -> bytes:
        bits = self._bits + "1"
        bits += "0" * (-len(bits) % 8)
        out, zeros = bytearray(), 0
        for byte in int(bits, 2).to_bytes(len(bits) // 8, "big"):
            if zeros > 1 and byte < 4:
                out.append(3)
                zeros = 0
            out.append(byte)
            zeros = 0 if byte else zeros + 1
        return b"\0\0\0\1" + bytes([kind]) + bytes(out)


def enormous_h264(size: Size) -> bytes:
    """A key frame of 200 bytes, for which a decoder allocates the whole image."""
    width, height = size
    flag = (0, 1)
    parameters = _Bits().fixed((66, 8), (0, 8), (62, 8)).golomb(0, 0, 2, 1).fixed(flag)
    parameters.golomb(width // 16 - 1, height // 16 - 1).fixed((1, 1), (1, 1), flag, flag)
    picture = _Bits().golomb(0, 0).fixed(flag, flag).golomb(0, 0, 0).fixed(flag, (0, 2)).golomb(0, 0, 0)
    picture.fixed(flag, flag, flag)
    blocks = _Bits().golomb(0, 7, 0).fixed((0, 4)).golomb(0).fixed(flag, flag).golomb(0, *(3, 0, 0) * 200)
    return parameters.unit(0x67) + picture.unit(0x68) + blocks.unit(0x65)


def enormous_clip(path: Path, size: Size = (16_000, 16_000), frames: int = 30) -> Path:
    """A small video of enormous frames; its container has no header that gives their size."""
    data = enormous_h264(size)
    with av.open(str(path), "w", format="vob" if path.suffix == ".mpg" else None) as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        out.start_encoding()
        for index in range(frames):
            packet = av.Packet(data)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            packet.pts = packet.dts = index
            out.mux(packet)
    return path
