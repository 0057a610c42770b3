"""A video's course over time, from its lines."""

from __future__ import annotations

import json

from depdis_demo.series import Series


def line(time_s: float, **classes: tuple[float, float]) -> str:
    found = {
        name: {"share": share, "nearest_depth_m": metres, "median_depth_m": metres}
        for name, (share, metres) in classes.items()
    }
    return json.dumps({"time_s": time_s, "classes": found})


def test_shares_and_the_nearest_person_and_vehicle() -> None:
    series = Series()
    series.add(line(0.0, road=(0.6, 3.0), person=(0.01, 9.0), rider=(0.02, 4.0), car=(0.0005, 1.0)))
    series.add(line(0.5, road=(0.4, 3.0), person=(0.0, 9.0), rider=(0.0, 4.0), car=(0.3, 7.0)))
    charted = series.charted()
    assert charted["times"] == [0.0, 0.5]
    assert charted["shares"]["road"] == [0.6, 0.4]
    assert charted["nearest"] == {"person": [4.0, None], "vehicle": [None, 7.0]}
    assert series.seconds == 0.5


def test_a_long_video_is_charted_in_few_steps_that_keep_what_came_nearest() -> None:
    series = Series()
    for frame in range(3000):
        series.add(line(frame / 25, road=(0.5, 3.0), car=(0.1, 2.5 if frame == 1234 else 20.0)))
    charted = series.charted()
    assert len(charted["times"]) <= 240
    assert min(charted["nearest"]["vehicle"]) == 2.5
    assert set(charted["shares"]["road"]) == {0.5}
    assert charted["nearest"]["person"] == [None] * len(charted["times"])


def test_nothing_yet_is_an_empty_chart() -> None:
    assert Series().charted() == {"times": [], "shares": {}, "nearest": {"person": [], "vehicle": []}}
