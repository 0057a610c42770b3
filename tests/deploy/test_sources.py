from __future__ import annotations

import glob
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from calling import Call
from clips import level, make_clip, write_picture

from depdis_deploy import Predictor
from depdis_deploy.clip import open_clip
from depdis_deploy.command import InputError, UsageError
from depdis_deploy.interruption import Switch
from depdis_deploy.media import source_list
from depdis_deploy.media.source_frames import newest
from depdis_deploy.outputs import Names, group_names, output_folder, protected_sources, refuse_overwriting
from depdis_deploy.patience import Patience
from depdis_deploy.sources import BUNDLED_CLIP, Frame, Source, find_sources, open_sources, require_ends


def found(*words: object) -> list[tuple[str, str, str | None]]:
    return [
        (source.kind, Path(source.location).name, source.group)
        for source in find_sources([str(w) for w in words])
    ]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "street"
    folder.mkdir()
    for name in ("b.png", "a.JPG", "c.mp4", "notes.md", ".hidden.png"):
        (folder / name).write_bytes(b"x")
    (folder / "inner").mkdir()
    return folder


def test_a_folder_gives_its_pictures_and_videos_sorted(folder: Path) -> None:
    assert found(folder) == [
        ("picture", "a.JPG", "street"), ("picture", "b.png", "street"), ("video", "c.mp4", "street"),
    ]  # fmt: skip


def test_links_that_leave_a_folder_are_not_followed_and_that_is_said(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(b"x")
    (folder / "out.png").symlink_to(tmp_path / "secret.png")
    (folder / "in.png").symlink_to(folder / "b.png")
    notes: list[str] = []
    names = [Path(source.location).name for source in find_sources([str(folder)], notes.append)]
    assert names == ["a.JPG", "b.png", "c.mp4", "in.png"]
    assert len(notes) == 2
    assert "1 symbolic link" in notes[0]


@pytest.mark.parametrize("pattern", ["", "/*", "/**/*", "/**", "/*.png", "/**/*.png"])
def test_one_rule_for_links_in_folders_and_globs(folder: Path, tmp_path: Path, pattern: str) -> None:
    (tmp_path / "apart").mkdir()
    for name in ("apart/x.png", "secret.png", "street/inner/deep.png"):
        (tmp_path / name).write_bytes(b"x")
    links = {
        "out.png": tmp_path / "secret.png",
        "away": tmp_path / "apart",
        "in.png": "b.png",
        "self": ".",
        "inner/up": "..",
        "near": "inner",
        "near2": "inner",
        "inner/self": ".",
        "notes": "/etc/passwd",
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    notes: list[str] = []
    matches = find_sources([f"{folder}{pattern}"], notes.append)
    names = [str(Path(source.location).relative_to(folder)) for source in matches]
    expected = ["a.JPG", "b.png", "c.mp4", "in.png"]
    if "**" in pattern:
        expected += ["inner/deep.png", "near/deep.png"]
    if pattern.endswith(".png"):
        expected = [name for name in expected if name.endswith(".png")]
    assert names == expected
    assert ("skipped 1 file: 1 .md" in notes[-1]) is not pattern.endswith(".png")
    assert f"{2 if '**' in pattern else 1} symbolic link" in notes[0]  # out.png, and away


def test_names_suffixes_that_a_folder_run_skips(folder: Path) -> None:
    for name in ("x.heic", "y.HEIC", "z.zip", "without", ".hidden.heic", "inner/deep.heic"):
        (folder / name).write_bytes(b"x")
    notes: list[str] = []
    find_sources([str(folder)], notes.append)
    assert notes == [f"{folder}: skipped 5 files: 2 .heic, 1 without a suffix, 1 .md, 1 .zip"]
    for path in folder.glob("[abc].*"):
        path.unlink()
    with pytest.raises(InputError, match=r"no pictures or videos .* \(skipped 5 files: 2 \.heic"):
        find_sources([str(folder)])
    with pytest.raises(InputError, match=r"matches this pattern \(skipped 3 files: 3 \.heic\)"):
        find_sources([f"{folder}/**/*.[hH]*"])


def test_a_link_that_is_named_itself_is_followed(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "link.png").symlink_to(folder / "b.png")
    (tmp_path / "way").symlink_to(folder)
    (tmp_path / "list.txt").write_text("link.png\nway/b.png")
    for word in ("link.png", "way", "way/*.png", "list.txt"):
        assert found(tmp_path / word)


_GLOBS = (
    "* *.png **/*.png ** */*.png **/x/* x/**/*.png [ab].png ?.png .h/*.png ./*/../a.png **/**/*.png */x/a.png "
    "nothing/* a.png/* **/.h/* x/[[]1]/*.png **/x/**/*.png"
)


@pytest.mark.parametrize("pattern", _GLOBS.split())
def test_globs_match_what_pythons_glob_matches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pattern: str
) -> None:
    for place in (".", "x", "x/x", "y/x", ".h", "x/.h", "x/[1]"):
        (tmp_path / place).mkdir(exist_ok=True, parents=True)
        for name in ("a.png", "b.png", ".c.png", "d.txt"):
            (tmp_path / place / name).write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    there = {Path(path) for path in glob.glob(pattern, recursive=True)}
    expected = sorted(str(path) for path in there if path.name in ("a.png", "b.png"))
    if expected:
        assert [source.location for source in find_sources([pattern])] == expected
    else:
        with pytest.raises(InputError, match="matches this pattern"):
            find_sources([pattern])


def test_a_glob_a_list_and_a_lone_picture_keep_command_line_order(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listing = tmp_path / "mine.txt"
    listing.write_text("\ufeff# chosen\n\nstreet/b.png\r\nmissing.png\n", "utf-8")
    assert found(folder / "b.png", f"{folder}/*.[Jm]*", listing) == [
        ("picture", "b.png", None), ("picture", "a.JPG", "pictures"), ("video", "c.mp4", "pictures"),
        ("picture", "b.png", "mine"), ("picture", "missing.png", "mine"),
    ]  # fmt: skip
    monkeypatch.setattr("sys.stdin", io.StringIO("x/y.png\nz.mkv\n"))
    assert found("-") == [("picture", "y.png", "stdin"), ("video", "z.mkv", "stdin")]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO("\ufeffé.png\n".encode() + b"\xe9.png")))
    assert found("-") == [("picture", "é.png", "stdin"), ("picture", "\udce9.png", "stdin")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-be", "utf-32"])
def test_reads_lists_as_notepad_and_powershell_write_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
    data = mark + "# chosen\r\né.png\r\nrtsp://camera/1\r\n".encode(encoding)
    (tmp_path / "list.txt").write_bytes(data)
    expected = [("picture", "é.png"), ("stream", "1")]
    assert [(kind, name) for kind, name, _ in found(tmp_path / "list.txt")] == expected
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))
    assert [(kind, name) for kind, name, _ in found("-")] == expected


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ("a.png\nb.png\n".encode("utf-16-le"), "UTF-16 without a byte order mark; save it as UTF-8"),
        (b"\xff\xfe" + "a.png\n".encode("utf-16-le")[:-1], "not UTF-16 text .*; save it as UTF-8"),
        (b"\0\x01\xff\xfe a.png\n", "expected text in UTF-8, got binary data"),
    ],
)
def test_rejects_lists_of_other_encodings_in_one_line(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "list.txt").write_bytes(data)
    with pytest.raises(InputError, match=rf"list\.txt: .*{says}") as caught:
        find_sources([str(tmp_path / "list.txt")])
    assert "\n" not in str(caught.value)


def test_numbers_addresses_and_files_without_suffix(tmp_path: Path) -> None:
    write_picture(tmp_path / "p.png").rename(tmp_path / "picture")
    assert found(tmp_path / "picture") == [("picture", "picture", None)]
    make_clip(tmp_path / "c.mp4", 2).rename(tmp_path / "film")
    (tmp_path / "both.txt").write_text("picture\nfilm\n")
    assert found(tmp_path / "both.txt") == [("picture", "picture", "both"), ("video", "film", "both")]
    camera, stream = find_sources(["0", "rtsp://me:secret@camera.local:554/live/1"])
    assert (camera.kind, camera.stem, camera.live) == ("camera", "camera0", True)
    assert (stream.kind, stream.stem) == ("stream", "camera.local_live_1")
    assert stream.label == "rtsp://camera.local:554/live/1"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "no pictures or videos"),
        (lambda path: path.write_bytes(b""), "empty"),
        (lambda path: os.mkfifo(path.with_suffix(".sock")), "no such file"),
    ],
)
def test_what_cannot_be_a_source_is_refused(tmp_path: Path, make: object, says: str) -> None:
    path = tmp_path / "thing"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=says):
        find_sources([str(path)])


CAMERAS = [["0", "1"], ["rtsp://h/a", "RTSP://h/b"], ["0", "a.png"], ["a.png", "rtsp://h/a", "0"], ["list.txt"]]


@pytest.mark.parametrize("words", CAMERAS)
def test_rejects_sources_after_a_camera_that_does_not_end(
    words: list[str], tmp_path: Path, call: Call, model: Path
) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "list.txt").write_text("rtsp://h/a\nrtsp://me:word@h/b\n")
    result = call(*words)
    assert result.status == 2
    assert len(result.err.splitlines()) == 1
    assert "would never be read" in result.err
    assert "one process per camera" in result.err
    assert "word" not in result.err
    with pytest.raises(UsageError, match="would never be read"):
        next(Predictor(model).stream(words))


def test_accepts_a_camera_behind_files_and_addresses_that_are_rejected(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("http://h/x.png\na.png\n0\n")
    require_ends(find_sources([str(tmp_path / "list.txt"), "rtsp://h/a"]), "")


def test_empty_lists_binary_lists_and_unmatched_globs_are_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("# nothing\n\n")
    (tmp_path / "binary.txt").write_bytes(b"\x00\xff\xfe\x80")
    for word, says in (("empty.txt", "no path"), ("binary.txt", "binary"), ("*.png", "no picture or video")):
        with pytest.raises(InputError, match=says):
            find_sources([str(tmp_path / word)])
    for address in ("http://host/x.mp4", "rtsp://[::1", "rtsp:///x"):
        with pytest.raises(InputError, match="rtsp://host"):
            find_sources([address])


def test_lists_that_cannot_be_read_to_their_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_list, "_MOST_LIST_BYTES", 10)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "kernel.txt").symlink_to("/proc/kmsg")
    (tmp_path / "endless.txt").symlink_to("/dev/zero")
    (tmp_path / "large.txt").write_text("a.png\n" * 10)
    refused = {"pipe": "in a file", "kernel": "no path", "endless": "in a file", "large": "MiB"}
    for name, says in refused.items():
        with pytest.raises(InputError, match=says):
            find_sources([str(tmp_path / f"{name}.txt")])
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"a.png\n" * 10)))
    with pytest.raises(InputError, match="MiB"):
        find_sources(["-"])
    controller, terminal = os.openpty()
    with os.fdopen(controller, "wb"), os.fdopen(terminal) as stdin:
        for closed in (stdin, None):
            monkeypatch.setattr("sys.stdin", closed)
            with pytest.raises(InputError, match="on stdin"):
                find_sources(["-"])


def test_a_flag_ends_the_wait_for_a_named_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    over, errors = Switch(), []

    def read() -> None:
        try:
            open_clip(Source("video", str(tmp_path / "pipe.mp4")), patience=Patience(over=over))
        except InputError as error:
            errors.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    with (tmp_path / "pipe.mp4").open("wb"):  # returns once it is being read
        over.set()
        reader.join(60)
    assert len(errors) == 1


def test_equal_stems_are_counted_in_order() -> None:
    names = Names()
    assert [names.claim(stem) for stem in ("a", "a", "a-2", "b", "a", "b.part")] == [
        "a", "a-2", "a-2-2", "b", "a-3", "b.part-2",
    ]  # fmt: skip


def test_stems_that_some_file_system_takes_for_one_are_kept_apart() -> None:
    names = Names()
    stems = ("a", "A", "a-2", "\u00e9", "e\u0301", "\u00c9", "x\x1b", "x\u202e", "x_", "b", "B.PART", "b")
    assert [names.claim(stem) for stem in stems] == [
        "a",
        "A-2",
        "a-2-2",
        "\u00e9",
        "e\u0301-2",
        "\u00c9-3",
        "x_",
        "x_-2",
        "x_-3",
        "b",
        "B.PART-2",
        "b-2",
    ]


def test_numbers_many_equal_stems_in_linear_time() -> None:
    names = Names()
    for number in range(1, 60_001):
        assert names.claim("frame") == ("frame" if number == 1 else f"frame-{number}")


def test_pictures_of_one_word_share_a_record_file() -> None:
    sources = [
        Source("picture", "x/a.png", "x", 0),
        Source("video", "x/a.mp4", "x", 0),
        Source("picture", "x/b.png", "x", 0),
        Source("picture", "y/x/a.png", "x", 1),
        Source("picture", "x.png", None, 2),
        Source("camera", "0", None, 3),
    ]
    stems, records = group_names(sources)
    assert stems == ["a", "a-2", "b", "a-3", "x", "camera0"]
    assert records == ["x", "a-2", "x", "x-2", "x-3", "camera0"]


def made(outdir: Path | None, *, exist_ok: bool = False) -> Path:
    """The output folder of a run that writes one file."""
    with output_folder(outdir, exist_ok=exist_ok) as folder:
        (folder / "result").touch()
    return folder


def test_output_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert made(None) == Path("runs/infer/1")
    (tmp_path / "runs/infer/7").mkdir()
    (tmp_path / "runs/infer/other").mkdir()
    assert made(None) == Path("runs/infer/8")
    (tmp_path / "empty").mkdir()
    assert made(Path("empty")).is_dir()
    assert made(Path("new/deep")).is_dir()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(InputError, match="--exist-ok"):
        made(Path("full"))
    assert made(Path("full"), exist_ok=True) == Path("full")
    assert sorted(os.listdir("full")) == ["result", "x"]
    for bad in ("full/x", "full/x/below"):
        with pytest.raises(InputError, match="--outdir"):
            made(Path(bad), exist_ok=True)


def test_a_result_never_replaces_its_source(tmp_path: Path) -> None:
    def check(sources: list[Source], stems: list[str], kinds: set[str]) -> None:
        refuse_overwriting(
            protected_sources(sources, tmp_path),
            tmp_path,
            sources,
            stems,
            stems,
            picture_kinds=kinds,
            video_kinds={"video"},
        )

    clip = [Source("video", str(make_clip(tmp_path / "drive.mp4", 2)))]
    with pytest.raises(InputError, match="replace its source"):
        check(clip, ["drive"], {"overlay"})
    check(clip, ["drive-2"], {"overlay"})
    pictures = [Source("picture", str(write_picture(tmp_path / name))) for name in ("a.png", "a_depth.png")]
    with pytest.raises(InputError, match=r"a_depth\.png.*replace its source"):
        check(pictures, ["a", "a_depth"], {"overlay", "depth"})
    check(pictures, ["a", "a_depth"], {"overlay"})


def test_open_sources_reads_anything_in_order_and_passes_over_the_broken(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write_picture(folder / "a.png", index=9)
    (folder / "b.png").write_text("not a picture")
    make_clip(folder / "c.mp4", 7)
    errors: list[str] = []
    frames = list(open_sources(folder, stride=3, on_error=lambda error: errors.append(str(error))))
    assert [(frame.index, frame.time_s) for frame in frames] == [(None, None), (0, 0.0), (3, 0.12), (6, 0.24)]
    assert [int(frame.image[-3, -3, 0]) for frame in frames] == pytest.approx(
        [level(i) for i in (9, 0, 3, 6)], abs=2
    )
    assert len(errors) == 1
    assert "b.png" in errors[0]
    with pytest.raises(ValueError, match=r"b\.png"):
        list(open_sources(folder))


def test_a_program_that_is_slow_gets_the_newest_frame_of_a_live_source() -> None:
    taken, all_came, over = threading.Event(), threading.Event(), threading.Event()

    def camera() -> Iterator[Frame]:
        for index in range(10):
            yield Frame(np.zeros((1, 1, 3), np.uint8), "camera 0", index)
            if index == 0:
                taken.wait(30)
        all_came.set()
        over.wait(30)

    given_up = Switch()
    frames = newest(camera(), given_up)
    assert next(frames).index == 0
    taken.set()
    all_came.wait(30)
    assert next(frames).index == 9
    over.set()
    assert list(frames) == []
    assert given_up.is_set()


def test_the_bundled_clip_is_a_drive_of_eight_seconds() -> None:
    from depdis_deploy.clip import VideoFile

    with VideoFile(str(BUNDLED_CLIP)) as clip:
        assert (clip.rate, clip.total, clip.size) == (25, 200, (640, 320))
        times = [frame.time_s for frame in clip]
    assert times == [pytest.approx(index / 25) for index in range(200)]
