"""Visitors' files: apart, replaced, deleted; and what an upload may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from depdis_demo.visitors import Visitors
from depdis_deploy.command import InputError


def test_a_visitor_s_files_are_replaced_and_deleted_with_the_page() -> None:
    visitors = Visitors()
    one, other = visitors.of("one"), visitors.of("other")
    assert visitors.of("one") is one
    kept = other.fresh("picture")
    first = one.fresh("picture")
    (first / "a").touch()
    second = one.fresh("picture")
    assert not first.exists()
    assert second.is_dir()
    cancelled = []
    one.cancel["video"] = lambda: cancelled.append(True)
    visitors.leave("one")
    assert cancelled == [True]
    assert not one.folder.exists()
    assert kept.is_dir()
    with pytest.raises(InputError, match="page was closed"):
        one.fresh("picture")
    visitors.close()
    assert not visitors.root.exists()


def test_a_folder_takes_another_s_place_when_it_is_known_to_be_good() -> None:
    visitors = Visitors()
    visitor = visitors.of("one")
    shown = visitor.fresh("picture")
    bad = visitor.fresh("sent")
    good = visitor.fresh("sent")
    assert shown.is_dir()
    with pytest.raises(InputError, match="chosen meanwhile"):
        visitor.keep(bad, "picture")
    visitor.keep(good, "picture")
    assert not shown.exists()
    visitor.fresh("sent")
    assert good.is_dir()
    visitors.close()


def test_only_uploads_are_taken_and_two_visitors_may_send_the_same(tmp_path: Path) -> None:
    visitors = Visitors()
    sent = visitors.uploads / "hash" / "a.PNG"
    sent.parent.mkdir()
    sent.write_bytes(b"picture")
    for name in ("one", "other"):
        kept = visitors.uploaded(str(sent), visitors.of(name).fresh("picture"))
        assert kept.name == "source.png"
        assert kept.read_bytes() == b"picture"
    (tmp_path / "secret").write_text("not yours")
    (visitors.uploads / "link").symlink_to(tmp_path / "secret")
    foreign = visitors.of("one").fresh("picture") / "b"
    foreign.touch()
    for path in ("/etc/passwd", str(tmp_path / "secret"), str(visitors.uploads / "link"), str(foreign), ""):
        with pytest.raises(InputError, match="did not arrive"):
            visitors.uploaded(path, visitors.of("other").fresh("picture"))
    visitors.close()
