"""RTSP servers that send their client elsewhere: no other host is contacted."""

from __future__ import annotations

import socket
import ssl
from pathlib import Path

import pytest
from calling import Call
from clips import make_clip
from small_rtsp import Answer, SmallRtsp

from depdis_deploy import Predictor, live, patience
from depdis_deploy.command import InputError
from depdis_deploy.patience import Patience
from depdis_deploy.sources import Source

CERTIFICATE = Path(__file__).with_name("localhost.pem")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip") / "clip.ts", 11)


def redirect(target: SmallRtsp, status: int = 302) -> str:
    return f"RTSP/1.0 {status} Moved\nLocation: rtsp://admin:secret@127.0.0.1:{target.port}/other"


def redirects(to: SmallRtsp, method: str, *, status: int = 302, since: int = 0) -> Answer:
    """Redirects this method on all connections from the `since`-th on."""

    def answer(asked: str, connection: int, headers: dict[str, str]) -> str | None:
        return redirect(to, status) if asked == method and connection >= since else None

    return answer


def opened(address: str, retry_s: float = 0.0) -> live.NetworkStream:
    return live.NetworkStream(Source("stream", address), Patience(retry_s=retry_s))


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_rejects_a_redirect_without_contacting_its_target(method: str, status: int, clip: Path) -> None:
    with SmallRtsp([clip]) as target, SmallRtsp([clip], redirects(target, method, status=status)) as server:
        with pytest.raises(InputError, match="redirects to 127") as error:
            opened(server.address)
        assert target.connections == 0
    assert f"127.0.0.1:{target.port}" in str(error.value)
    assert "secret" not in str(error.value)


def test_command_and_predictor_reject_a_redirect_in_one_line(clip: Path, call: Call, model: Path) -> None:
    with SmallRtsp([clip]) as target, SmallRtsp([clip], redirects(target, "DESCRIBE")) as server:
        result = call(server.address.replace("//", "//me:word@"), "--quiet")
        assert result.status == 1
        assert len(result.err.splitlines()) == len(result.errors) == 1
        assert f"redirects to 127.0.0.1:{target.port}" in result.err
        with pytest.raises(InputError, match="redirects to 127"):
            next(Predictor(model).stream(server.address))
        assert target.connections == 0


def test_rejects_a_redirect_that_needs_a_password(clip: Path) -> None:
    def answer(method: str, connection: int, headers: dict[str, str]) -> str | None:
        if "authorization" in headers:
            return redirect(target)
        return 'RTSP/1.0 401 Unauthorized\nWWW-Authenticate: Basic realm="r"'

    with SmallRtsp([clip]) as target, SmallRtsp([clip], answer) as server:
        with pytest.raises(InputError, match="redirects to another address") as error:
            opened(server.address.replace("//", "//me:word@"))
        assert target.connections == 0
    assert "word" not in str(error.value)


def test_rejects_a_redirect_over_tls_and_plays_without_one(clip: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    with (
        SmallRtsp([clip], tls=context) as target,
        SmallRtsp([clip], redirects(target, "DESCRIBE"), tls=context) as server,
    ):
        with pytest.raises(InputError, match="redirects to 127"):
            opened(server.address)
        assert target.connections == 0
    with SmallRtsp([clip], tls=context) as server, opened(server.address.replace("rtsps", "RTSPS")) as stream:
        assert list(stream)


@pytest.mark.parametrize("method", ["OPTIONS", "DESCRIBE"])
def test_rejects_a_redirect_of_the_first_connection_alone(method: str, clip: Path) -> None:
    def answer(asked: str, connection: int, headers: dict[str, str]) -> str | None:
        return redirect(target) if asked == method and connection == 0 else None

    with SmallRtsp([clip]) as target, SmallRtsp([clip], answer) as server:
        with pytest.raises(InputError, match="redirects to another address"):
            opened(server.address)
        assert target.connections == 0


@pytest.mark.parametrize(
    "location", ["tcp://{0}/x", "rtsp,tcp://{0}/x", "//{0}/x", "RTSP://{0}/x", "file:/x", ""]
)
def test_follows_no_address_of_another_form(location: str, clip: Path) -> None:
    with SmallRtsp([clip]) as target:
        moved = f"RTSP/1.0 302 Moved\nLocation: {location.format(f'127.0.0.1:{target.port}')}"
        with (
            SmallRtsp([clip], lambda method, *_: moved if method == "DESCRIBE" else None) as server,
            pytest.raises(InputError, match="redirects to"),
        ):
            opened(server.address)
        assert target.connections == 0


@pytest.mark.parametrize("method", ["SETUP", "PLAY"])
def test_never_follows_a_redirect_of_a_later_request(method: str, clip: Path) -> None:
    with SmallRtsp([clip]) as target, SmallRtsp([clip], redirects(target, method)) as server:
        with pytest.raises(InputError, match="cannot be opened"):
            opened(server.address)
        assert target.connections == 0


def test_reports_a_redirect_at_reconnecting_and_does_not_follow_it(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_FIRST_PAUSE_S", 0.01)
    notes: list[str] = []
    with SmallRtsp([clip]) as target, SmallRtsp([clip, clip], redirects(target, "DESCRIBE", since=1)) as server:
        stream = live.NetworkStream(Source("stream", server.address), Patience(retry_s=0.5, note=notes.append))
        with stream:
            assert len(list(stream)) == 10
        assert target.connections == 0
    assert stream.damage is not None
    assert "lost after 10 frames" in stream.damage
    assert sum(f"redirects to 127.0.0.1:{target.port}" in note for note in notes) == 1


def test_sends_nothing_to_the_host_that_a_description_names(clip: Path) -> None:
    """The description names a media host, and the answer to SETUP asks for UDP to it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.2", 0))
        port = other.getsockname()[1]
        udp = (
            "RTSP/1.0 200 OK\nSession: 1\nTransport: RTP/AVP/UDP;unicast;client_port=5000-5001;"
            f"source=127.0.0.2;server_port={port}-{port + 1}"
        )
        with (
            SmallRtsp(
                [clip], lambda method, *_: udp if method == "SETUP" else None, media_host="127.0.0.2"
            ) as server,
            pytest.raises(InputError, match="cannot be opened"),
        ):
            opened(server.address)
        with SmallRtsp([clip], media_host="127.0.0.2") as server, opened(server.address) as stream:
            assert len(list(stream)) == 10
        other.setblocking(False)
        with pytest.raises(BlockingIOError):
            other.recv(1)
