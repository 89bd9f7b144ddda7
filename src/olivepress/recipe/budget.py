"""Hard limits of a recipe: what may be shipped at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field, create_model, field_validator

from olivepress.core.yaml_document import Record
from olivepress.report.registry import limited

__all__ = ["Budget", "budget_record"]


class _Budget(Record):
    """Hard limits of what may be shipped, in the metrics' units; what was not measured does not meet its limit.

    Each key is min_ or max_ and the name of a metric (docs/reference.md).
    """

    @field_validator("min_gain_retained", check_fields=False)
    @classmethod
    def _is_a_share(cls, value: float | None) -> float | None:
        if value is not None and value > 2:
            raise ValueError("a share of at most 2, as 0.95 for 95 %")
        return value

    @property
    def limits(self) -> dict[str, float]:
        """The limits that were set."""
        return {name: value for name, value in self.model_dump().items() if value is not None}


def budget_record() -> type[_Budget]:
    """The record of a budget: a key for each metric that may be limited."""
    keys: dict[str, Any] = {}
    for key, metric in limited().items():
        limit = metric.limit
        if limit is not None:
            allowed = Field(None, gt=limit.above, ge=limit.low, le=limit.high, description=limit.description or None)
            keys[key] = (float | None, allowed)
    return create_model("Budget", __base__=_Budget, __doc__=_Budget.__doc__, **keys)


if TYPE_CHECKING:
    Budget = _Budget
else:
    Budget = budget_record()
