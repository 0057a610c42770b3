"""A generated drive on disk: a clip with its labels and depth beside it."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

from depdis_deploy.command import UsageError
from depdis_deploy.progress import tracked
from depdis_deploy.video import VideoWriter, to_yuv

from . import StreetPicture
from .formats import depth_cm, label_palette, palette_png, png
from .writer import DOMAINS, SMALLEST_SIDE, claimed, write_files

RATE = 25  # frames a second
CLIP = "drive.mp4"


def write_drive(
    root: Path, *, frames: int, size: tuple[int, int], domain: str, seed: int = 0, quiet: bool = False
) -> None:
    """Write drive.mp4 (H.264), labels/000000.png ... (8-bit palette, indices into the 16 classes) and
    depth/000000.png ... (16 bit, centimetres, 65535 the sky).

    An interrupted drive is begun anew by the same call, since each frame follows from the one before; a
    finished one is left as it is. InputError: `root` holds something else or another drive.
    """
    if domain not in DOMAINS:
        raise UsageError(f"a drive's domain is one of {', '.join(DOMAINS)}, got {domain!r}")
    if frames < 1 or seed < 0 or min(size) < SMALLEST_SIDE or size[0] % 2 or size[1] % 2:
        raise UsageError(
            f"a drive has at least one frame, a seed from 0 and an even size from {SMALLEST_SIDE} pixels, "
            f"got {frames} frames, seed {seed}, {size[0]}x{size[1]}"
        )
    description = {"kind": "drive", "domain": domain, "frames": frames, "size": size, "seed": seed}
    with claimed(root, description):
        # The clip gets its name last, so where it is everything is.
        if (root / CLIP).exists():
            return
        pictures = _drawn(domain, seed, frames, size)
        writer = VideoWriter(
            root / CLIP, size, time_base=Fraction(1, RATE), rate=Fraction(RATE), aspect=Fraction(1)
        )
        try:
            for index, picture in enumerate(tracked(pictures, "drive", frames, quiet=quiet)):
                labels = palette_png(picture.labels, label_palette())
                depth = png(depth_cm(picture.depth_m))
                write_files(root, {f"labels/{index:06d}.png": labels, f"depth/{index:06d}.png": depth})
                writer.write(to_yuv(picture.image), index)
            writer.close()
        except BaseException:
            writer.abandon()
            raise
        writer.finish()


def _drawn(domain: str, seed: int, frames: int, size: tuple[int, int]) -> Iterator[StreetPicture]:
    from . import drive

    yield from drive(domain, seed, frames, size, RATE)
