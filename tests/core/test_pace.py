"""How long counted work will still take, by a clock that the test sets."""

from __future__ import annotations

import pytest

from olivepress.core.pace import Pace, duration


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_what_is_left_follows_from_what_was_done() -> None:
    clock = Time()
    pace = Pace(clock)
    assert pace.left is None and pace.end is None
    clock.now += 50  # until the first report: no part of the pace
    pace.report(100, 300)  # resumed: an earlier attempt did the first hundred
    assert pace.left is None
    clock.now += 20
    pace.report(110, 300)
    assert pace.end == clock.now + 2 * 190
    clock.now += 5
    assert pace.left == 2 * 190 - 5
    clock.now += 1000
    assert pace.left == 0.0


def test_a_count_that_begins_anew_is_other_work() -> None:
    clock = Time()
    pace = Pace(clock)
    for done in (0, 10, 20):
        pace.report(done, 20)
        clock.now += 10
    pace.report(0, 20)
    assert pace.left is None
    clock.now += 1
    pace.report(1, 20)
    assert pace.left == 19.0
    pace.report(1, 40)
    assert pace.left is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (120, "2.0 min"), (1200, "20 min"), (5400, "1.5 h"), (200_000, "2.3 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text
