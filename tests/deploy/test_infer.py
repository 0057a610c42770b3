from __future__ import annotations

import io
from fractions import Fraction
from pathlib import Path

import av
import pytest
from calling import Call, lines
from clips import faststart, images, make_clip, stamps_s, write_picture


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
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["next.mp4", "next.ndjson"]


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
    assert [Path(record["source"]).name for record in records] == ["0.png", "1.png", "3.png", "4.png"]


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
        (("--segment", "10m"), "--segment is for cameras"), (("--duration", "soon"), "--duration takes"),
        (("--segment", "0"), "--segment takes"), (("--retry", "-1"), "--retry takes"),
    ],
)  # fmt: skip
def test_times_that_are_wrong_usage(tmp_path: Path, call: Call, words: tuple[str, str], said: str) -> None:
    result = call(make_clip(tmp_path / "a.mp4", 2), *words)
    assert result.status == 2
    assert said in result.err
    assert len(result.errors) == 1
