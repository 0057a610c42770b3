"""A film at work whose end is an error: what is said of it, and what is left to the server's log."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from browsing import wait_until

from depdis_demo.film import Film
from depdis_demo.series import Series
from depdis_demo.visitors import Visitors
from depdis_deploy import Predictor
from depdis_deploy.command import InputError
from depdis_deploy.sources import BUNDLED_CLIP
from depdis_deploy.write_faults import Unwritable


def ended_by(error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Film:
    """A film whose third frame met this error."""
    add = Series.add

    def failing(series: Series, line: str) -> None:
        if len(series._times) == 2:
            raise error
        add(series, line)

    monkeypatch.setattr(Series, "add", failing)
    film = Film(Predictor(threads=1), BUNDLED_CLIP, folder, "overlay", 60)
    film.start()
    while not film.done(60):
        pass
    film.end()
    assert (folder / "result.mp4").exists()
    return film


def test_a_file_that_breaks_off_is_said_beside_what_was_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ended_by(InputError(f"{BUNDLED_CLIP}: it breaks off"), tmp_path, monkeypatch)
    assert set(film.files()) == {"video", "lines"}
    assert film.notes() == ["The file: it breaks off"]


def test_video_too_wide_to_encode_is_reported(tmp_path: Path) -> None:
    source = tmp_path / "wide.mkv"
    with av.open(str(source), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 8400, 16, "yuv420p"
        out.mux(stream.encode(av.VideoFrame(8400, 16, "yuv420p")))
        out.mux(stream.encode())
    film = Film(Predictor(threads=1), source, tmp_path, "quad", 60)
    film.start()
    while not film.done(60):
        pass
    with pytest.raises(InputError, match="16800x32 is too large"):
        film.files()


@pytest.mark.parametrize("error", [RuntimeError("a bug"), Unwritable("/here: no more can be written")])
def test_what_is_no_fault_of_the_file_is_raised(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = ended_by(error, tmp_path, monkeypatch)
    with pytest.raises((RuntimeError, OSError), match=str(error)):
        film.files()


def test_a_film_writes_nothing_once_the_server_has_ended() -> None:
    visitors = Visitors()
    visitor = visitors.of("one")
    film = Film(Predictor(threads=1), BUNDLED_CLIP, visitor.fresh("video"), "quad", 60)
    visitor.cancel["video"] = film.cancel
    visitors.begun(film.end)
    film.start()
    wait_until(lambda: film.job.frames > 0, "a first frame")
    visitors.close()
    assert film.done(0)
    assert not visitors.root.exists()
