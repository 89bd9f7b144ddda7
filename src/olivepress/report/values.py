"""Values as text, in the unit that a reader expects."""

from __future__ import annotations

from olivepress.core.printable import printable

__all__ = ["NULL", "format_value", "number_and_unit"]

NULL = "–"  # what was not measured
_SHOWN_UNITS = {"1": "", "points": "", "tokens/s": "tok/s"}


def format_value(unit: str, value: float) -> str:
    """Three significant digits in the unit a reader expects: shares in percent, bytes in MB or GB (powers of ten)."""
    number, shown_unit = number_and_unit(unit, value)
    return f"{number} {shown_unit}" if shown_unit else number


def number_and_unit(unit: str, value: float) -> tuple[str, str]:
    """The two parts of ``format_value``; the unit is empty for a plain number, points and nats."""
    if unit == "ratio":
        return f"{100 * value:.1f}", "%"
    if unit == "bytes":
        return (f"{value / 1e9:.2f}", "GB") if value >= 1e9 else (f"{value / 1e6:.1f}", "MB")
    if unit == "nats":
        return f"{value:.2g}", ""
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return digits, _SHOWN_UNITS.get(unit, printable(unit))
