"""Generated sets on disk: the real layouts, the same bytes however they are made, and what is refused."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from depdis_deploy.command import InputError, UsageError
from depdis_deploy.folder_lock import locked
from depdis_deploy.taxonomy import CAMVID_11, CITYSCAPES_16, view_camvid
from depdis_training.data import open_dataset
from depdis_training.street import drive, picture
from depdis_training.street.drive_writer import write_drive
from depdis_training.street.formats import FORMATS
from depdis_training.street.writer import StreetSet, write_street

ROOT = Path(__file__).parents[2]
PATHS = f"{ROOT}:{ROOT / 'training'}"
SIZE = (96, 64)


def digests(root: Path) -> dict[str, str]:
    return {
        path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def write(root: Path, pictures: int = 3, **options: object) -> None:
    settings = {"size": SIZE, "domain": "random", "layout": "synthia", "seed": 5, "workers": 1, "quiet": True}
    write_street(root, pictures=pictures, **{**settings, **options})  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three pictures by one process in one go."""
    root = tmp_path_factory.mktemp("street") / "whole"
    write(root)
    return root


def test_two_processes_write_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    write(tmp_path / "set", workers=2)
    assert digests(tmp_path / "set") == digests(whole)


def test_an_interrupted_set_goes_on_to_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root)
    finished = root / "street.finished"
    lines = finished.read_text().splitlines(keepends=True)
    # Killed while the second line was written: the third picture is lost, and a file was half made.
    finished.write_text(lines[2] + lines[1][:9])
    (root / "RGB" / "0000002.png").unlink()
    (root / "cameras.json").unlink()
    (root / "Depth" / ".0000001.99.part.png").write_bytes(b"half")
    write(root)
    assert digests(root) == digests(whole)


def test_finished_pictures_are_kept(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(root)
    before = {path: path.stat().st_mtime_ns for path in root.glob("*/**/*.png")}
    (root / "GT" / "LABELS" / "0000001.png").unlink()
    write(root)
    redrawn = {path.stem for path, time in before.items() if path.stat().st_mtime_ns != time}
    assert redrawn == {"0000001"}
    assert digests(root) == digests(whole)


@pytest.mark.parametrize("layout", FORMATS)
def test_every_layout_reads_back_what_was_drawn(layout: str, tmp_path: Path) -> None:
    write(tmp_path, layout=layout, split="val", pictures=1)
    camvid = layout == "camvid"
    sample = open_dataset(layout, tmp_path, "val", CAMVID_11 if camvid else CITYSCAPES_16)[0]
    drawn = picture("random", 5, 0, SIZE)
    assert sample.labels is not None
    assert np.array_equal(sample.labels, view_camvid()[drawn.labels] if camvid else drawn.labels)
    if layout.startswith("mapillary"):  # JPEG, and no depth
        assert np.abs(sample.image.astype(int) - drawn.image).mean() < 6
        return
    assert np.array_equal(sample.image, drawn.image)
    if camvid:  # it has no depth
        return
    assert sample.focal_px == pytest.approx(drawn.focal_px)
    assert sample.depth_m is not None
    sky = drawn.depth_m >= 655.35
    if layout == "cityscapes":  # stereo measures nothing in the sky, and 1/256 pixel elsewhere
        assert (sample.depth_m[sky] == 0).all()
        pixels = [0.209313 * drawn.focal_px / depth[~sky] for depth in (sample.depth_m, drawn.depth_m)]
        assert np.abs(pixels[0] - pixels[1]).max() < 0.51 / 256
    else:
        assert (sample.depth_m[sky] == np.float32(655.35)).all()
        assert np.abs(sample.depth_m - drawn.depth_m)[~sky].max() < 0.0051


def test_synthia_labels_have_the_originals_format(whole: Path) -> None:
    header = (whole / "GT" / "LABELS" / "0000000.png").read_bytes()[:29]
    assert header[24:26] == bytes([16, 2])  # PNG: 16 bits a channel, colour type RGB
    assert (whole / "Depth" / "0000000.png").read_bytes()[24:26] == bytes([16, 0])


def test_the_last_sixth_is_for_validation() -> None:
    street_set = StreetSet(domain="target", layout="cityscapes", pictures=13, size=SIZE, seed=0)
    assert [street_set.split_of(index) for index in range(13)] == ["train"] * 11 + ["val"] * 2


def test_another_description_is_refused_and_nothing_changes(whole: Path) -> None:
    before = digests(whole)
    with pytest.raises(
        InputError, match=r"holds another street set \(of other pictures, seed\); give a new folder"
    ):
        write(whole, pictures=4, seed=6)
    assert digests(whole) == before


def test_a_set_of_another_generator_is_used_but_not_gone_on_with(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(whole, root)
    description = json.loads((whole / "street.json").read_text())
    (root / "street.json").write_text(json.dumps({**description, "generator": "000000000000"}))
    before = digests(root)
    write(root)
    assert digests(root) == before
    (root / "RGB" / "0000001.png").unlink()
    with pytest.raises(InputError, match="begun by another version of the generator"):
        write(root)


@pytest.mark.parametrize("content", [b"notes", b""])
def test_a_folder_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "thesis.txt").write_bytes(content)
    with pytest.raises(InputError, match="holds something that is no street set"):
        write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_processes_that_begin_at_once_make_one_set(whole: Path, tmp_path: Path) -> None:
    with started(tmp_path / "set") as one, started(tmp_path / "set") as other:
        logs = [process.communicate()[1] for process in (one, other)]
        assert [one.returncode, other.returncode] == [0, 0], logs
    assert digests(tmp_path / "set") == digests(whole)


def test_a_set_that_another_process_holds_is_waited_for(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    shutil.copytree(whole, root)
    held = ExitStack()
    held.enter_context(locked(root))
    with held, started(root) as waiting, started(root) as interrupted:
        for process in (waiting, interrupted):
            assert process.stderr is not None
            assert process.stderr.readline().startswith(f"{root}: another process is at work on it; waiting")
        interrupted.send_signal(signal.SIGINT)
        assert interrupted.communicate()[1] == ""
        assert interrupted.returncode == 130
        assert waiting.poll() is None
        with pytest.raises(InputError, match="holds another street set"):  # for that nobody has to wait
            write(root, seed=6)
        held.close()
        log = waiting.communicate()[1]
    assert (waiting.returncode, "waiting" in log) == (0, False)  # it was said once
    assert digests(root) == digests(whole)


@contextmanager
def started(root: Path) -> Iterator[subprocess.Popen[str]]:
    """`depdis-data street` making the set of `whole` in a process of its own, which ends with the test."""
    options = ("--pictures=3", "--size=96x64", "--domain=random", "--layout=synthia", "--seed=5", "--workers=1")
    code = "from depdis_training.data_cli import main; main()"
    with subprocess.Popen(
        [sys.executable, "-c", code, "street", root, *options], env={**os.environ, "PYTHONPATH": PATHS},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"domain": "mars"}, "domain is one of source, target, random, near, got 'mars'"),
        ({"layout": "kitti"}, "layout is one of synthia, cityscapes"),
        ({"split": "test"}, "split is one of both, train, val"),
        ({"size": (16, 64)}, "at least 32 pixels"),
        ({"pictures": 0}, "at least 1 picture"),
    ],
)
def test_wrong_descriptions(tmp_path: Path, options: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        write(tmp_path / "set", **options)  # type: ignore[arg-type]
    assert not (tmp_path / "set").exists()


@pytest.mark.long
def test_another_processor_draws_the_same(tmp_path: Path) -> None:
    """A plain x86-64 without AVX: equal labels, pictures within a grey level but for a handful of pixels."""
    plain = {
        "NUMBA_CPU_NAME": "generic",
        "NUMBA_CPU_FEATURES": "",
        "OPENCV_CPU_DISABLE": "AVX512-SKX,AVX512-CNL,AVX512-CLX,AVX512-ICL,AVX2,FMA3,AVX,SSE4.2,SSE4.1",
        "NPY_DISABLE_CPU_FEATURES": _dispatched(),
    }
    code = """
import sys
import numpy as np
from depdis_training.street import picture
drawn = picture("random", 5, 1, (192, 128))
np.savez(sys.argv[1], image=drawn.image, labels=drawn.labels, depth_m=drawn.depth_m)
"""
    ours, theirs = (_run(code, tmp_path / name, changes) for name, changes in (("ours", {}), ("theirs", plain)))
    assert np.array_equal(ours["labels"], theirs["labels"])
    np.testing.assert_allclose(ours["depth_m"], theirs["depth_m"], rtol=1e-5)
    differing = np.abs(ours["image"].astype(int) - theirs["image"]).max(-1) > 1
    assert differing.sum() <= 5


def _run(code: str, path: Path, changes: dict[str, str]) -> dict[str, np.ndarray]:
    environment = {**os.environ, **changes, "PYTHONPATH": PATHS}
    file = path.with_suffix(".npz")
    done = subprocess.run([sys.executable, "-c", code, file], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with np.load(file) as arrays:
        return dict(arrays)


def _dispatched() -> str:
    """The processor features beyond its baseline that this machine's numpy uses."""
    found = np.show_config("dicts")["SIMD Extensions"]["found"]
    return " ".join(found)


def test_drive_is_a_clip_with_labels_and_depth(tmp_path: Path) -> None:
    write_drive(tmp_path / "d", frames=3, size=SIZE, domain="source", seed=2, quiet=True)
    drawn = list(drive("source", 2, 3, SIZE, 25))
    with av.open(str(tmp_path / "d" / "drive.mp4")) as clip:
        stream = clip.streams.video[0]
        assert (stream.codec_context.name, stream.pix_fmt) == ("h264", "yuv420p")
        assert stream.average_rate == 25
        assert (stream.codec_context.colorspace, stream.codec_context.color_range) == (6, 1)  # BT.601, limited
        frames = [frame.to_ndarray(format="rgb24") for frame in clip.decode(video=0)]
    assert len(frames) == 3
    for index, frame in enumerate(drawn):
        assert np.abs(frames[index].astype(int) - frame.image).mean() < 10
        with Image.open(tmp_path / "d" / "labels" / f"{index:06d}.png") as labels:
            assert labels.mode == "P"
            assert tuple((labels.getpalette() or [])[:3]) == CITYSCAPES_16.palette[0]
            assert np.array_equal(np.asarray(labels), frame.labels)
        with Image.open(tmp_path / "d" / "depth" / f"{index:06d}.png") as depth:
            assert np.abs(np.asarray(depth).astype(float) - frame.depth_m * 100).max() <= 0.51
    before = digests(tmp_path / "d")
    write_drive(tmp_path / "d", frames=3, size=SIZE, domain="source", seed=2, quiet=True)
    assert digests(tmp_path / "d") == before
    with pytest.raises(InputError, match=r"another street set \(of other frames\)"):
        write_drive(tmp_path / "d", frames=4, size=SIZE, domain="source", seed=2, quiet=True)


def test_a_drive_of_odd_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="an even size"):
        write_drive(tmp_path / "d", frames=3, size=(97, 64), domain="source", quiet=True)
