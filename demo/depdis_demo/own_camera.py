"""A visitor's own camera, as a tab's fields say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from depdis_deploy.command import UsageError

if TYPE_CHECKING:
    from depdis_deploy import Predictor


def behind(predictor: Predictor, asked: dict[str, Any]) -> Predictor:
    """The predictor for pictures of the camera that was `asked` for. UsageError: there is no such camera."""
    return predictor.with_camera(
        _number(asked, "fov", "field of view"), camera_height=_number(asked, "height", "camera height")
    )


def _number(asked: dict[str, Any], key: str, name: str) -> float | None:
    given = asked.get(key)
    if given in (None, ""):
        return None
    try:
        return float(given)
    except (TypeError, ValueError):
        raise UsageError(f"{name}: expected a number") from None
