from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest
from clips import level, make_clip

from depdis_deploy import live
from depdis_deploy.command import InputError
from depdis_deploy.sources import Source


def test_a_stream_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_TIMEOUT_S", (0.5, 0.5))
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        pytest.raises(InputError, match="cannot be opened") as refusal,
    ):
        live.NetworkStream(Source("stream", f"rtsp://me:secret@127.0.0.1:{server.getsockname()[1]}/x"))
    assert "secret" not in str(refusal.value)


def serve(path: Path, times: int) -> int:
    """Answer `times` connections with the bytes of a file, then close; the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server:
            for _ in range(times):
                with server.accept()[0] as connection:
                    connection.sendall(path.read_bytes())

    threading.Thread(target=answer, daemon=True).start()
    return int(server.getsockname()[1])


def test_a_lost_stream_is_opened_again_and_its_end_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    # The bytes of a transport stream over plain TCP: the same code without an RTSP server.
    monkeypatch.setattr(live, "_PAUSES_S", (0.01, 0.02))
    port = serve(make_clip(tmp_path / "a.ts", 10), times=2)
    with live.NetworkStream(Source("stream", f"tcp://127.0.0.1:{port}"), stride=2) as stream:
        assert stream.size == (96, 64)
        frames = list(stream)
    assert [frame.index for frame in frames] == list(range(0, 20, 2))
    stamps = [frame.pts for frame in frames if frame.pts is not None]
    assert stamps == sorted(set(stamps))
    assert stamps[0] == 0
    assert int(frames[5].image[-3, -3, 0]) == pytest.approx(level(0), abs=3)
    assert stream.damage is not None
    assert "ended after 20 frames" in stream.damage
