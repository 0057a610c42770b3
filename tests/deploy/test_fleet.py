"""`depdis-infer --ray` without a cluster: what it refuses, its unfinished runs, its workers."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from calling import Call, lines
from clips import make_clip, write_picture

from depdis_deploy.command import InputError
from depdis_deploy.fleet import prepare, unfinished
from depdis_deploy.fleet.attempts import Attempts
from depdis_deploy.fleet.run import Collection, chunk_size
from depdis_deploy.fleet.unfinished import Unfinished, begin, has_begun, resumed
from depdis_deploy.fleet.worker import ChunkWorker, Surroundings
from depdis_deploy.folder_lock import locked
from depdis_deploy.infer_pictures import Done
from depdis_deploy.interruption import Interruption
from depdis_deploy.job import Options, Run
from depdis_deploy.media.image_workers import ImageDecoder
from depdis_deploy.prediction import Camera, HeightScale
from depdis_deploy.stages import Stages

PICTURES = 11
BROKEN = "04"


@pytest.fixture
def street(tmp_path: Path) -> Path:
    folder = tmp_path / "street"
    folder.mkdir()
    for index in range(PICTURES):
        write_picture(folder / f"{index:02d}.png", (64, 48), index)
    (folder / f"{BROKEN}.png").write_text("I am no picture")
    return folder


@pytest.fixture
def options(street: Path, model: Path) -> Options:
    return Options(sources=(str(street),), model=model, batch=2, save=("labels", "json"), ray=True)


def started(options: Options, out: Path, size: int = 4) -> Unfinished:
    out.mkdir(exist_ok=True)
    pictures = prepare.find_pictures(options)
    return begin(out, prepare.facts_of(options), pictures.entries, size, pictures.base)


def surroundings(out: Path, **changes: Any) -> Surroundings:
    token = out / ".seen-by.1"
    return replace(Surroundings(None, token, token.name, None, ()), **changes)


def results(options: Options, found: Unfinished, order: list[int]) -> Iterator[Mapping[str, Any]]:
    """What an engine gives that does some of the chunks that are left, in an order of its own."""
    work = ChunkWorker(options, 1, found, surroundings(found.out))
    rows = list(found.rows())
    for number, offset in (rows[index] for index in order):
        columns = work({"chunk": [number], "offset": [offset]})
        yield {name: values[0] for name, values in columns.items()}


def collect(options: Options, found: Unfinished, rows: Iterator[Mapping[str, Any]]) -> Run:
    run = Run(options, found.out, Interruption())
    Collection(run, found, "another choice").all(rows)
    return run


def files(out: Path) -> dict[str, bytes]:
    return {path.name: re.sub(rb'"speed": {.*?}', b"", path.read_bytes()) for path in out.iterdir()}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("in", "--stdout"), "--stdout does not go with --ray"),
        (("in", "--segment", "10m"), "--segment does not go with --ray"),
        (("in", "--duration", "10m"), "--duration does not go with --ray"),
        (("in", "--retry", "no"), "--retry does not go with --ray"),
        (("in", "--stride", "2"), "--stride does not go with --ray"),
        (("in", "--smooth"), "--smooth does not go with --ray"),
        ((), "name a folder"), (("in", "--device", "1"), "with --ray give 0"),
        (("in", "drive.mp4"), "drive.mp4: --ray takes pictures, got a video"),
        (("rtsp://camera/1",), "--ray takes pictures, got a stream"),
    ],
)  # fmt: skip
def test_what_makes_no_sense_over_a_cluster_is_wrong_usage(
    tmp_path: Path, call: Call, words: tuple[str, ...], said: str
) -> None:
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in/a.png")
    make_clip(tmp_path / "drive.mp4", 2)
    result = call(*words, "--ray")
    assert (result.status, len(result.errors)) == (2, 1)
    assert said in result.err
    assert not (tmp_path / "runs").exists()


def test_an_address_alone_and_a_missing_ray(
    tmp_path: Path, call: Call, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = call(street, "--ray-address", "127.0.0.1:6379")
    assert (result.status, result.errors) == (2, ["error: --ray-address goes with --ray"])
    monkeypatch.setitem(sys.modules, "ray", None)
    result = call(street, "--ray", "--outdir", "out")
    assert (result.status, len(result.errors)) == (1, 1)
    assert "pip install '.[ray]'" in result.errors[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("total", "workers", "batch", "size"), [
    (160, 2, 1, 10), (10, 4, 1, 1), (1_000_000, 100, 1, 256), (1_000_000, 100, 10, 260), (3, 1, 8, 8),
])  # fmt: skip
def test_chunks_are_whole_batches(total: int, workers: int, batch: int, size: int) -> None:
    assert chunk_size(total, workers, batch) == size


def test_chunks_in_any_order_give_the_files_of_a_local_run(
    tmp_path: Path, call: Call, options: Options, street: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    local = call(street, "--outdir", "local", "--batch", "2", "--save", "labels", "--save", "json")
    found = started(options, tmp_path / "out")
    run = collect(options, found, results(options, found, [2, 0, 1]))
    assert files(tmp_path / "out") == files(tmp_path / "local")
    assert (run.frames, run.faults, run.before) == (PICTURES - 1, 1, 0)
    err = capfd.readouterr().err
    errors = [line for line in err.splitlines() if line.startswith("error: ")]
    assert errors == local.errors
    assert err.count("depth is in metres of the model's canonical camera") == 1
    assert f"{BROKEN}.png: not an image" in errors[0]


def test_a_part_gives_back_what_became_of_each_picture(tmp_path: Path, options: Options) -> None:
    found = started(options, tmp_path / "out")
    stages = Stages()
    stages.add_milliseconds({"decode": 1.5, "inference": 20.25})
    camera = Camera(65.0, 500.0, False, HeightScale(1.5, None, None, 1.0, None))
    told = [Done("street", "{}", None, camera, stages), Done("street", None, "a\udcff.png: not a picture")]
    made = found.work_folder()
    (made / "00_labels.png").write_text("labels")
    found.finish(1, told, made)
    back = found.part(1)
    assert [(done.record, done.line, done.error, done.camera) for done in back] == [
        (done.record, done.line, done.error, done.camera) for done in told
    ]
    assert back[0].stages.milliseconds(1) == pytest.approx(stages.milliseconds(1))
    assert (tmp_path / "out/00_labels.png").read_text() == "labels"
    assert found.done() == {1}


def test_an_engine_that_ends_early_leaves_a_run_that_goes_on(
    tmp_path: Path, call: Call, options: Options, street: Path
) -> None:
    assert call(street, "--outdir", "local", "--batch", "2", "--save", "labels", "--save", "json").status == 1
    out = tmp_path / "out"
    found = started(options, out)
    with pytest.raises(InputError, match="ended before all"):
        collect(options, found, results(options, found, [1]))
    # what was done is in its files, though what comes before it in the list is not
    assert (out / "street.ndjson").read_text().count("\n") == 4
    again = resumed(out, prepare.facts_of(options))
    assert again == found
    assert [number for number, _ in again.rows()] == [0, 2]
    run = collect(options, again, results(options, again, [0, 1]))
    assert files(out) == files(tmp_path / "local")
    assert (run.frames, run.before, run.faults) == (PICTURES - 1, 3, 1)


def test_what_cannot_be_written_ends_the_run_and_is_said_once(
    tmp_path: Path, options: Options, capfd: pytest.CaptureFixture[str]
) -> None:
    found = started(options, tmp_path / "out")
    (found.folder / "parts").rmdir()
    (found.folder / "parts").write_text("")
    (row,) = results(options, found, [0])
    assert (row["failed"], row["unwritable"]) == ("Not a directory", errno.ENOTDIR)
    run = collect(options, found, iter([row]))
    assert run.faults == 1
    err = capfd.readouterr().err
    assert "out: no more results can be written (Not a directory); is its disk still there" in err
    full = {**row, "failed": "No space left on device", "unwritable": errno.ENOSPC}
    collect(options, found, iter([full]))
    assert "No space left on device); make room" in capfd.readouterr().err
    assert has_begun(tmp_path / "out")


def test_an_unfinished_run_is_gone_on_with_by_its_own_command_alone(
    tmp_path: Path, call: Call, options: Options, street: Path
) -> None:
    out = tmp_path / "out"
    started(replace(options, save=(), batch=1), out)
    other = call(street, "--ray", "--outdir", "out", "--panel", "quad")
    assert (other.status, len(other.errors)) == (1, 1)
    assert "out holds an unfinished run with another --panel" in other.errors[0]
    with locked(out):
        busy = call(street, "--ray", "--outdir", "out")
    assert (busy.status, len(busy.errors)) == (1, 1)
    assert "out: another run is writing there" in busy.errors[0]
    assert has_begun(out)
    plain = call(street, "--outdir", "out")
    assert "the output folder is not empty" in plain.errors[0]


def test_image_whose_name_is_taken_by_a_folder_fails_alone(tmp_path: Path, options: Options) -> None:
    out = tmp_path / "out"
    (out / "01_labels.png").mkdir(parents=True)
    found = started(options, out)
    collect(options, found, results(options, found, [0, 1, 2]))
    records = {Path(record["source"]).stem: record for record in lines(out / "street.ndjson")}
    assert [stem for stem in records if "error" in records[stem]] == ["01", BROKEN]
    assert "01_labels.png: Is a directory" in records["01"]["error"]
    assert records["02"]["outputs"] == ["02_labels.png"]
    assert len(records) == PICTURES


def test_what_never_began_is_cleared_away(tmp_path: Path, options: Options) -> None:
    out = tmp_path / "out"
    started(options, out)
    (out / ".unfinished/run.json").unlink()
    with prepare.new_output(replace(options, outdir=out), []) as made:
        assert made == out
        assert not list(out.glob(".unfinished/parts"))
    assert list(out.iterdir()) == []


def test_paths_from_the_working_folder_stay_relative_and_need_it(
    tmp_path: Path, options: Options, street: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = replace(options, sources=("street",))
    found = started(relative, tmp_path / "out")
    assert found.base == str(tmp_path)
    assert found.entries(0)[0].source.location == "street/00.png"
    monkeypatch.chdir(street)
    with pytest.raises(InputError, match="another working folder"):
        resumed(tmp_path / "out", prepare.facts_of(relative))
    monkeypatch.setattr(unfinished, "_LAG_S", 0.0)
    assert surroundings(tmp_path / "out", base=found.base).answer("n") is not None  # there is no token
    assert Path.cwd() == tmp_path


def test_a_node_says_what_it_does_not_see(
    tmp_path: Path, street: Path, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unfinished, "_LAG_S", 0.0)
    seen = surroundings(tmp_path, pictures=(str(street / "00.png"),))
    assert "No such file" in str(seen.answer("n"))
    seen.token.write_text("another folder's")
    assert "another one there" in str(seen.answer("n"))
    assert not seen.answered("n")
    seen.token.write_text(seen.text)
    assert seen.answer("n") is None
    assert seen.answered("n")
    lacking = replace(seen, pictures=(str(tmp_path / "gone.png"),)).answer("n")
    assert lacking == f"the picture {tmp_path / 'gone.png'}: no such file"
    assert "another file there" in str(replace(seen, model=(model, "0")).answer("n"))
    assert "No such file" in str(replace(seen, base=str(tmp_path / "gone")).answer("n"))
    seen.forget()
    assert [path.name for path in tmp_path.iterdir()] == ["street"]


def test_a_picture_that_kills_its_worker_is_named_and_passed_over(
    tmp_path: Path, options: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Death(BaseException):
        """Nothing that runs afterwards: as the end of the process."""

    read, deaths = ImageDecoder.read, 0

    def deadly(decoder: ImageDecoder, path: str, **words: Any) -> Any:
        if path.endswith("02.png"):
            raise Death
        return read(decoder, path, **words)

    monkeypatch.setattr(ImageDecoder, "read", deadly)
    options = replace(options, batch=1)
    found = started(options, tmp_path / "out", size=PICTURES)
    for _ in range(20):
        try:
            (row,) = results(options, found, [0])
            break
        except Death:
            deaths += 1
    assert deaths == 5  # three that may be anything's, two at the picture
    assert row["failed"] == ""
    errors = {index: done.error for index, done in enumerate(found.part(0)) if done.error is not None}
    assert sorted(errors) == [2, int(BROKEN)]
    assert "02.png: the worker died at it again and again" in str(errors[2])


def test_lost_nodes_are_no_pictures_fault(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    for place in range(8):  # each attempt gets further and dies elsewhere
        attempts = Attempts(log)
        for gone_to in range(place + 1):
            attempts.go_to(gone_to)
    assert Attempts(log).deadly == frozenset()
