"""Hard limits of a recipe: what may be shipped at all."""

from __future__ import annotations

from pydantic import Field, field_validator

from olivepress.core.yaml_document import Record

__all__ = ["Budget"]


class Budget(Record):
    """Hard limits of what may be shipped, in the metrics' units; what was not measured does not hold its limit.

    Each key is min_ or max_ and the name of a metric (docs/reference.md).
    """

    max_ttft_ms: float | None = Field(None, gt=0)
    max_request_ttft_ms: float | None = Field(None, gt=0)
    max_e2e_ms: float | None = Field(None, gt=0)
    max_itl_p99_ms: float | None = Field(None, gt=0)
    max_load_ms: float | None = Field(None, gt=0)
    min_prefill_tps: float | None = Field(None, gt=0)
    min_decode_tps: float | None = Field(None, gt=0)
    max_peak_memory_bytes: float | None = Field(None, gt=0)
    max_peak_accelerator_memory_bytes: float | None = Field(None, gt=0)
    max_size_on_disk_bytes: float | None = Field(None, gt=0)
    max_energy_j_per_token: float | None = Field(None, gt=0)
    min_exact_match: float | None = Field(None, ge=0, le=1)
    min_f1_token: float | None = Field(None, ge=0, le=1)
    min_f1_macro: float | None = Field(None, ge=0, le=1)
    min_rouge_l: float | None = Field(None, ge=0, le=1)
    min_label_accuracy_constrained: float | None = Field(None, ge=0, le=1)
    min_json_valid: float | None = Field(None, ge=0, le=1)
    min_json_schema_match: float | None = Field(None, ge=0, le=1)
    min_gain_retained: float | None = Field(None, gt=0, description="a share: 0.95 for 95 %")
    min_top1_agreement: float | None = Field(None, ge=0, le=1)
    max_kl_divergence: float | None = Field(None, gt=0)
    max_kl_top256: float | None = Field(None, gt=0)
    max_kl_answer: float | None = Field(None, gt=0)
    min_top1_answer: float | None = Field(None, ge=0, le=1)
    max_perplexity: float | None = Field(None, ge=1)
    max_cost: float | None = Field(None, gt=0)

    @field_validator("min_gain_retained")
    @classmethod
    def _is_a_share(cls, value: float | None) -> float | None:
        if value is not None and value > 2:
            raise ValueError("a share of at most 2, as 0.95 for 95 %")
        return value

    @property
    def limits(self) -> dict[str, float]:
        """The limits that were set."""
        return {name: value for name, value in self.model_dump().items() if value is not None}
