"""What a recipe requires before one of its artifacts is promoted."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from olivepress.core.yaml_document import Record

__all__ = ["Promotion"]

Text = Annotated[str, Field(min_length=1, max_length=100)]


class Promotion(Record):
    """Beside the ``budget``, and the ``margin`` under ``limits``."""

    machines: tuple[Text, ...] = Field(
        (), description="names or ids of machines that each need a device report of the artifact; any one if left out"
    )
    max_report_days: int = Field(90, ge=1, le=36_500, description="device reports that are older do not count")
    allow: tuple[Literal["synthetic data", "random weights"], ...] = Field(
        (), description="what may be promoted although it says nothing about real use"
    )
    licences: dict[Literal["base", "adapter", "data"], Text] = Field(
        {},
        description="SPDX identifiers of the base model, the adapter of finetune.start_from and the data, where their "
        "files do not state them",
    )
    require: tuple[Literal["safety", "canaries", "people", "card", "best"], ...] = Field(
        (), description="what must have been done with this very artifact, beside the device reports, and have passed"
    )
    logs: tuple[Text, ...] = Field(
        (), description="JSON lines of answers in use (olivepress monitor); those of the artifact must raise no alert"
    )
    use: Literal["commercial", "non-commercial"] = Field(
        "commercial", description="what the artifact is for; some licences allow only the second"
    )
