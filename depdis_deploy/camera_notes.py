"""What `depdis-infer` says of the camera in whose metres depth is."""

from __future__ import annotations

from collections.abc import Callable

from .prediction import Camera


class CameraNotes:
    """Says once for which field of view metres hold where none was given, and in the end what came of a given
    height."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._assumed = False
        self._scales: list[float] = []  # least and most
        self._sources = {"road": 0, "earlier frames": 0, None: 0}

    def add(self, camera: Camera | None) -> None:
        """The next picture's."""
        if camera is None:
            return
        if camera.assumed and not self._assumed:
            self._assumed = True
            height = "" if camera.height is None else ", which its height does not tell"
            self._say(
                f"depth is in metres of the model's canonical camera, which sees {camera.fov_degrees:.0f} "
                f"degrees from left to right of such a picture; give yours by --camera-fov DEGREES{height}"
            )
        if camera.height is not None:
            self._sources[camera.height.source] += 1
            ends = [*self._scales, camera.height.scale]
            self._scales = [min(ends), max(ends)]

    def close(self) -> None:
        """The sums."""
        if not self._scales:
            return
        seen, earlier, none = self._sources.values()
        low, high = self._scales
        scales = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        text = f"camera height: depth scaled by {scales}, by the road seen in {seen} of {seen + earlier + none}"
        if earlier:
            text += f", by frames before in {earlier}"
        if none:
            text += f"; in {none} no scale was found, depth there is as the model gives it"
        self._say(text)
