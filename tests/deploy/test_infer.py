from __future__ import annotations

import io
import json
import multiprocessing
import os
import subprocess
import time
from contextlib import ExitStack, suppress
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
import pytest
from calling import Call, lines, start_infer
from clips import faststart, images, make_clip, stamps_s, write_picture

from depdis_deploy.folder_lock import LOCK_FILE, locked


def test_a_video_gives_a_video_and_a_line_for_each_frame(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "drive.mp4", 20, size=(160, 90), rate=Fraction(24000, 1001), sound="aac")
    result = call(source)
    assert result.status == 0
    out = tmp_path / "runs/infer/1"
    assert sorted(path.name for path in out.iterdir()) == ["drive.mp4", "drive.ndjson"]
    with av.open(str(out / "drive.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.width, stream.height, stream.frames) == (160, 90, 20)
        assert stream.average_rate == Fraction(24000, 1001)
        assert stream.duration * stream.time_base == Fraction(20 * 1001, 24000)
        assert len(container.streams.audio) == 1
    records = lines(out / "drive.ndjson")
    assert [record["frame"] for record in records] == list(range(20))
    assert [record["time_s"] for record in records] == pytest.approx(
        [i * 1001 / 24000 for i in range(20)], abs=1e-3
    )
    assert all(Path(record["source"]).name == "drive.mp4" for record in records)
    assert "20 frames" in result.err
    assert "runs/infer/1" in result.err
    assert "inference" in result.err


@pytest.mark.parametrize(
    ("panel", "size"), [("overlay", (96, 64)), ("side-by-side", (190, 64)), ("quad", (190, 126))]
)
def test_panels_have_their_sizes_padded_to_even(
    tmp_path: Path, call: Call, panel: str, size: tuple[int, int]
) -> None:
    source = make_clip(tmp_path / "odd.mp4", 3, size=(95, 63))
    assert call(source, "--panel", panel, "--save", "video", "--outdir", "out").status == 0
    assert images(tmp_path / "out/odd.mp4")[0].shape[1::-1] == size


def test_a_panel_too_large_for_h264_is_named_and_the_next_source_follows(tmp_path: Path, call: Call) -> None:
    wide = make_clip(tmp_path / "wide.mkv", 2, size=(8400, 16), codec="ffv1")
    result = call(
        wide, make_clip(tmp_path / "next.mp4", 2), "--panel", "quad", "--outdir", "out", "--batch", "2"
    )
    assert result.status == 1
    assert len(result.errors) == 1
    assert "wide.mp4: 16800x32 is too large" in result.errors[0]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["next.mp4", "next.ndjson", "wide.ndjson"]
    assert [record["outputs"] for record in lines(tmp_path / "out/wide.ndjson")] == [[], []]


def test_a_rotated_video_comes_out_upright(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "phone.mov", 3, rotation=-90)
    assert call(source, "--outdir", "out").status == 0
    with av.open(str(tmp_path / "out/phone.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (64, 96, 0)


def test_a_variable_rate_is_kept(tmp_path: Path, call: Call) -> None:
    stamps = [0, 100, 150, 400, 410, 800]
    source = make_clip(tmp_path / "v.mkv", 6, stamps=stamps, time_base=Fraction(1, 1000))
    assert call(source, "--outdir", "out", "--batch", "4").status == 0
    expected = pytest.approx([stamp / 1000 for stamp in stamps], abs=2e-4)
    assert stamps_s(tmp_path / "out/v.mp4") == expected
    assert [record["time_s"] for record in lines(tmp_path / "out/v.ndjson")] == expected


def test_frames_of_a_video_saved_one_by_one(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "a.mp4", 7)
    kinds = ("overlay", "labels", "depth", "density", "confidence", "npz", "json")
    options = [word for kind in kinds for word in ("--save", kind)]
    assert call(source, "--outdir", "out", "--stride", "3", *options).status == 0
    out = tmp_path / "out"
    for kind in kinds[:-1]:
        suffix = "npz" if kind == "npz" else "png"
        assert sorted(path.name for path in (out / f"a_{kind}").iterdir()) == [
            f"{index:06d}.{suffix}" for index in (0, 3, 6)
        ]
    assert [record["frame"] for record in lines(out / "a.ndjson")] == [0, 3, 6]
    assert not (out / "a.mp4").exists()


def test_only_json_draws_and_encodes_nothing(tmp_path: Path, call: Call) -> None:
    result = call(make_clip(tmp_path / "a.mp4", 5), "--outdir", "out", "--save", "json")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.ndjson"]
    assert "draw" not in result.err
    assert "encode" not in result.err


def test_a_folder_shares_one_record_file_and_a_broken_picture_is_passed_over(
    tmp_path: Path, call: Call
) -> None:
    folder = tmp_path / "street"
    folder.mkdir()
    for index in range(5):
        write_picture(folder / f"{index}.png", index=index)
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:60])
    result = call(folder, "--outdir", "out", "--save", "labels", "--save", "json", "--batch", "2")
    assert result.status == 1
    assert len(result.errors) == 1
    assert "2.png" in result.errors[0]
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["0_labels.png", "1_labels.png", "3_labels.png", "4_labels.png", "street.ndjson"]
    records = lines(tmp_path / "out/street.ndjson")
    assert [Path(record["source"]).name for record in records] == [f"{index}.png" for index in range(5)]
    assert [record["outputs"] for record in records] == [
        [f"{index}_labels.png"] if index != 2 else [] for index in range(5)
    ]
    assert [index for index, record in enumerate(records) if "error" in record] == [2]
    assert records[2].keys() == {"source", "error", "outputs"}
    assert "2.png" in records[2]["error"]


def test_equal_stems_are_both_kept(tmp_path: Path, call: Call) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "y").mkdir()
    first, second = write_picture(tmp_path / "x/a.png"), write_picture(tmp_path / "y/a.png", index=20)
    third = make_clip(tmp_path / "a.mkv", 2)
    assert call(first, second, third, "--outdir", "out").status == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "a-2.ndjson", "a-2_overlay.png", "a-3.mp4", "a-3.ndjson", "a.ndjson", "a_overlay.png",
    ]  # fmt: skip
    assert Path(lines(tmp_path / "out/a-2.ndjson")[0]["source"]) == second


def test_a_list_on_stdin(tmp_path: Path, call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [write_picture(tmp_path / f"{name}.png") for name in "ba"]
    monkeypatch.setattr("sys.stdin", io.StringIO("".join(f"{path}\n" for path in paths)))
    assert call("-", "--outdir", "out").status == 0
    assert [record["source"] for record in lines(tmp_path / "out/stdin.ndjson")] == list(map(str, paths))


def test_exist_ok_replaces_and_appends_nothing(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "a.mp4", 4)
    assert call(source, "--outdir", "out").status == 0
    before = (tmp_path / "out/a.mp4").read_bytes()
    refused = call(source, "--outdir", "out")
    assert refused.status == 1
    assert "--exist-ok" in refused.errors[0]
    assert (tmp_path / "out/a.mp4").read_bytes() == before
    assert call(source, "--outdir", "out", "--exist-ok", "--stride", "2").status == 0
    assert len(lines(tmp_path / "out/a.ndjson")) == 2


def test_quiet_says_nothing_and_a_field_of_view_needs_no_note(tmp_path: Path, call: Call) -> None:
    source = write_picture(tmp_path / "a.png")
    assert call(source, "--quiet").err == ""
    assert "canonical" in call(source).err
    assert "canonical" not in call(source, "--camera-fov", "70").err
    assert sorted(path.name for path in (tmp_path / "runs/infer").iterdir()) == ["1", "2", "3"]


def test_a_truncated_video_keeps_what_can_be_decoded(tmp_path: Path, call: Call) -> None:
    whole = faststart(make_clip(tmp_path / "a.mp4", 100, size=(320, 240)), tmp_path / "b.mp4")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * 0.7)])
    result = call(cut, "--outdir", "out")
    assert result.status == 1
    assert len(result.errors) == 1
    done = len(lines(tmp_path / "out/cut.ndjson"))
    assert 10 < done < 100
    assert f"{done} of 100 frames" in result.errors[0]
    assert len(images(tmp_path / "out/cut.mp4")) == done


def test_sound_of_an_unknown_codec_is_left_out_and_that_is_said(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "drive.mp4", 10, sound="aac")
    source.write_bytes(source.read_bytes().replace(b"mp4a", b"zzzz").replace(b"esds", b"zzzz"))
    result = call(source, "--outdir", "out")
    assert result.status == 0
    assert "could not be kept" in result.err
    assert len(images(tmp_path / "out/drive.mp4")) == 10


def test_a_film_up_to_a_time(tmp_path: Path, call: Call) -> None:
    source = make_clip(tmp_path / "drive.mp4", 50, sound="aac")
    assert call(source, "--duration", "1s", "--outdir", "out").status == 0
    assert len(images(tmp_path / "out/drive.mp4")) == len(lines(tmp_path / "out/drive.ndjson")) == 25
    with av.open(str(tmp_path / "out/drive.mp4")) as container:
        assert container.duration / av.time_base == pytest.approx(1, abs=0.05)
    assert "age_ms" not in lines(tmp_path / "out/drive.ndjson")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--segment", "10m"), "--segment is for cameras"), (("--duration", "soon"), "--duration: expected"),
        (("--segment", "0"), "--segment: expected"), (("--retry", "-1"), "--retry: expected"),
    ],
)  # fmt: skip
def test_times_that_are_wrong_usage(tmp_path: Path, call: Call, words: tuple[str, str], said: str) -> None:
    result = call(make_clip(tmp_path / "a.mp4", 2), *words)
    assert result.status == 2
    assert said in result.err
    assert len(result.errors) == 1


def y4m(path: Path, rate: str, frames: int = 2) -> Path:
    """A 16x8 video whose header states any rate."""
    frame = b"FRAME\n" + bytes(16 * 8 * 3 // 2)
    path.write_bytes(f"YUV4MPEG2 W16 H8 F{rate} Ip A1:1 C420jpeg\n".encode() + frame * frames)
    return path


@pytest.mark.parametrize("panel", ["overlay", "quad"])
def test_tiny_frames_and_extreme_rates_are_encoded(tmp_path: Path, call: Call, panel: str) -> None:
    sources = [
        make_clip(tmp_path / "flat.mkv", 3, size=(640, 2), codec="ffv1"),
        make_clip(tmp_path / "tiny.mkv", 3, size=(2, 2), codec="ffv1"),
        y4m(tmp_path / "slow.y4m", "1:1000000000"),
        y4m(tmp_path / "fast.y4m", "1000000000:1"),
        make_clip(tmp_path / "next.mp4", 3),
    ]
    result = call(*sources, "--outdir", "out", "--panel", panel)
    assert (result.status, result.errors) == (0, [])
    counts = {path.stem: len(images(path)) for path in (tmp_path / "out").glob("*.mp4")}
    assert counts == {"flat": 3, "tiny": 3, "slow": 2, "fast": 2, "next": 3}


def test_video_that_cannot_be_encoded_fails_alone_and_leaves_no_part(tmp_path: Path, call: Call) -> None:
    wide = make_clip(tmp_path / "wide.mkv", 2, size=(8400, 16), codec="ffv1")
    words = (wide, make_clip(tmp_path / "next.mp4", 2), "--panel", "quad", "--outdir", "out")
    result = call(*words, "--save", "video")
    assert (result.status, len(result.errors)) == (1, 1)
    assert str(wide) in result.errors[0]
    assert "16800x32" in result.errors[0]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["next.mp4"]
    result = call(*words, "--save", "video", "--save", "labels", "--exist-ok")
    assert (result.status, len(result.errors)) == (1, 1)
    names = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.*"))
    frames = [f"{stem}_labels/{index:06d}.png" for stem in ("next", "wide") for index in range(2)]
    assert names == ["next.mp4", *frames]


def test_records_name_the_files_of_their_source(tmp_path: Path, call: Call) -> None:
    (tmp_path / "x").mkdir()
    sources = [write_picture(tmp_path / "a.png"), write_picture(tmp_path / "x/a.png")]
    sources.append(make_clip(tmp_path / "x/a.mkv", 2))
    broken = tmp_path / "x/a.mp4"
    broken.write_text("no video")
    kinds = ("video", "depth", "npz", "json")
    result = call(*sources, broken, "--outdir", "out", *[word for kind in kinds for word in ("--save", kind)])
    assert result.status == 1
    records = [record for path in sorted((tmp_path / "out").glob("*.ndjson")) for record in lines(path)]
    named = {(record["source"], record.get("frame")): record["outputs"] for record in records}
    assert named == {
        (str(sources[0]), None): ["a_depth.png", "a.npz", "a_overlay.png"],
        (str(sources[1]), None): ["a-2_depth.png", "a-2.npz", "a-2_overlay.png"],
        **{
            (str(sources[2]), index): ["a-3.mp4", f"a-3_depth/{index:06d}.png", f"a-3_npz/{index:06d}.npz"]
            for index in range(2)
        },
        (str(broken), None): [],
    }
    for names in named.values():
        assert all((tmp_path / "out" / name).is_file() for name in names)
    assert [record["source"] for record in records if "error" in record] == [str(broken)]


def test_stdout_has_a_record_for_each_source_in_order(tmp_path: Path, model: Path) -> None:
    sources = [tmp_path / f"{name}.png" for name in "abc"]
    for source in sources:
        write_picture(source)
    sources[0].write_text("no image")
    words = (
        *sources,
        "--model",
        model,
        "--stdout",
        "--save",
        "labels",
        "--outdir",
        tmp_path / "out",
        "--quiet",
    )
    with start_infer(*words, stdout=subprocess.PIPE) as process:
        out, err = process.communicate()
    assert (process.returncode, len(err.splitlines())) == (1, 1)
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["source"] for record in records] == list(map(str, sources))
    assert [record["outputs"] for record in records] == [[], ["b_labels.png"], ["c_labels.png"]]
    assert records[0]["error"] in err


def opened(pipe: Path, run: subprocess.Popen[str]) -> BinaryIO | None:
    """The end to write of a named pipe once a run reads it; None: the run ended without."""
    while run.poll() is None:
        with suppress(OSError):
            return os.fdopen(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK), "wb")
        time.sleep(0.01)
    return None


def test_two_runs_at_once_into_one_folder_leave_the_results_of_one(tmp_path: Path, model: Path) -> None:
    out, clip = tmp_path / "out", make_clip(tmp_path / "clip.ts", 40).read_bytes()
    pipes = [tmp_path / name / "drive.ts" for name in ("first", "second")]
    for pipe in pipes:
        pipe.parent.mkdir()
        os.mkfifo(pipe)
    with ExitStack() as stack:
        runs = [
            stack.enter_context(start_infer(pipe, "--model", model, "--outdir", out, "--quiet"))
            for pipe in pipes
        ]
        files = [opened(pipe, run) for pipe, run in zip(pipes, runs, strict=True)]
        for file in filter(None, files):  # both runs have begun
            os.set_blocking(file.fileno(), True)
            with file:
                file.write(clip)
        said = [run.communicate()[1] for run in runs]
    assert sorted(run.returncode for run in runs) == [0, 1], said
    (error,) = "".join(said).splitlines()
    assert error.startswith(f"error: {out}: ")
    assert sorted(path.name for path in out.iterdir()) == ["drive.mp4", "drive.ndjson"]
    assert [record["frame"] for record in lines(out / "drive.ndjson")] == list(range(40))
    assert len(images(out / "drive.mp4")) == 40


def test_folder_of_a_running_run_is_refused_even_with_exist_ok(tmp_path: Path, call: Call) -> None:
    (tmp_path / "out").mkdir()
    source = write_picture(tmp_path / "a.png")
    with locked(tmp_path / "out"):
        for words in ((), ("--exist-ok",)):
            result = call(source, "--outdir", "out", *words)
            assert (result.status, len(result.errors)) == (1, 1)
            assert "out: another run is writing there" in result.errors[0]
    assert call(source, "--outdir", "out").status == 0


@pytest.mark.parametrize(
    ("name", "kind", "result"),
    [
        ("v_labels/000000.png", "labels", "v_labels/000000.png"),
        ("v.part.mp4", "video", "v.part.mp4"),
        ("q.ndjson", "json", "q.ndjson"),
        ("q.npz", "npz", "q.npz"),
        ("q_depth.png", "depth", "q_depth.png"),
        ("elsewhere.png", "overlay", "q_overlay.png"),
    ],
)
def test_source_in_the_output_folder_is_never_replaced(
    tmp_path: Path, call: Call, name: str, kind: str, result: str
) -> None:
    out = tmp_path / "out"
    source = out / name
    source.parent.mkdir(parents=True)
    write_picture(tmp_path / "plain.png").rename(source)
    if result != name:
        (out / result).hardlink_to(source)
    before = source.read_bytes()
    words = [make_clip(tmp_path / "v.mp4", 2), write_picture(tmp_path / "q.png"), source]
    ended = call(*words, "--outdir", "out", "--exist-ok", "--save", kind)
    assert ended.status == 1
    assert ended.errors == [
        f"error: out/{result}: the result would replace its source; choose another --outdir"
    ]
    assert source.read_bytes() == before


@pytest.mark.parametrize("save", ["video", "overlay", "labels", "npz", "json"])
def test_links_in_the_output_folder_are_not_followed(tmp_path: Path, call: Call, save: str) -> None:
    mine = tmp_path / "mine"
    (mine / "frames").mkdir(parents=True)
    out = tmp_path / "out"
    out.mkdir()
    clip, image = make_clip(tmp_path / "v.mp4", 2), write_picture(tmp_path / "q.png")
    names = ("v.mp4", "v.part.mp4", "v.ndjson", "q.ndjson", "q_overlay.png", "q_labels.png", "q.npz")
    for name in names:
        (mine / name).write_text("keep me")
        (out / name).symlink_to(mine / name)
    for kind in ("overlay", "labels", "npz"):
        (out / f"v_{kind}").symlink_to(mine / "frames")
    result = call(image, clip, "--outdir", "out", "--exist-ok", "--save", save)
    assert {(mine / name).read_bytes() for name in names} == {b"keep me"}
    assert list((mine / "frames").iterdir()) == []
    if save in ("video", "json"):
        assert (result.status, result.errors) == (0, [])
    else:
        assert result.status == 1
        assert f"out/v_{save}: expected a folder, got a link" in result.errors[0]
        assert (out / f"q{'.npz' if save == 'npz' else f'_{save}.png'}").is_file()


def test_folder_in_place_of_a_result_fails_that_image_alone(tmp_path: Path, call: Call) -> None:
    (tmp_path / "out/a_overlay.png").mkdir(parents=True)
    sources = [write_picture(tmp_path / f"{name}.png") for name in "ab"]
    result = call(*sources, "--outdir", "out", "--exist-ok")
    assert (result.status, len(result.errors)) == (1, 1)
    assert "out/a_overlay.png: expected a free file name, got a folder" in result.errors[0]
    assert [record.get("outputs") for path in "ab" for record in lines(tmp_path / f"out/{path}.ndjson")] == [
        [],
        ["b_overlay.png"],
    ]


def test_folder_in_place_of_a_record_file_fails_that_source_alone(tmp_path: Path, call: Call) -> None:
    for name in ("a", "v"):
        (tmp_path / f"out/{name}.ndjson").mkdir(parents=True)
    sources = [
        make_clip(tmp_path / "v.mp4", 2),
        write_picture(tmp_path / "a.png"),
        make_clip(tmp_path / "b.mp4", 2),
    ]
    result = call(*sources, "--outdir", "out", "--exist-ok")
    assert result.status == 1
    assert [error.split(": ")[1] for error in result.errors] == ["out/v.ndjson", "out/a.ndjson"]
    assert len(lines(tmp_path / "out/b.ndjson")) == len(images(tmp_path / "out/b.mp4")) == 2


def test_left_over_files_of_killed_runs_are_removed(tmp_path: Path, call: Call) -> None:
    out = tmp_path / "out"
    (out / "v_labels").mkdir(parents=True)
    ended = multiprocessing.get_context("spawn").Process()
    ended.start()
    ended.join()
    left = [
        f".v.{ended.pid}.0a1b2c3d.part.mp4",
        f".v.{ended.pid}.part.mp4",
        f"v_labels/.000001.{ended.pid}.ab.part.png",
    ]
    kept = [
        f".v.{os.getpid()}.0a1b2c3d.part.mp4",
        f".v.{ended.pid}.ab.part.onnx",
        ".mine.part.png",
        "old.part.mp4",
    ]
    for name in (*left, *kept):
        (out / name).touch()
    (out / LOCK_FILE).touch()
    assert call(write_picture(tmp_path / "a.png"), "--outdir", "out", "--exist-ok").status == 0
    names = {path.relative_to(out).as_posix() for path in out.rglob("*.*")}
    assert names == {*kept, "a.ndjson", "a_overlay.png"}


def test_folder_with_nothing_but_left_over_files_counts_as_empty(tmp_path: Path, call: Call) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / LOCK_FILE).touch()
    (tmp_path / "out" / f".v.{2**31 - 1}.0a1b2c3d.part.mp4").touch()
    assert call(write_picture(tmp_path / "a.png"), "--outdir", "out").status == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.ndjson", "a_overlay.png"]
