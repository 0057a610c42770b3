"""RTSP servers that send over UDP only: they are read, and no host but the server sends or gets media."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from calling import Call, lines
from clips import make_clip
from small_rtsp import SmallRtsp

from depdis_deploy import live
from depdis_deploy.command import InputError
from depdis_deploy.media.rtsp_relay import Rejected, checked_messages
from depdis_deploy.patience import Patience
from depdis_deploy.sources import Source

OTHER_HOST = "127.0.0.2"


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.ts", 11)  # the last frame is not sent to its end


def opened(address: str) -> live.NetworkStream:
    return live.NetworkStream(Source("stream", address), Patience(retry_s=0.0))


@pytest.mark.parametrize("scheme", ["rtsp", "RTSP", "Rtsp"])
def test_command_reads_a_server_that_sends_over_udp_only(
    scheme: str, clip: Path, tmp_path: Path, call: Call
) -> None:
    with SmallRtsp([clip], udp=True) as server:
        address = server.address.replace("rtsp", scheme)
        result = call(address, "--outdir", tmp_path / "out", "--save", "json", "--retry", "no", "--quiet")
    assert result.err == f"error: {address}: lost after 10 frames; what came was used\n"
    assert lines(tmp_path / "out/127.0.0.1_x.ndjson")


def test_sends_nothing_to_the_host_that_the_answer_names(clip: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind((OTHER_HOST, 0))
        port = other.getsockname()[1]

        def answer(method: str, connection: int, headers: dict[str, str]) -> str | None:
            if method != "SETUP" or "client_port" not in headers["transport"]:
                return None
            own = server.accepted(method, headers)
            return f"{own};source={OTHER_HOST};destination={OTHER_HOST};server_port={port}-{port + 1}"

        with SmallRtsp([clip], answer, udp=True, media_host=OTHER_HOST) as server, pytest.raises(InputError):
            opened(server.address)
        with SmallRtsp([clip], media_host=OTHER_HOST, udp=True) as server, opened(server.address) as stream:
            assert len(list(stream)) == 10
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)


def test_ignores_packets_of_another_host(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TIMEOUT_S", (1.0, 1.0))
    with SmallRtsp([clip], udp=True) as server, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        assert server.udp is not None
        other.bind((OTHER_HOST, server.udp.getsockname()[1]))
        server.udp, own = other, server.udp
        with own, pytest.raises(InputError, match=r"no video arrived .* firewall .* ports 5000 to 65000"):
            opened(server.address)


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"])
def test_follows_no_redirect_over_udp(method: str, clip: Path) -> None:
    def answer(asked: str, connection: int, headers: dict[str, str]) -> str | None:
        moved = f"RTSP/1.0 302 Moved\nLocation: {target.address}"
        return moved if asked == method and connection == 1 else None

    with SmallRtsp([clip]) as target, SmallRtsp([clip], answer, udp=True) as server:
        with pytest.raises(InputError, match="over UDP only"):
            opened(server.address)
        assert target.connections == 0


def test_relay_forwards_whole_messages_with_the_cameras_address() -> None:
    setup = (
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;source=10.0.0.9;client_port=5000-5001;"
        b"/source=10.0.0.9; server_port=6-7 ;ssrc=1,RTP/AVP;source=10.0.0.9\r\n\r\n"
    )
    body = b"RTSP/1.0 200 OK\nContent-Length: 3\n\nabcRTSP/1.0 2"
    sent, rest = checked_messages(setup + body, "10.0.0.1")
    assert sent == (
        b"RTSP/1.0 200 OK\r\nCSeq: 3\r\n"
        b"Transport: RTP/AVP;unicast;client_port=5000-5001; server_port=6-7 ;source=10.0.0.1\r\n"
        b"Content-Length: 0\r\n\r\nRTSP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc"
    )
    assert rest == b"RTSP/1.0 2"
    assert checked_messages(body[:35], "10.0.0.1") == (b"", body[:35])


@pytest.mark.parametrize(
    "received",
    [
        b"RTSP/1.0 302 Moved\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n$\0\0\1xTransport: RTP/AVP;source=10.0.0.9\r\n\r\n",
        b"RTSP/1.0 200 OK\r\n\r$\0\0\1xTransport: RTP/AVP;source=10.0.0.9\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;unicast\0\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nTransport: RTP/AVP;" + b" " * 4096 + b"\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nTransport: RAW/RAW/UDP;source=10.0.0.9\r\n\r\n",
        b"RTSP/1.0 200 OK\r\nContent-Length: 900000\r\n\r\n",
        b"x" * 70_000,
    ],
)  # fmt: skip
def test_relay_rejects_messages_that_could_name_another_host(received: bytes) -> None:
    with pytest.raises(Rejected):
        checked_messages(received, "10.0.0.1")
