"""A film at work whose end is an error: what is said of it, and what is left to the server's log."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from browsing import wait_until

from depdis_demo.film import Film
from depdis_demo.limits import Limits, check_video
from depdis_demo.series import Series
from depdis_demo.visitors import Visitors
from depdis_deploy import Predictor
from depdis_deploy.command import InputError
from depdis_deploy.sources import BUNDLED_CLIP
from depdis_deploy.write_faults import Unwritable


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor(threads=1)


def ended_by(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch, predictor: Predictor) -> Film:
    """A film whose third frame met this error."""
    add = Series.add

    def failing(series: Series, line: str) -> None:
        if len(series._times) == 2:
            raise error
        add(series, line)

    monkeypatch.setattr(Series, "add", failing)
    film = Film(predictor, BUNDLED_CLIP, folder, "overlay", Limits())
    film.start()
    while not film.done(60):
        pass
    film.end()
    assert (folder / "result.mp4").exists()
    return film


def test_a_file_that_breaks_off_is_said_beside_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    film = ended_by(InputError(f"{BUNDLED_CLIP}: it breaks off"), tmp_path, monkeypatch, predictor)
    assert set(film.files()) == {"video", "lines"}
    assert film.notes() == ["The file: it breaks off"]


def test_video_too_wide_to_encode_is_reported(tmp_path: Path) -> None:
    source = tmp_path / "wide.mkv"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8400, 16, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(8400, 16, "yuv420p")))
        out.mux(stream.encode())
    film = Film(Predictor(threads=1), source, tmp_path, "quad", Limits())
    film.start()
    while not film.done(60):
        pass
    with pytest.raises(InputError, match="16800x32 is too large"):
        film.files()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Unwritable("/here: no more can be written")])
def test_what_is_no_fault_of_the_file_is_raised(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, predictor: Predictor
) -> None:
    film = ended_by(error, tmp_path, monkeypatch, predictor)
    with pytest.raises((RuntimeError, OSError), match=str(error)):
        film.files()


def test_a_film_writes_nothing_once_the_server_has_ended(predictor: Predictor) -> None:
    visitors = Visitors()
    task = visitors.of("one").task("video")
    film = Film(predictor, BUNDLED_CLIP, task.folder, "quad", Limits())
    task.when_cancelled(film.cancel)
    visitors.begun(film.end)
    film.start()
    wait_until(lambda: film.job.frames > 0, "a first frame")
    visitors.close()
    assert film.done(0)
    assert not visitors.root.exists()


def small_video(path: Path, frames: int) -> Path:
    """Frames of 32x32 at 5000 a second."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("mpeg4", rate=5000)
        stream.width = stream.height = 32
        stream.pix_fmt = "yuv420p"
        frame = av.VideoFrame(32, 32, "yuv420p")
        for plane in frame.planes:
            plane.update(bytes([128]) * plane.buffer_size)
        for index in range(frames):
            frame.pts = index
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize("name", ["counted.mp4", "uncounted.mkv"])
def test_rejects_a_video_of_more_frames_than_are_allowed(tmp_path: Path, name: str) -> None:
    path = small_video(tmp_path / name, 40)
    check_video(path, Limits(frames=40))
    with pytest.raises(InputError, match="more than 39 frames"):
        check_video(path, Limits(frames=39))


def test_measures_a_video_by_its_frames_and_not_by_its_header(tmp_path: Path) -> None:
    path, stamps = tmp_path / "jump.ts", [0, 1, 2, 7200, 7201, 7202]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=1, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for stamp in stamps:
            frame = av.VideoFrame(64, 48, "yuv420p")
            frame.pts = stamp
            out.mux(stream.encode(frame))
        out.mux(stream.encode())
    check_video(path, Limits(seconds=7))
    joined = tmp_path / "joined.ts"
    joined.write_bytes(3 * path.read_bytes())
    with pytest.raises(InputError, match="18 seconds are too long"):
        check_video(joined, Limits(seconds=7))


def test_rejects_a_playlist_that_names_a_file_of_the_server(tmp_path: Path, predictor: Predictor) -> None:
    private = tmp_path / "private.ts"
    small_video(tmp_path / "private.mp4", 3).rename(private)
    for name, text in (
        ("list.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{private}\n#EXT-X-ENDLIST\n"),
        ("list.mp4", "ffconcat version 1.0\nfile private.ts\n"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match="not a video that can be read"):
            check_video(tmp_path / name, Limits())
        with pytest.raises(InputError, match="not a readable video"):
            Film(predictor, tmp_path / name, tmp_path, "overlay", Limits()).start()


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (Limits(frames=5), "It has more than 5 frames, so the rest was left out."),
        (Limits(seconds=0.2), "It is longer than 0.2 seconds, so the rest was left out."),
        (Limits(minutes=0.001), "It took longer than 0.001 minutes, so the rest was left out."),
    ],
)
def test_stops_at_a_limit_while_nobody_asks_for_progress(
    limits: Limits, reason: str, tmp_path: Path, predictor: Predictor
) -> None:
    film = Film(predictor, BUNDLED_CLIP, tmp_path, "overlay", limits)
    film.start()
    wait_until(lambda: not film._thread.is_alive(), "the end")
    assert film.notes() == [reason]
    assert film.job.frames < 60
    result = tmp_path / "result.mp4"
    # A busy machine may do no frame within the time of the last case; there is no video then.
    assert film.job.frames > 0 or limits.minutes < 1
    assert result.exists() == (film.job.frames > 0)
    if result.exists():
        with av.open(str(result)) as video:
            assert sum(1 for _ in video.decode(video=0)) == film.job.frames


def test_leaves_out_frames_above_the_demo_s_own_limit(tmp_path: Path, predictor: Predictor) -> None:
    with pytest.raises(InputError, match="100,000 pixels"):
        Film(predictor, BUNDLED_CLIP, tmp_path, "overlay", Limits(megapixels=0.1)).start()


@pytest.mark.long
def test_60000_frames_in_12_seconds_do_not_hold_the_only_place(tmp_path: Path, predictor: Predictor) -> None:
    path = small_video(tmp_path / "a.mkv", 60_000)
    with pytest.raises(InputError, match="more than 7200 frames"):
        check_video(path, Limits())
    film = Film(predictor, path, tmp_path, "overlay", Limits(frames=200))
    film.start()
    while not film.done(60):
        pass
    assert 200 < film.job.frames < 300
    assert film.notes() == ["It has more than 200 frames, so the rest was left out."]
