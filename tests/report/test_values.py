from __future__ import annotations

import pytest

from olivepress.report.values import format_value


@pytest.mark.parametrize(
    ("unit", "number", "text"),
    [
        ("ratio", 0.98765, "98.8 %"),
        ("bytes", 999_000_000.0, "999.0 MB"),
        ("bytes", 4.3e9, "4.30 GB"),
        ("ms", 0.04213, "0.0421 ms"),
        ("ms", 1234.5, "1234 ms"),
        ("tokens/s", 15.94, "15.9 tok/s"),
        ("nats", 3.1e-7, "3.1e-07"),
        ("logits", 10.8, "10.8 logits"),
        ("1", 12.34, "12.3"),
        ("s", 75.25, "75.2 s"),
    ],
)
def test_values(unit: str, number: float, text: str) -> None:
    assert format_value(unit, number) == text
