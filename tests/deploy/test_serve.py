from __future__ import annotations

import base64
import io
import re
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import yaml
from openapi_pydantic import OpenAPI
from prometheus_client.parser import text_string_to_metric_families
from serving import Server, png, post, scene, scene_png, serving, wait_until

from benchmarks.load import post as post_bytes
from benchmarks.load import saturate
from depdis_deploy import Prediction, Predictor
from depdis_deploy.command import UsageError
from depdis_deploy.manifest import OUTPUTS
from depdis_deploy.serve.answers import JSON, NPZ, PNG, NotAcceptable, negotiated, wanted
from depdis_deploy.serve.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    with serving("--model", model, "--workers", 2) as started:
        yield started


@pytest.fixture(scope="module")
def expected(model: Path) -> Prediction:
    return Predictor(model, "cpu", threads=1)(scene())


def test_json_holds_what_the_runtime_records(server: Server, expected: Prediction) -> None:
    answer = server.predict(scene_png())
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    found, record = answer.json, expected.record()
    for key in ("width", "height", "classes", "units", "camera"):
        assert found[key] == record[key]
    assert set(found) == {"width", "height", "classes", "units", "camera", "speed"}
    assert found["speed"]["inference"] > 0
    assert re.search(r"decode;dur=\d.*inference;dur=\d.*encode;dur=\d", answer.headers["server-timing"])


@pytest.mark.parametrize("output", ["labels", "depth", "density", "confidence", "overlay"])
def test_a_png_is_the_file_that_infer_writes(server: Server, expected: Prediction, output: str) -> None:
    answer = server.predict(scene_png(), f"?output={output}", "image/png")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
    assert answer.body == expected.encoded(output)


def test_an_npz_holds_the_maps(server: Server, expected: Prediction) -> None:
    answer = server.predict(scene_png(), accept="application/x-npz")
    found = np.load(io.BytesIO(answer.body))
    assert set(found) == {"labels", "depth", "density", "confidence", "names"}
    for name in OUTPUTS:
        np.testing.assert_array_equal(found[name], getattr(expected, name))
    some = server.predict(scene_png(), "?output=depth", "application/zip")
    assert some.headers["content-type"] == "application/zip"
    assert set(np.load(io.BytesIO(some.body))) == {"labels", "depth", "names"}


def test_json_holds_maps_that_are_asked_for(server: Server, expected: Prediction) -> None:
    maps = server.predict(scene_png(), "?output=depth&output=overlay&panel=quad").json["maps"]
    assert set(maps) == {"depth", "overlay"}
    assert base64.b64decode(maps["depth"]["base64"]) == expected.encoded("depth")
    assert base64.b64decode(maps["overlay"]["base64"]) == expected.encoded("overlay", "quad")
    assert maps["depth"]["unit"] == "cm"


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", JSON), ("*/*", JSON), ("image/png", PNG), ("image/*", PNG), ("IMAGE/PNG", PNG),
        ("text/html, */*;q=0.8", JSON), ("application/json;q=0.5, image/png", PNG),
        ("application/*, image/png;q=0.9", JSON), ("application/json;q=0, */*", PNG), (NPZ, NPZ),
        ("image/png;q=0.2, application/x-npz;q=0.7", NPZ),
    ],
)  # fmt: skip
def test_the_most_wanted_form_is_given(accept: str, form: str) -> None:
    assert negotiated(accept) == form


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", "image/png;q=x", ",", "image/jpeg"])
def test_forms_that_there_are_not(accept: str) -> None:
    with pytest.raises(NotAcceptable, match="expected one of"):
        negotiated(accept)


@pytest.mark.parametrize(
    ("accept", "query", "said"),
    [
        (PNG, [("output", "depth"), ("output", "labels")], "one output"),
        (NPZ, [("output", "overlay")], "no overlay: request the overlay as image/png"),
        (JSON, [("output", "speed")], "expected one of labels"),
        (JSON, [("panel", "grid")], "overlay, side-by-side"),
        (JSON, [("url", "http://127.0.0.1/a.png")], "not fetched"),
    ],
)
def test_questions_that_there_are_not(accept: str, query: list[tuple[str, str]], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        wanted(accept, query, OUTPUTS)


def test_only_what_is_asked_for_is_computed() -> None:
    assert wanted(PNG, [], OUTPUTS).computed(OUTPUTS) == ("labels",)
    assert wanted(JSON, [], OUTPUTS).computed(OUTPUTS) == ("labels", "depth")
    assert wanted(PNG, [("output", "overlay"), ("panel", "quad")], OUTPUTS).computed(OUTPUTS) == OUTPUTS[:3]
    assert wanted(NPZ, [], OUTPUTS[:2]).computed(OUTPUTS[:2]) == OUTPUTS[:2]


def test_the_description_is_openapi_and_true(server: Server) -> None:
    described = server.ask("GET", "/openapi.json").json
    parsed = OpenAPI.model_validate(described)
    assert parsed.paths is not None
    for path, item in parsed.paths.items():
        if item.get is not None:
            assert server.ask("GET", path).status == 200, path
    answers = described["paths"]["/predict"]["post"]["responses"]
    example = answers["200"]["content"]["application/json"]["example"]
    found = server.predict(scene_png()).json
    assert set(example) == set(found)
    for key in ("units", "camera", "speed"):
        assert set(example[key]) == set(found[key])
    assert set(example["classes"]["red"]) == set(found["classes"]["red"])
    assert {"401", "413", "422", "429", "503"} <= set(answers)


def test_the_page_loads_and_runs_nothing(server: Server) -> None:
    answer = server.ask("GET", "/docs")
    text = answer.body.decode()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert not re.search(r"<script|<link|<img|<iframe|src=|https?://|@import|url\(", text)
    for shown in ("/predict", "output=depth", "median_depth_m", "429"):
        assert shown in text
    assert server.ask("GET", "/").headers["location"] == "docs"


def test_metrics_count_what_was_answered(server: Server) -> None:
    def counted() -> dict[tuple[str, str, str], float]:
        text = server.ask("GET", "/metrics").body.decode()
        return {
            (sample.name, sample.labels.get("route", ""), sample.labels.get("status", "")): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    before = counted()
    assert before["depdis_places", "", ""] == 2 + 16
    server.predict(scene_png())
    server.predict(b"no picture")
    server.ask("GET", "/nothing/like/it")
    after = counted()

    def grown(route: str, status: str) -> float:
        key = ("depdis_requests_total", route, status)
        return after[key] - before.get(key, 0)

    assert grown("/predict", "200") == grown("/predict", "422") == grown("other", "404") == 1
    assert after["depdis_pixels_total", "", ""] - before["depdis_pixels_total", "", ""] == 48 * 80
    assert after["process_resident_memory_bytes", "", ""] > 1e6


def test_a_line_of_the_log_for_each_request(server: Server) -> None:
    number = f"mine-{time.monotonic_ns()}"
    answer = server.predict(scene_png(), **{"X-Request-ID": number})
    assert answer.headers["x-request-id"] == number
    forged = server.ask("GET", "/a%0A%22level%22", headers={"X-Request-ID": "no good: \t"})
    assert forged.status == 404
    assert re.fullmatch(r"[0-9a-f]{16}", forged.headers["x-request-id"])
    until = time.monotonic() + 10
    while not (mine := [line for line in server.lines if line.get("id") == forged.headers["x-request-id"]]):
        assert time.monotonic() < until
        time.sleep(0.01)
    assert mine[0]["path"] == '/a\n"level"'
    (first,) = [line for line in server.lines if line.get("id") == number]
    assert first["status"] == 200
    assert first["size"] == "80x48"
    assert first["bytes_in"] == len(scene_png())
    assert first["stages_ms"]["inference"] > 0


def test_the_client_of_the_docs(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs/serving.md").read_text(), re.DOTALL)
    assert len(code.split("\n")) - code.count("\n\n") <= 10
    (tmp_path / "street.jpg").write_bytes(png(kind="JPEG"))
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(code.replace("8000", str(server.port)), found)
    found["server"].close()  # type: ignore[attr-defined]
    assert "'green': {'share': 1.0" in capsys.readouterr().out
    assert found["maps"]["labels"].shape == (64, 96)  # type: ignore[index]


def test_the_scrape_example_of_the_docs(server: Server) -> None:
    text = (ROOT / "docs/serving.md").read_text()
    (example,) = [block for block in re.findall(r"```yaml\n(.*?)```", text, re.DOTALL) if "scrape" in block]
    (job,) = yaml.safe_load(example)["scrape_configs"]
    ((target,),) = [group["targets"] for group in job["static_configs"]]
    assert target.endswith(f":{Settings().port}")
    answer = server.ask("GET", job.get("metrics_path", "/metrics"), headers={"Host": target})
    assert answer.status == 200
    assert any(text_string_to_metric_families(answer.body.decode()))


@pytest.fixture(scope="module")
def narrow(model: Path) -> Iterator[Server]:
    with serving("--model", model, "--workers", 1, "--queue", 1) as started:
        yield started


def wait_for(server: Server, metric: str, value: int) -> None:
    wait_until(lambda: server.value(metric) >= value)


def test_what_has_no_place_is_refused_and_the_rest_goes_on(narrow: Server) -> None:
    large = png(2000, 1500)
    with ThreadPoolExecutor(2) as clients:
        answers = [clients.submit(narrow.predict, large, accept=NPZ) for _ in range(2)]
        wait_for(narrow, "depdis_places_taken", 2)
        refused = narrow.predict(scene_png())
        assert refused.status == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "try again" in refused.error
    assert [answer.result().status for answer in answers] == [200, 200]
    assert narrow.predict(scene_png()).status == 200


def test_far_too_much_at_once_is_refused_and_leaves_nothing_behind(narrow: Server) -> None:
    request = post_bytes(png(640, 320, kind="JPEG"), JSON)

    def flood() -> tuple[float, float]:
        run = saturate(narrow.port, request, 400, 60)
        assert run.errors == run.without_retry == 0
        assert set(run.statuses) == {200, 429}
        assert run.count(200) + run.count(429) == 400
        answer = narrow.predict(scene_png())
        assert answer.status == 200
        wait_until(lambda: narrow.value("process_open_fds") <= files)
        return narrow.value("process_resident_memory_bytes"), narrow.value("depdis_places_taken")

    narrow.predict(scene_png())
    files = narrow.value("process_open_fds") + 1
    first, _ = flood()
    second, taken = flood()
    assert second < 1.05 * first
    assert taken == 0


def test_a_client_that_leaves_before_its_turn_is_not_served(narrow: Server) -> None:
    before = narrow.value("depdis_pixels_total")
    with ThreadPoolExecutor(1) as clients:
        first = clients.submit(narrow.predict, png(2000, 1500), accept=NPZ)
        wait_for(narrow, "depdis_places_taken", 1)
        with socket.create_connection(("127.0.0.1", narrow.port)) as leaving:
            leaving.sendall(post(scene_png()))
            wait_for(narrow, "depdis_waiting", 1)
    assert first.result().status == 200
    assert narrow.value("depdis_places_taken") == 0
    assert narrow.value("depdis_pixels_total") - before == 2000 * 1500
