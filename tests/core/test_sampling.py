"""Items at equal distances."""

from __future__ import annotations

import pytest

from olivepress.core.sampling import evenly_spread


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(10, 5, [0, 2, 4, 6, 8]), (10, 3, [0, 3, 6]), (3, 3, [0, 1, 2]), (3, 9, [0, 1, 2]), (3, 0, []), (0, 4, [])],
)
def test_equal_distances_from_the_first_on(count: int, most: int, expected: list[int]) -> None:
    assert evenly_spread(range(count), most) == expected
