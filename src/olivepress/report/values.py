"""Values as text, in the unit that a reader expects."""

from __future__ import annotations

from olivepress.core.printable import printable

__all__ = ["NULL", "format_value"]

NULL = "–"  # what was not measured


def format_value(unit: str, value: float) -> str:
    """Three significant digits in the unit a reader expects: shares in percent, bytes in MB or GB (powers of ten)."""
    if unit == "ratio":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"
    if unit == "nats":
        return f"{value:.2g}"
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if unit in ("1", "points"):
        return digits
    return f"{digits} {'tok/s' if unit == 'tokens/s' else printable(unit)}"
