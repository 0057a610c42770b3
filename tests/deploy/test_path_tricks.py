"""Names that are meant to lead somewhere else, or that not every file system or reader of JSON takes."""

from __future__ import annotations

import json
import os
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
from calling import Call, infer, lines, start_infer
from clips import images, make_clip, write_picture
from test_terminal import HOSTILE, is_safe


@pytest.fixture
def call(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> Call:  # fmt: skip
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path / "in")
    return lambda *words: infer(capfd, monkeypatch, "--model", model, "--quiet", "--outdir", "../out", *words)


def tree(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    ["..png", "...png", "-x.png", "a\nb.png", "*.png", "\x1b[31m.png", "%s%n.png", "\udcff\udcfe.png", "~.png"],
)
def test_whatever_a_picture_is_called_its_results_lie_in_the_output_folder(
    tmp_path: Path, call: Call, name: str
) -> None:
    write_picture(tmp_path / "in/plain.png").rename(tmp_path / "in" / name)
    result = call(f"./{name}")
    assert (result.status, result.err) == (0, "")
    found = tree(tmp_path) - {f"in/{name}"}
    assert len(found) == 2
    assert all(path.startswith("out/") and path.count("/") == 1 for path in found)
    (record,) = [path for path in (tmp_path / "out").iterdir() if path.suffix == ".ndjson"]
    assert len(lines(record)) == 1  # a line is a line, whatever is in the name


def test_very_long_names_are_cut_and_stay_apart(tmp_path: Path, call: Call) -> None:
    names = ["a" * 250 + ".png", "a" * 240 + "c.png", "v" * 250 + ".mp4"]
    for name in names[:2]:
        write_picture(tmp_path / "in" / name)
    make_clip(tmp_path / "in" / names[2], 3)
    assert call(*names, "--save", "video", "--save", "confidence", "--save", "json").status == 0
    found = tree(tmp_path / "out")
    assert {"a" * 200 + "_overlay.png", "a" * 200 + "-2_overlay.png", "v" * 200 + ".mp4"} <= found
    assert len(found) == 2 * 3 + 2 + 3


@pytest.mark.parametrize("letter", ["é", "☃", "🚲", "\udcff"])
def test_a_long_name_is_cut_between_letters(tmp_path: Path, call: Call, letter: str) -> None:
    name = "a" + letter * (240 // len(os.fsencode(letter))) + ".png"
    write_picture(tmp_path / "in/plain.png").rename(tmp_path / "in" / name)
    result = call(name)
    assert (result.status, result.err) == (0, "")
    found = tree(tmp_path / "out")
    stems = {path.removesuffix("_overlay.png").removesuffix(".ndjson") for path in found}
    assert len(found) == 2
    assert stems == {"a" + letter * (199 // len(os.fsencode(letter)))}


def test_a_name_longer_than_any_file_s_is_refused_in_one_line(tmp_path: Path, call: Call) -> None:
    for name in ("x" * 300 + ".png", "y" * 5000 + ".mp4", "é" * 300):
        result = call(name)
        assert result.status == 1
        assert len(result.errors) == len(result.err.splitlines()) == 1
    assert not tree(tmp_path)


def test_impossible_names_in_a_list_are_passed_over(tmp_path: Path, call: Call) -> None:
    write_picture(tmp_path / "in/good.png")
    entries = ["x" * 300 + ".png", "y" * 5000, "nul\0.png", "../../../../etc/passwd", "/dev/zero"]
    entries += ["http://h/x.png", "rtsp://[::1", "nul\0.mp4", "gone.mp4", "good.png"]
    (tmp_path / "in/list.txt").write_text("\n".join(entries))
    result = call("list.txt")
    assert result.status == 1
    assert len(result.errors) == len(result.err.splitlines()) == len(entries) - 1
    written = tree(tmp_path / "out")
    assert {path for path in written if not path.endswith(".ndjson")} == {"good_overlay.png"}
    records = [
        record for path in written if path.endswith(".ndjson") for record in lines(tmp_path / "out" / path)
    ]
    assert [record["source"] for record in records if "error" not in record] == ["good.png"]
    assert {record["source"] for record in records} == set(entries)


def test_a_list_cannot_make_it_read_from_the_network(tmp_path: Path, call: Call) -> None:
    for address in ("http://127.0.0.1:9/a.png", "file:///etc/passwd", "concat:a|b://", "ftp://127.0.0.1/x"):
        (tmp_path / "in/list.txt").write_text(f"{address}\n")
        result = call("list.txt")
        assert result.status == 1
        assert len(result.errors) == 1
    assert not os.path.exists(tmp_path / "out") or not tree(tmp_path / "out")


def test_control_characters_in_names_reach_no_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, model: Path
) -> None:
    folder = tmp_path / f"in{HOSTILE}"
    folder.mkdir()
    for kind in ("good.png", "broken.png"):
        write_picture(tmp_path / "a.png").rename(folder / f"{HOSTILE}{kind}")
    (folder / f"{HOSTILE}broken.png").write_bytes(b"no picture")
    make_clip(tmp_path / "c.mp4", 3).rename(folder / f"{HOSTILE}.mp4")
    (folder / f"{HOSTILE}out.png").symlink_to("/etc/passwd")
    out = tmp_path / f"out{HOSTILE}"
    result = infer(capfd, monkeypatch, "--model", model, "--outdir", out, folder)
    assert result.status == 1
    assert len(result.errors) == 1
    assert "1 symbolic link" in result.err
    assert "results in" in result.err
    assert all(is_safe(line) for line in result.err.split("\n"))
    written = list(out.iterdir())
    assert len(written) == 4
    for path in written:
        assert is_safe(path.name.replace("\udcff", ""))
        if path.suffix == ".ndjson":
            text = path.read_text("utf-8")
            assert all(is_safe(line) for line in text.split("\n"))
            assert all(HOSTILE in json.loads(line)["source"] for line in text.splitlines())


@pytest.mark.parametrize("name", ["12:30:00", "rtsp:a", "http://a"])
def test_takes_no_colon_in_a_relative_name_for_a_protocol(tmp_path: Path, call: Call, name: str) -> None:
    for suffix, made in (
        (".mp4", make_clip(tmp_path / "a.mp4", 2)),
        (".png", write_picture(tmp_path / "a.png")),
    ):
        path = tmp_path / "in" / f"{name}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        made.rename(path)
    (tmp_path / "in/list.txt").write_text(f"{name}.mp4\n")
    outdir = f"run-{name}"
    assert call(f"{name}.mp4", f"{name}.png", "list.txt", "--outdir", outdir).err == ""
    stem = name.rpartition("/")[2]
    written = tree(tmp_path / "in" / outdir)
    assert written >= {f"{stem}.mp4", f"{stem}-3.mp4", f"{stem}.ndjson", f"{stem}-2_overlay.png"}
    assert len(images(tmp_path / "in" / outdir / f"{stem}.mp4")) == 2


@pytest.fixture
def blocking(tmp_path: Path) -> list[str]:
    """Names of what would be waited for, or has no end."""
    for name in ("pipe.mp4", "pipe.png", "pipe"):
        os.mkfifo(tmp_path / "in" / name)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "in/socket.mp4"))
    (tmp_path / "in/kernel.mp4").symlink_to("/proc/kmsg")
    return ["pipe.mp4", "pipe.png", "pipe", "socket.mp4", "kernel.mp4", "/dev/tty", "/dev/zero", "/proc/kmsg"]


def test_list_entries_that_would_block_fail_alone(tmp_path: Path, call: Call, blocking: list[str]) -> None:
    write_picture(tmp_path / "in/good.png")
    (tmp_path / "in/inner.txt").write_text("good.png")
    entries = [*blocking, "inner.txt", ".", "good.png"]
    (tmp_path / "in/list.txt").write_text("\n".join(entries))
    result = call("list.txt")
    assert result.status == 1
    assert len(result.errors) == len(result.err.splitlines()) == len(entries) - 1
    written = [tmp_path / "out" / name for name in tree(tmp_path / "out")]
    assert {path.suffix for path in written} == {".png", ".ndjson"}
    assert not any(path.name.startswith(".") for path in written)
    records = [record for path in written if path.suffix == ".ndjson" for record in lines(path)]
    assert len(records) == len(entries)
    assert [record["source"] for record in records if "error" not in record] == ["good.png"]


@pytest.mark.parametrize("word", [".", "*", "**/*"])
def test_matches_that_would_block_fail_alone(
    tmp_path: Path, call: Call, blocking: list[str], word: str
) -> None:
    (tmp_path / "in/kernel.mp4").unlink()
    write_picture(tmp_path / "in/good.png")
    result = call(word)
    assert result.status == 1
    assert len(result.errors) == 3  # pipe.mp4, pipe.png, socket.mp4
    assert len([path for path in tree(tmp_path / "out") if path.endswith("overlay.png")]) == 1


def test_words_that_cannot_be_read_fail_alone(tmp_path: Path, call: Call, blocking: list[str]) -> None:
    write_picture(tmp_path / "in/good.png")
    wrong = ["/dev/zero", "socket.mp4", "gone.png", "kernel.mp4", "http://h/x.png", "x" * 300, "gone*.png"]
    result = call("good.png", *wrong)
    assert result.status == 1
    assert len(result.errors) == len(result.err.splitlines()) == len(wrong)
    assert tree(tmp_path / "out") == {"good_overlay.png", "good.ndjson"}
    result = call(*wrong)
    assert result.status == 1
    assert len(result.errors) == len(result.err.splitlines()) == len(wrong)


def test_reads_a_video_from_a_named_pipe(tmp_path: Path, call: Call, blocking: list[str]) -> None:
    clip = make_clip(tmp_path / "a.ts", 10, sound="aac")
    writer = threading.Thread(target=lambda: (tmp_path / "in/pipe").write_bytes(clip.read_bytes()))
    writer.start()
    result = call("pipe")
    writer.join(60)
    assert (result.status, result.err) == (0, "")
    assert len(images(tmp_path / "out/pipe.mp4")) == len(lines(tmp_path / "out/pipe.ndjson")) == 10


@pytest.mark.long
@pytest.mark.parametrize("silent", [True, False])
@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_wait_for_a_named_pipe(
    tmp_path: Path, model: Path, number: signal.Signals, status: int, silent: bool
) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    with start_infer(tmp_path / "pipe.mp4", "--model", model, "--outdir", tmp_path / "out") as process:
        assert process.stderr is not None
        process.stderr.readline()  # the model is open
        writer = None
        while writer is None:  # until it is read
            try:
                writer = os.open(tmp_path / "pipe.mp4", os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                time.sleep(0.05)
        with os.fdopen(writer, "wb") as file:
            if not silent:
                file.write(make_clip(tmp_path / "a.ts", 5).read_bytes())
                file.flush()
            process.send_signal(number)
            _, err = process.communicate(timeout=60)
    assert process.returncode == status
    assert "error" not in err


@pytest.mark.long
def test_16000_images_of_one_name(tmp_path: Path, call: Call) -> None:
    write_picture(tmp_path / "in/a.png", size=(32, 32))
    (tmp_path / "in/list.txt").write_text("a.png\n" * 16_000)
    assert call("list.txt", "--save", "json").status == 0
    assert len(lines(tmp_path / "out/list.ndjson")) == 16_000
