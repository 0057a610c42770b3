"""A generated drive on disk: a clip with its labels and depth beside it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from depdis_deploy.command import UsageError
from depdis_deploy.files import written_whole
from depdis_deploy.media.containers import create_container
from depdis_deploy.progress import tracked

from . import StreetPicture, drive
from .claim import claimed, write_files
from .formats import depth_cm, label_palette, palette_png, png
from .palette import Domain
from .writer import DOMAINS, SMALLEST_SIDE

RATE = 25  # frames a second
CLIP = "drive.mp4"
_BT601, _LIMITED = 6, 1  # colour tags, by their codes in H.264
_ENCODING = {"preset": "slow", "crf": "20"}


def write_drive(
    root: Path, *, frames: int, size: tuple[int, int], domain: Domain, seed: int = 0, quiet: bool = False
) -> None:
    """Write drive.mp4 (H.264), labels/000000.png ... (8-bit palette, indices into the 16 classes),
    depth/000000.png ... (16 bit, centimetres, 65535 the sky) and camera.json, the focal length in pixels.

    An interrupted drive is begun anew by the same call; a finished one is left as it is; one that another
    process writes is waited for. InputError: `root` holds something else or another drive.
    """
    if domain not in DOMAINS:
        raise UsageError(f"a drive's domain is one of {', '.join(DOMAINS)}, got {domain!r}")
    if frames < 1 or seed < 0 or min(size) < SMALLEST_SIDE or size[0] % 2 or size[1] % 2:
        raise UsageError(
            f"a drive has at least one frame, a seed from 0 and an even size from {SMALLEST_SIDE} pixels, "
            f"got {frames} frames, seed {seed}, {size[0]}x{size[1]}"
        )
    description = {"kind": "drive", "domain": domain, "frames": frames, "size": size, "seed": seed}
    with claimed(root, description) as claim:
        # The clip gets its name last, so where it is everything is.
        if not (root / CLIP).exists():
            claim.require_same_generator()
            with written_whole(root / CLIP) as temporary:
                pictures = tracked(drive(domain, seed, frames, size, RATE), "drive", frames, quiet=quiet)
                _write(root, temporary, pictures, size)


def _write(root: Path, clip: Path, pictures: Iterable[StreetPicture], size: tuple[int, int]) -> None:
    with create_container(clip, {"movflags": "+faststart"}) as out:
        stream = out.add_stream("libx264", rate=RATE, options=_ENCODING)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        # What the conversion from RGB writes; readers take an untagged HD video for BT.709.
        stream.codec_context.colorspace, stream.codec_context.color_range = _BT601, _LIMITED
        # More threads would make other bytes of the same pictures.
        stream.codec_context.thread_count = 1
        for index, picture in enumerate(pictures):
            if index == 0:
                camera = {"focal_px": picture.focal_px}
                write_files(root, {"camera.json": f"{json.dumps(camera)}\n".encode()})
            write_files(
                root,
                {
                    f"labels/{index:06d}.png": palette_png(picture.labels, label_palette()),
                    f"depth/{index:06d}.png": png(depth_cm(picture.depth_m)),
                },
            )
            out.mux(stream.encode(_frame(picture.image, index)))
        out.mux(stream.encode())


def _frame(image: NDArray[np.uint8], index: int) -> Any:
    frame = av.VideoFrame.from_ndarray(image, format="rgb24")
    frame.pts, frame.time_base = index, Fraction(1, RATE)
    return frame
