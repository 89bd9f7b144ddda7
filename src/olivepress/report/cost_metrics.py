"""What fine-tuning gained, and what it cost."""

from __future__ import annotations

from olivepress.report.registry import ANY, POSITIVE_LIMIT, Column, Limit, Metric, declare

__all__: list[str] = []

declare(
    Metric(
        name="gain_retained",
        unit="ratio",
        direction="higher",
        title="Gain retained",
        description="(exact match - base) / (fine-tuned parent - base) on the same examples.",
        group="task",
        values=ANY,
        column=Column(place=60, always=False),
        limit=Limit(above=0, description="a share: 0.95 for 95 %", needs_interval=True),
    )
)
declare(
    Metric(
        name="train_s",
        unit="s",
        direction="lower",
        title="Training",
        description="Wall time of the finetune job.",
        group="cost",
    )
)
declare(
    Metric(
        name="train_peak_memory_bytes",
        unit="bytes",
        direction="lower",
        title="Training memory",
        description="Peak memory of the finetune job's process.",
        group="cost",
    )
)
declare(
    Metric(
        name="build_s",
        unit="s",
        direction="lower",
        title="Build",
        description="Wall time of merge and export, verification included.",
        group="cost",
    )
)
declare(
    Metric(
        name="evaluation_s",
        unit="s",
        direction="lower",
        title="Evaluation",
        description="Wall time of this bench.",
        group="cost",
        column=Column(place=180),
    )
)
declare(
    Metric(
        name="evaluation_peak_memory_bytes",
        unit="bytes",
        direction="lower",
        title="Evaluation memory",
        description="Largest peak of any process of this bench.",
        group="cost",
    )
)
declare(
    Metric(
        name="cost",
        unit="currency",
        direction="lower",
        title="Cost",
        description="Training, build and evaluation hours times the rate the recipe states.",
        group="cost",
        column=Column(place=190, always=False),
        limit=POSITIVE_LIMIT,
    )
)
