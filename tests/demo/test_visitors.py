"""Visitors' files: apart, replaced, deleted when abandoned; and what an upload may be."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import pytest
from test_command import free_port

from depdis_demo.housekeeping import forget_sessions
from depdis_demo.tasks import Superseded, Task, Visitor
from depdis_demo.visitors import ABSENT_S, MOST_VISITORS, Visitors
from depdis_deploy.command import InputError
from depdis_deploy.folder_lock import LOCK_FILE


@pytest.fixture
def visitors() -> Iterator[Visitors]:
    made = Visitors(most_bytes=3_000_000)
    yield made
    made.close()


def uploaded(visitors: Visitors, name: str, size: int = 10) -> Path:
    """A file where Gradio puts an upload."""
    path = visitors.uploads / name / "a.png"
    path.parent.mkdir()
    path.write_bytes(bytes(size))
    return path


def kept(visitor: Visitor, kind: str = "picture") -> Task:
    """A task that has ended and whose folder was kept."""
    with visitor.task(kind) as task:
        task.keep()
    return task


def test_files_are_replaced_by_the_next_result_and_deleted_with_the_page(visitors: Visitors) -> None:
    one, other = visitors.of("one"), visitors.of("other")
    assert visitors.of("one") is one
    others = kept(other)
    first = kept(one)
    second = kept(one)
    assert not first.folder.exists()
    assert not first.is_kept()
    assert second.folder.is_dir()
    assert second.is_kept()
    cancelled = []
    running = one.task("video")
    running.when_cancelled(lambda: cancelled.append(True))
    visitors.leave("one")
    assert cancelled == [True]
    assert running.stopped.is_set()
    assert not one.folder.exists()
    assert not second.is_kept()
    assert others.folder.is_dir()
    assert one.task("picture").stopped.is_set()
    assert not one.folder.exists()


def test_a_newer_task_stops_the_one_before_and_leaves_its_files_to_it(visitors: Visitors) -> None:
    visitor = visitors.of("one")
    shown = kept(visitor)
    older, video = visitor.task("picture"), visitor.task("video")
    newer = visitor.task("picture")
    assert [task.stopped.is_set() for task in (older, video, newer)] == [True, False, False]
    (older.folder / "a").touch()  # it is still being written
    assert shown.folder.is_dir()
    with pytest.raises(Superseded):
        older.keep()
    newer.keep()
    assert not shown.folder.exists()
    older.end()
    newer.end()
    assert not older.folder.exists()
    assert newer.folder.is_dir()


def test_tasks_are_ordered_by_the_page_s_numbers(visitors: Visitors) -> None:
    visitor = visitors.of("one")
    second = visitor.task("picture", 2)
    first = visitor.task("picture", 1)  # sent before the other one, and arrived after it
    assert (first.stopped.is_set(), second.stopped.is_set()) == (True, False)
    assert not visitor.task("picture", 2).stopped.is_set()
    assert second.stopped.is_set()
    assert not visitor.task("picture").stopped.is_set()  # a client that sends no numbers
    assert not visitor.task("video", 1).stopped.is_set()


def test_a_task_is_cancelled_once_however_early(visitors: Visitors) -> None:
    visitor, calls = visitors.of("one"), list[str]()
    task = visitor.task("video")
    visitor.cancel("video")
    task.when_cancelled(lambda: calls.append("cancelled"))
    assert calls == ["cancelled"]
    assert not task.stopped.is_set()
    task.stop()
    assert calls == ["cancelled"]
    task.end()
    visitor.cancel("video")
    assert not visitor.busy()


def test_only_uploads_are_taken_and_two_visitors_may_send_the_same(visitors: Visitors, tmp_path: Path) -> None:
    sent = visitors.uploads / "hash" / "a.PNG"
    sent.parent.mkdir()
    sent.write_bytes(b"picture")
    for name in ("one", "other"):
        link = visitors.uploaded(str(sent), visitors.of(name).task("picture"))
        assert link.name == "source.png"
        assert link.read_bytes() == b"picture"
    (tmp_path / "secret").write_text("not yours")
    (visitors.uploads / "link").symlink_to(tmp_path / "secret")
    foreign = visitors.of("one").task("picture").folder / "b"
    foreign.touch()
    for path in ("/etc/passwd", str(tmp_path / "secret"), str(visitors.uploads / "link"), str(foreign), ""):
        with pytest.raises(InputError, match="did not arrive"):
            visitors.uploaded(path, visitors.of("other").task("picture"))


def test_an_upload_that_expired_is_taken_from_the_visitor_s_last_result(visitors: Visitors) -> None:
    sent = uploaded(visitors, "sent")
    sent.write_bytes(b"picture")
    visitor = visitors.of("one")
    with visitor.task("picture") as first:
        visitors.uploaded(str(sent), first)
        first.keep()
    sent.unlink()
    for _ in range(2):
        with visitor.task("picture") as again:
            assert visitors.uploaded(str(sent), again).read_bytes() == b"picture"
            again.keep()
    for owner, kind in (("one", "video"), ("other", "picture")):
        with pytest.raises(InputError, match="did not arrive"):
            visitors.uploaded(str(sent), visitors.of(owner).task(kind))


def test_deletes_files_of_an_absent_visitor(visitors: Visitors) -> None:
    names = ("left", "open", "at work", "just asked")
    left, opened, working, asked = (visitors.of(name) for name in names)
    files = [kept(visitor).folder / "a" for visitor in (left, opened, working, asked)]
    for file, visitor in zip(files, (left, opened, working, asked), strict=True):
        file.touch()
        visitor.seen -= ABSENT_S
    video = working.task("video")
    with visitors.present("open"):
        assert visitors.of("just asked") is asked
        visitors.expire()
        assert [file.exists() for file in files] == [False, True, True, True]
        assert left.gone.is_set()
        assert visitors.of("left") is not left
    opened.seen -= ABSENT_S  # it was closed
    video.end()
    visitors.expire()
    assert [file.exists() for file in files] == [False, False, False, True]


def test_deletes_uploads_that_nobody_used(visitors: Visitors) -> None:
    old, used = uploaded(visitors, "old"), uploaded(visitors, "used")
    (visitors.uploads / "tmp_broken_off").touch()
    link = visitors.uploaded(str(used), visitors.of("one").task("picture"))
    visitors.expire()
    assert old.exists()
    visitors._storage.remove_uploads(before=time.time() + 1)
    assert list(visitors.uploads.iterdir()) == []
    assert link.exists()
    with pytest.raises(InputError, match="did not arrive"):
        visitors.uploaded(str(old), visitors.of("one").task("picture"))


def test_upload_space_is_limited_and_taken_from_the_absent(visitors: Visitors) -> None:
    def picture(name: str) -> Path:
        path = kept(visitors.of(name)).folder / "a"
        path.write_bytes(bytes(1_000_000))
        os.link(path, path.with_name("same"))  # counts once
        return path

    absent, opened = picture("absent"), picture("open")
    with visitors.present("open"):
        assert visitors.reserve(900_000)
        assert not visitors.reserve(900_000)  # space that is reserved is not free
        visitors.release(900_000)
        assert visitors.reserve(900_000)
        visitors.of("absent").seen -= ABSENT_S / 2
        assert visitors.reserve(900_000)
        assert (absent.exists(), opened.exists()) == (False, True)
        assert not visitors.reserve(900_000)
        assert opened.exists()


def test_number_of_visitors_is_limited(visitors: Visitors) -> None:
    longest = visitors.of("longest")
    file = kept(longest).folder / "a"
    file.touch()
    longest.seen -= 1
    with visitors.present("open"):
        for number in range(MOST_VISITORS + 10):
            visitors.of(f"{number:05}" * 20)
        assert len(visitors.known()) == MOST_VISITORS
        assert "open" in visitors.known()
        assert max(map(len, visitors.known())) <= 64
    assert longest.gone.is_set()
    assert not file.exists()


def test_gradio_forgets_sessions_that_are_unknown() -> None:
    async def forgotten() -> tuple[set[str], set[str], set[str], set[str]]:
        with gr.Blocks(analytics_enabled=False) as page:
            gr.HTML()
        gr.routes.App.create_app(page)
        queue, states = page._queue, page.state_holder
        for session in ("known", "unknown", "waiting"):
            queue.pending_messages_per_session[session] = None
            queue.pending_event_ids_session[session] = {session}
            assert states[session] is not None
        queue.event_ids_to_events["waiting"] = None
        page.upload_file_set.add("a")
        forget_sessions(page, {"known"})
        assert set(states.time_last_used) == {"known"}
        return (
            set(queue.pending_messages_per_session),
            set(queue.pending_event_ids_session),
            set(states.session_data),
            page.upload_file_set,
        )

    # in a thread of its own: the browser's tests have a loop running in this one
    with ThreadPoolExecutor(1) as thread:
        messages, events, states, uploads = thread.submit(asyncio.run, forgotten()).result()
    assert messages == events == {"known", "waiting"}
    assert states == {"known"}
    assert uploads == set()


KILLED = """
import os, signal
from depdis_demo.visitors import Visitors
visitors = Visitors()
(visitors.of("one").task("picture").folder / "a").touch()
print(visitors.root, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


# A server that starts, and ends because gradio cannot be imported, which is installed.
BEGUN = "import sys; sys.modules['gradio.blocks'] = None; from depdis_demo.cli import main; main()"


def test_removes_folders_of_killed_servers_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    killed = subprocess.run([sys.executable, "-c", KILLED], env=environment, capture_output=True, text=True)
    assert killed.returncode == -signal.SIGKILL
    left = Path(killed.stdout.strip())
    assert (left / "results").is_dir()
    running = Visitors()
    outside = tmp_path / "outside"
    (outside / LOCK_FILE).parent.mkdir()
    (outside / LOCK_FILE).touch()
    (tmp_path / "depdis-demo-aaaaaaaa").symlink_to(outside)
    (tmp_path / "depdis-demo-empty123").mkdir()
    for name in ("depdis-demo-unlocked", "depdis-demo-other-name", "else"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
    (left / "link").symlink_to(outside)
    command = [sys.executable, "-c", BEGUN, "--port", free_port()]
    begun = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert begun.stderr.startswith("error: gradio.blocks cannot be imported")
    assert {path.name for path in tmp_path.iterdir()} == {
        "outside",
        "else",
        "depdis-demo-aaaaaaaa",
        "depdis-demo-unlocked",
        "depdis-demo-other-name",
        running.root.name,
    }
    assert running.results.is_dir()
    assert (outside / LOCK_FILE).exists()
    running.close()
    assert not running.root.exists()
