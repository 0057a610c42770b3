"""Pictures and requests that were changed at random: each gets an answer or none, and the server goes on."""

from __future__ import annotations

import io
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving import Server, png, scene, scene_png, serving

from depdis_deploy import Predictor
from depdis_deploy.serve.answers import wanted
from depdis_deploy.serve.refusal import Refusal
from depdis_deploy.serve.service import Service
from depdis_deploy.serve.settings import Settings

PICTURES, REQUESTS = 500, 150
EXTREMES = (b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xff\xff")
SNIPPETS = (b"\r\n", b"\r\nContent-Length: 5", b"%00%ff", b"\0", b"&&==", b"\r\nHost: x", b"9" * 30, b"../")


def changed(data: bytes, chance: random.Random, within: int) -> bytes:
    """`data` with 1 to 16 changes, half of them in its first `within` bytes."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 4, 16))):
        place = chance.randrange(len(found) if chance.random() < 0.5 else min(within, len(found)))
        match chance.randrange(5):
            case 0:
                found[place] = chance.randrange(256)
            case 1:
                found[place] ^= 1 << chance.randrange(8)
            case 2:
                del found[place : place + chance.randrange(1, 20)]
            case 3:
                found[place:place] = chance.choice(SNIPPETS)
            case _:
                found[place : place + 4] = chance.choice(EXTREMES)
        found = found or bytearray(b"x")
    return bytes(found)


def samples() -> list[bytes]:
    """A picture in every format that is taken, and some of their kinds."""
    picture = Image.fromarray(scene())
    turned = Image.Exif()
    turned[0x0112] = 6
    kinds: list[tuple[str, str, dict[str, object]]] = [
        ("JPEG", "RGB", {}), ("JPEG", "RGB", {"progressive": True}), ("JPEG", "RGB", {"exif": turned}),
        ("JPEG", "CMYK", {}), ("PNG", "RGB", {}), ("PNG", "P", {}), ("PNG", "RGBA", {}), ("PNG", "1", {}),
        ("WEBP", "RGB", {}), ("WEBP", "RGB", {"lossless": True}), ("BMP", "RGB", {}), ("BMP", "P", {}),
    ]  # fmt: skip
    found = []
    for kind, mode, options in kinds:
        buffer = io.BytesIO()
        picture.convert(mode).save(buffer, kind, **options)
        found.append(buffer.getvalue())
    return found


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of metadata that it passes over
def test_changed_pictures_are_served_or_refused(model: Path, capfd: pytest.CaptureFixture[str]) -> None:
    predictor = Predictor(model, "cpu", threads=1)
    service = Service(predictor, Settings(max_pixels=100_000))
    asked = wanted("image/png", [], predictor.manifest.outputs)
    chance, whole = random.Random(0), samples()
    statuses, said = set(), set()
    for _ in range(PICTURES):
        try:
            service.work(changed(chance.choice(whole), chance, 64), asked, time.perf_counter())
            statuses.add(200)
        except Refusal as refusal:
            statuses.add(refusal.status)
            said.add(str(refusal))
    assert statuses == {200, 413, 422}
    assert not [text for text in said if "\n" in text or len(text) > 300]
    assert capfd.readouterr() == ("", "")  # no library has its say in the log
    service.workers.close()


@pytest.fixture
def server(model: Path) -> Iterator[Server]:
    with serving("--model", model, "--timeout", 1) as started:
        yield started


def test_changed_requests_neither_hang_nor_break_anything(server: Server) -> None:
    picture = png()
    post = b"POST /predict%s HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/png\r\n%s\r\n\r\n%s"
    length = b"Accept: image/png;q=0.5, */*\r\nX-Request-ID: a\r\nContent-Length: %d" % len(picture)
    chunks = b"%x\r\n%s\r\n0\r\n\r\n" % (len(picture), picture)
    whole = [
        post % (b"?output=depth&panel=quad", length, picture),
        post % (b"", b"Transfer-Encoding: chunked\r\nExpect: 100-continue", chunks),
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n",
        b"GET /docs HTTP/1.1\r\nHost: [::1]:80\r\nUpgrade: websocket\r\nConnection: Upgrade, close\r\n\r\n",
    ]
    chance = random.Random(0)
    answered = 0
    for _ in range(REQUESTS):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            try:
                connection.sendall(changed(chance.choice(whole), chance, 120))
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(65536)
            except ConnectionError:
                continue
        assert answer[:10] != b"HTTP/1.1 5", answer
        answered += answer.startswith(b"HTTP/1.1 ")
    assert answered > REQUESTS // 4
    assert server.predict(scene_png()).status == 200
    assert not [line for line in server.lines if line["level"] == "error"]
