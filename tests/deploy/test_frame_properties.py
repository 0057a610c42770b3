"""Orientation, pixel aspect, colours and tracks of videos, and images that FFmpeg takes for videos."""

from __future__ import annotations

import gc
import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from calling import Call, lines
from clips import make_clip, make_tracks, picture, remux
from PIL import Image
from small_rtsp import SmallRtsp

from depdis_deploy import Predictor
from depdis_deploy.clip import VideoFile, open_clip
from depdis_deploy.command import InputError
from depdis_deploy.live import NetworkStream
from depdis_deploy.patience import Patience
from depdis_deploy.sources import Frame, Source, find_sources

SIZE = (96, 64)
Turn = Callable[[np.ndarray], np.ndarray]


def read(path: Path) -> tuple[VideoFile, list[Frame], list[str]]:
    notes: list[str] = []
    with VideoFile(str(path), note=notes.append) as clip:
        return clip, list(clip), notes


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_clip(tmp_path_factory.mktemp("stored") / "stored.mp4", 2, aspect=Fraction(4, 3))


MATRICES: dict[str, tuple[tuple[float, ...], Turn]] = {
    "horizontal flip": ((-1, 0, 0, 1), lambda image: image[:, ::-1]),
    "vertical flip": ((1, 0, 0, -1), lambda image: image[::-1]),
    "half turn": ((-1, 0, 0, -1), lambda image: image[::-1, ::-1]),
    "transpose": ((0, 1, 1, 0), lambda image: image.transpose(1, 0, 2)),
    "transverse": ((0, -1, -1, 0), lambda image: image.transpose(1, 0, 2)[::-1, ::-1]),
    "clockwise": ((0, 1, -1, 0), lambda image: np.rot90(image, -1)),
    "counter-clockwise": ((0, -1, 1, 0), lambda image: np.rot90(image)),
}


@pytest.mark.parametrize("name", MATRICES)
def test_applies_every_display_matrix(tmp_path: Path, stored: Path, name: str) -> None:
    matrix, turn = MATRICES[name]
    clip, frames, notes = read(remux(stored, tmp_path / "a.mov", matrix=matrix))
    expected = turn(picture(0, SIZE)).astype(int)
    assert frames[0].image.shape == expected.shape
    assert np.abs(frames[0].image - expected).mean() < 8
    assert clip.size == expected.shape[1::-1]
    assert clip.aspect == (Fraction(4, 3) if clip.size == SIZE else Fraction(3, 4))
    assert notes == []


def test_uses_the_nearest_orientation_of_another_matrix_and_logs_it_once(tmp_path: Path, stored: Path) -> None:
    matrix = (0.4, 0.9, 0.9, -0.4)  # a mirrored image that is turned by 66 degrees
    _, frames, notes = read(remux(stored, tmp_path / "a.mp4", matrix=matrix))
    assert np.abs(frames[0].image - picture(0, SIZE).transpose(1, 0, 2).astype(int)).mean() < 8
    assert len(notes) == 1
    assert "the nearest one is used" in notes[0]


def test_the_output_video_is_upright_and_keeps_its_pixel_aspect(
    tmp_path: Path, stored: Path, call: Call
) -> None:
    remux(stored, tmp_path / "in.mp4", matrix=(0, 1, 1, 0))
    assert call("in.mp4", "--outdir", "out").status == 0
    with av.open(str(tmp_path / "out/in.mp4")) as container:
        frame = next(container.decode(video=0))
        assert (frame.width, frame.height, frame.rotation) == (64, 96, 0)
        image = frame.to_ndarray(format="rgb24").astype(int)
        left, right = image[:48, :32].mean(axis=(0, 1)), image[:48, 32:].mean(axis=(0, 1))
        assert left[0] - left[1] > right[0] - right[1] + 20  # the red quarter is at the top left
        assert container.streams.video[0].sample_aspect_ratio == Fraction(3, 4)


def test_reads_motion_jpeg_whose_frames_have_exif(tmp_path: Path) -> None:
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0112] = 8
    Image.fromarray(picture(0, SIZE)).save(buffer, "JPEG", exif=exif)
    (tmp_path / "a.mjpeg").write_bytes(3 * buffer.getvalue())
    _, frames, _ = read(tmp_path / "a.mjpeg")
    assert [frame.image.shape for frame in frames] == 3 * [(96, 64, 3)]
    assert np.abs(frames[0].image - np.rot90(picture(0, SIZE)).astype(int)).mean() < 8


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_the_containers_pixel_aspect_comes_before_the_codecs(tmp_path: Path, suffix: str) -> None:
    square = make_clip(tmp_path / "square.mp4", 2, aspect=Fraction(1))
    clip, frames, _ = read(remux(square, tmp_path / f"a.{suffix}", aspect=Fraction(64, 45)))
    assert clip.aspect == Fraction(64, 45)
    assert frames[0].aspect == pytest.approx(64 / 45)


def test_reads_the_display_width_of_matroska(tmp_path: Path) -> None:
    path = make_clip(tmp_path / "a.mkv", 2, codec="ffv1", pixels="yuv420p")
    data = path.read_bytes()
    unit, width = b"\x54\xb2\x81\x04", b"\x54\xb0\x81\x80"  # DisplayUnit 4 (unknown), DisplayWidth 128
    assert data.count(unit) == 1
    path.write_bytes(data.replace(unit, width))
    assert read(path)[0].aspect == Fraction(4, 3)


@pytest.mark.parametrize(("suffix", "codec"), [("mkv", "libx264"), ("avi", "mpeg4"), ("ts", "libx264")])
def test_reads_the_pixel_aspect_of_the_codec(tmp_path: Path, suffix: str, codec: str) -> None:
    clip, _, _ = read(make_clip(tmp_path / f"a.{suffix}", 6, codec=codec, aspect=Fraction(16, 11)))
    assert clip.aspect == Fraction(16, 11)


def test_ignores_an_impossible_pixel_aspect(tmp_path: Path) -> None:
    clip, _, _ = read(make_clip(tmp_path / "a.mp4", 2, aspect=Fraction(500, 1)))
    assert clip.aspect == 1


def test_a_live_stream_has_its_pixel_aspect(tmp_path: Path) -> None:
    clip = make_clip(tmp_path / "a.ts", 6, aspect=Fraction(16, 11))
    with (
        SmallRtsp([clip]) as server,
        NetworkStream(Source("stream", server.address), Patience(retry_s=0.0)) as stream,
    ):
        frames = list(stream)
    assert stream.aspect == Fraction(16, 11)
    assert frames[0].aspect == pytest.approx(16 / 11)


def test_the_network_gets_square_pixels(model: Path) -> None:
    predictor = Predictor(model)
    image = picture(0, SIZE)
    square, wide = predictor.predict([Frame(image, "a.mp4"), Frame(image, "a.mp4", aspect=2.0)])
    width, height = square.geometry.content
    assert wide.geometry.content[0] / wide.geometry.content[1] == pytest.approx(2 * width / height, rel=0.15)
    assert wide.labels.shape == image.shape[:2]
    assert (wide.labels == square.labels).mean() > 0.9


BARS = [(191, 191, 191), (191, 191, 0), (0, 191, 191), (0, 191, 0), (191, 0, 191), (191, 0, 0), (0, 0, 191)]
KR_KB = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # by H.273's code of the matrix


def bars_clip(path: Path, size: tuple[int, int], matrix: int, *, full: bool, tags: dict[str, int]) -> Path:
    """Colour bars, converted by `matrix` and tagged with `tags`."""
    kr, kb = KR_KB[matrix]
    r, g, b = np.repeat(np.array(BARS).T / 255, size[0] // len(BARS) + 1, axis=1)[:, : size[0]]
    luma = kr * r + (1 - kr - kb) * g + kb * b
    chroma = [(b - luma) / (1 - kb) / 2, (r - luma) / (1 - kr) / 2]
    scaled = [255 * luma, *(255 * c + 128 for c in chroma)]
    if not full:
        scaled = [219 * luma + 16, *(224 * c + 128 for c in chroma)]
    rows = [np.rint(line).astype(np.uint8) for line in (scaled[0], scaled[1][::2], scaled[2][::2])]
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "crf": "8"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        frame = av.VideoFrame(*size, "yuv420p")
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
            setattr(frame, name, value)
        for plane, row in zip(frame.planes, rows, strict=True):
            plane.update(np.pad(np.tile(row, (plane.height, 1)), ((0, 0), (0, plane.line_size - plane.width))))
        frame.pts = 0
        out.mux(stream.encode(frame))
        out.mux(stream.encode())
    return path


@pytest.mark.parametrize(
    ("size", "matrix", "full", "tags"),
    [
        ((1280, 64), 1, False, {}),
        ((140, 720), 1, False, {}),
        ((320, 64), 6, False, {}),
        ((1280, 64), 6, False, {"colorspace": 6, "color_range": 1}),
        ((320, 64), 1, True, {"colorspace": 1, "color_range": 2}),
        ((320, 64), 9, False, {"colorspace": 9, "color_range": 1}),
        ((320, 64), 9, False, {"colorspace": 10, "color_range": 1}),
        ((1280, 64), 1, False, {"colorspace": 8, "color_range": 1}),
    ],
)
def test_colours_come_back_by_tag_or_size(
    tmp_path: Path, size: tuple[int, int], matrix: int, full: bool, tags: dict[str, int]
) -> None:
    _, frames, _ = read(bars_clip(tmp_path / "bars.mp4", size, matrix, full=full, tags=tags))
    places = [round((index + 0.5) * (size[0] // len(BARS) + 1)) for index in range(len(BARS))]
    assert np.abs(frames[0].image[32, places].astype(int) - BARS).max() <= 5


@pytest.mark.parametrize(
    ("tags", "says"),
    [
        ({"color_trc": 16, "color_primaries": 9, "colorspace": 9}, "HDR video (PQ, BT.2020) is read as SDR"),
        ({"color_trc": 18, "color_primaries": 9, "colorspace": 9}, "HDR video (HLG, BT.2020) is read as SDR"),
        ({"color_trc": 14, "color_primaries": 9, "colorspace": 9}, "BT.2020 video is read as BT.709"),
        ({"colorspace": 8}, "the colour matrix (H.273 code 8) is not supported"),
    ],
)
def test_logs_colours_that_are_not_converted_once(
    tmp_path: Path, call: Call, tags: dict[str, int], says: str
) -> None:
    make_clip(tmp_path / "hdr.mp4", 3, tags=tags)
    assert call("hdr.mp4", "--outdir", "out").err.count(f"warning: hdr.mp4: {says}") == 1
    assert len(lines(tmp_path / "out/hdr.ndjson")) == 3


def test_logs_interlaced_video_once(tmp_path: Path) -> None:
    _, frames, notes = read(make_clip(tmp_path / "a.ts", 4, encoder={"x264-params": "interlaced=1"}))
    assert len(frames) == 4
    assert len(notes) == 1
    assert "interlaced video" in notes[0]


@pytest.mark.parametrize(
    ("suffix", "default", "used"), [("mkv", 0, (96, 64)), ("mkv", None, (192, 128)), ("ts", None, (192, 128))]
)
def test_takes_the_default_or_the_largest_video_track(
    tmp_path: Path, suffix: str, default: int | None, used: tuple[int, int]
) -> None:
    path = make_tracks(tmp_path / f"a.{suffix}", [(96, 64), (192, 128), (48, 32)], default=default)
    clip, _, notes = read(path)
    assert clip.size == used
    assert notes == [
        f"{path}: 3 video tracks; track {1 if used == SIZE else 2} ({used[0]}x{used[1]}, mpeg4) is used"
    ]


def test_keeps_the_first_audio_track_that_can_be_decoded(tmp_path: Path, call: Call) -> None:
    make_tracks(tmp_path / "in.mkv", [SIZE], sounds=("tta", "aac"))
    assert call("in.mkv", "--outdir", "out").status == 0
    with av.open(str(tmp_path / "out/in.mp4")) as container:
        assert [stream.codec_context.name for stream in container.streams.audio] == ["aac"]


def avif(frames: int = 1) -> bytes:
    buffer = io.BytesIO()
    first, *rest = (Image.fromarray(picture(index, SIZE)) for index in range(frames))
    first.save(buffer, "AVIF", save_all=frames > 1, append_images=rest)
    return buffer.getvalue()


def heic() -> bytes:
    """An AVIF file that declares the brands of HEIC."""
    data = avif()
    end = int.from_bytes(data[:4], "big")
    return data[:end].replace(b"avif", b"heic").replace(b"MA1B", b"heix") + data[end:]


def test_rejects_heic_whatever_its_name(tmp_path: Path, call: Call) -> None:
    names = ["a.heic", "b.HEIF", "c.mp4", "d.mov", "e"]
    for name in names:
        (tmp_path / name).write_bytes(heic())
    done = call(*names, "--outdir", "out")
    assert done.status == 1
    said = sorted(line.removesuffix("; passed over") for line in done.errors)
    assert said == [
        f"error: {name}: HEIC/HEIF images are not supported; export the image as JPEG" for name in names
    ]
    assert not (tmp_path / "out").exists()


def test_rejects_images_that_are_named_as_videos(tmp_path: Path) -> None:
    (tmp_path / "still.mp4").write_bytes(avif())
    (tmp_path / "moving.mp4").write_bytes(avif(3))
    Image.fromarray(picture(0, SIZE)).save(tmp_path / "photo.mp4", "JPEG")
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (512, 512, 3), np.uint8)).save(
        tmp_path / "large.avi", "JPEG"
    )
    fix = {"still.mp4": ".avif", "moving.mp4": ".avif", "photo.mp4": ".jpg", "large.avi": ".jpg"}
    for name, suffix in fix.items():
        with pytest.raises(
            InputError, match=rf"{name}: an? \w+ image, not a video; rename it to end in \{suffix}"
        ):
            read(tmp_path / name)


def test_an_avif_image_without_a_suffix_is_an_image(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(avif())
    assert [source.kind for source in find_sources([str(tmp_path / "image")])] == ["picture"]


def test_frames_are_freed_without_the_garbage_collector(tmp_path: Path) -> None:
    """A decoded frame has threads and memory of its own, which pile up where something refers back to it."""
    gc.collect()
    gc.disable()
    try:
        with open_clip(Source("video", str(make_clip(tmp_path / "a.mp4", 60)))) as clip:
            images = sum(1 for _ in clip)
        assert images == 60
        left = [one for one in gc.get_objects() if type(one) is av.VideoFrame]
    finally:
        gc.enable()
    assert len(left) < 10
