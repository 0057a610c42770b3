"""Names that are meant to lead somewhere else, or that not every file system or reader of JSON takes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from calling import Call, infer, lines
from clips import make_clip, write_picture


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
    entries = ["x" * 300 + ".png", "y" * 5000, "nul\0.png", "../../../../etc/passwd", "/dev/zero", "good.png"]
    (tmp_path / "in/list.txt").write_text("\n".join(entries))
    result = call("list.txt")
    assert result.status == 1
    assert len(result.errors) == len(result.err.splitlines()) == 5
    assert tree(tmp_path / "out") == {"good_overlay.png", "list.ndjson", "zero.ndjson"}
    records = lines(tmp_path / "out/list.ndjson") + lines(tmp_path / "out/zero.ndjson")
    assert [record["source"] for record in records if "error" not in record] == ["good.png"]
    assert {record["source"] for record in records} == set(entries)


def test_a_list_cannot_make_it_read_from_the_network(tmp_path: Path, call: Call) -> None:
    for address in ("http://127.0.0.1:9/a.png", "file:///etc/passwd", "concat:a|b://", "ftp://127.0.0.1/x"):
        (tmp_path / "in/list.txt").write_text(f"{address}\n")
        result = call("list.txt")
        assert result.status == 1
        assert len(result.errors) == 1
    assert not os.path.exists(tmp_path / "out") or not tree(tmp_path / "out")
