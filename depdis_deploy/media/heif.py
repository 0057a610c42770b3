"""HEIF (HEIC, AVIF): which files of the MP4 family hold images, by the brands in their `ftyp` box."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

HEAD_BYTES = 256  # enough for a `ftyp` box with 60 brands
_AVIF = {"avif", "avis"}
# Images and image sequences of ISO/IEC 23008-12, whose codecs are HEVC, AVC, JPEG, JPEG 2000 and VVC.
_HEVC = "heic heix heim heis hevc hevx hevm hevs"
_HEIF = frozenset(f"{_HEVC} mif1 mif2 msf1 miaf 1pic avci avcs jpeg jpgs j2ki j2is vvic vvis".split())
HEIC_ERROR = "HEIC/HEIF images are not supported; export the image as JPEG"
AVIF_ERROR = "an AVIF image, not a video; rename it to end in .avif"


def brands_of(head: bytes) -> tuple[str, ...]:
    """Return the brands of the `ftyp` box that a file starts with, the major one first; none without a box."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head))
    found = [head[8:12], *(head[at : at + 4] for at in range(16, end - 3, 4))]
    return tuple(brand.decode("latin-1") for brand in found)


def is_heic(brands: Sequence[str]) -> bool:
    """Whether a file is a HEIF image or image sequence in another codec than AV1."""
    return bool(brands) and brands[0] in _HEIF and _AVIF.isdisjoint(brands)


def is_avif(brands: Sequence[str]) -> bool:
    """Whether a file is an AVIF image or image sequence."""
    return bool(brands) and brands[0] in _HEIF | _AVIF and not _AVIF.isdisjoint(brands)


def image_error(brands: Sequence[str], frames: Iterable[int]) -> str | None:
    """Return why a file that FFmpeg opens as a video is none; None for a video.

    Args:
        brands: As from `brands_of`.
        frames: Number of frames in each video stream. FFmpeg makes a stream of one frame of each tile.
    """
    named_video = bool(brands) and brands[0] not in _HEIF | _AVIF
    if _HEIF.union(_AVIF).isdisjoint(brands) or (named_video and max(frames, default=0) > 1):
        return None
    return HEIC_ERROR if _AVIF.isdisjoint(brands) else AVIF_ERROR
