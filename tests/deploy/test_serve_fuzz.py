"""Pictures and requests that were changed at random: each gets an answer or none, and the server goes on."""

from __future__ import annotations

import io
import random
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from serving import Server, png, scene, scene_png, serving

from benchmarks.fuzz_requests import ask_all, whole_requests
from benchmarks.mutation import changed
from depdis_deploy import Predictor
from depdis_deploy.serve.answers import wanted
from depdis_deploy.serve.refusal import Refusal
from depdis_deploy.serve.service import Service
from depdis_deploy.serve.settings import Settings

PICTURES, REQUESTS = 500, 150


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
            reservation = service.memory.reservation()
            service.work(changed(chance.choice(whole), chance, 64), asked, time.perf_counter(), reservation)
            reservation.close()
            statuses.add(200)
        except Refusal as refusal:
            statuses.add(refusal.status)
            said.add(str(refusal))
    assert statuses == {200, 413, 422}
    assert not [text for text in said if "\n" in text or len(text) > 300]
    assert capfd.readouterr() == ("", "")  # no library has its say in the log
    service.close()


@pytest.fixture
def server(model: Path) -> Iterator[Server]:
    with serving("--model", model, "--timeout", 1) as started:
        yield started


def test_changed_requests_neither_hang_nor_break_anything(server: Server) -> None:
    whole, chance = whole_requests(png()), random.Random(0)
    changes = [changed(chance.choice(whole), chance, 120) for _ in range(REQUESTS)]
    answers = ask_all(server.port, changes, 30)
    assert not answers.failed
    answered = sum(answers.statuses.values())
    assert answered > REQUESTS // 4
    assert server.predict(scene_png()).status == 200
    assert not [line for line in server.lines if line["level"] == "error"]
