"""A measured number with its unit, interval and count, or the reason why it was not measured."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from olivepress.report.registry import METRICS, out_of_range

__all__ = ["MOST", "Measurement", "ReportRecord", "measured", "not_measured"]

MOST = 2**53  # the largest whole number that a float distinguishes from its neighbours


class ReportRecord(BaseModel):
    """Base of every record of a device report: frozen, no unknown keys, numbers that are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measurement(ReportRecord):
    """A number with its unit, its count of observations and a 95 % interval, or the reason why it has no value."""

    value: float | None = None
    unit: str
    n: int = Field(default=0, ge=0, le=MOST)
    ci_low: float | None = None
    ci_high: float | None = None
    reason: str | None = None

    @model_validator(mode="after")
    def _value_xor_reason(self) -> Measurement:
        if (self.value is None) == (self.reason is None):
            raise ValueError("a measurement has either a value or a reason why there is none")
        if (self.ci_low is None) != (self.ci_high is None):
            raise ValueError("an interval has two ends")
        if self.ci_low is not None and self.ci_high is not None and (self.value is None or self.ci_low > self.ci_high):
            raise ValueError("an interval needs a value and low <= high")
        if self.reason is not None and not self.reason.strip():
            raise ValueError("the reason is empty")
        return self

    @property
    def ends(self) -> tuple[float | None, float | None]:
        """The ends of the interval, or twice the value where there is no interval."""
        if self.ci_low is None:
            return self.value, self.value
        return self.ci_low, self.ci_high


def measured(name: str, value: float, *, n: int, interval: tuple[float, float] | None = None) -> Measurement:
    """A value of the metric ``name``, in the unit the registry gives it; none, with the reason, outside its range."""
    if problem := out_of_range(name, value):
        return not_measured(name, f"{problem}: not a measurement")
    low, high = interval if interval else (None, None)
    return Measurement(value=value, unit=METRICS[name].unit, n=n, ci_low=low, ci_high=high)


def not_measured(name: str, reason: str) -> Measurement:
    """The metric ``name`` without a value, and why."""
    return Measurement(unit=METRICS[name].unit, reason=reason)
