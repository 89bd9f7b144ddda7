"""Metrics of time and resources: one measurement of a workload gives all of the group ``latency``."""

from __future__ import annotations

from olivepress.report.registry import NOT_NEGATIVE, POSITIVE_LIMIT, Column, Metric, declare

__all__: list[str] = []

declare(
    Metric(
        name="load_ms",
        unit="ms",
        direction="lower",
        title="Load",
        description="Model and tokenizer created in a fresh process, runtime already imported.",
        group="latency",
        column=Column(place=150),
        views=("workload",),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="ttft_ms",
        unit="ms",
        direction="lower",
        title="TTFT",
        description="Prefill of the prompt's tokens plus the first token (model only).",
        group="latency",
        judge="rounds",
        column=Column(place=100),
        views=("terminal", "card", "workload", "history"),
        limit=POSITIVE_LIMIT,
        gated=True,
    )
)
declare(
    Metric(
        name="request_ttft_ms",
        unit="ms",
        direction="lower",
        title="Request TTFT",
        description="As ttft_ms, with rendering the template, tokenizing and setting up the generator.",
        group="latency",
        views=("workload",),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="e2e_ms",
        unit="ms",
        direction="lower",
        title="End to end",
        description="From the request (template, tokenization) to the last token.",
        group="latency",
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="prefill_tps",
        unit="tokens/s",
        direction="higher",
        title="Prefill",
        description="Prompt tokens over ttft_ms.",
        group="latency",
        column=Column(place=110),
        views=("workload",),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="decode_tps",
        unit="tokens/s",
        direction="higher",
        title="Decode",
        description="Tokens after the first over the sum of their step times.",
        group="latency",
        judge="rounds",
        column=Column(place=120),
        views=("terminal", "card", "workload", "history"),
        limit=POSITIVE_LIMIT,
        gated=True,
    )
)
declare(
    Metric(
        name="itl_p50_ms",
        unit="ms",
        direction="lower",
        title="ITL p50",
        description="Median time between tokens, over all steps of all repetitions.",
        group="latency",
        views=("workload",),
    )
)
declare(
    Metric(
        name="itl_p90_ms",
        unit="ms",
        direction="lower",
        title="ITL p90",
        description="90th percentile of the time between tokens.",
        group="latency",
    )
)
declare(
    Metric(
        name="itl_p95_ms",
        unit="ms",
        direction="lower",
        title="ITL p95",
        description="95th percentile of the time between tokens.",
        group="latency",
    )
)
declare(
    Metric(
        name="itl_p99_ms",
        unit="ms",
        direction="lower",
        title="ITL p99",
        description="99th percentile of the time between tokens.",
        group="latency",
        views=("workload",),
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="peak_memory_bytes",
        unit="bytes",
        direction="lower",
        title="Peak memory",
        description="Peak resident set of the measuring process (VmHWM).",
        group="latency",
        judge="threshold",
        threshold=0.05,
        column=Column(place=160),
        views=("card", "history"),
        limit=POSITIVE_LIMIT,
        gated=True,
    )
)
declare(
    Metric(
        name="peak_accelerator_memory_bytes",
        unit="bytes",
        direction="lower",
        title="Accelerator memory",
        description="Memory of the accelerator that the measuring process uses at its end (the runtime's arena "
        "does not shrink).",
        group="latency",
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="energy_j_per_token",
        unit="J/token",
        direction="lower",
        title="Energy",
        description="Energy of the counter's package over generated tokens.",
        group="latency",
        limit=POSITIVE_LIMIT,
    )
)
declare(
    Metric(
        name="harness_overhead",
        unit="ratio",
        direction="lower",
        title="Harness overhead",
        description="Time of the measuring loop around an empty step over the median time between tokens.",
        group="latency",
        values=NOT_NEGATIVE,
    )
)
declare(
    Metric(
        name="size_on_disk_bytes",
        unit="bytes",
        direction="lower",
        title="Size",
        description="All files of the model folder but its reference, and of an adapter that is not merged.",
        group="size",
        judge="threshold",
        threshold=0.01,
        column=Column(place=170),
        views=("terminal", "card", "history"),
        limit=POSITIVE_LIMIT,
        gated=True,
    )
)

# How far the times can be trusted.
declare(
    Metric(
        name="bytes_per_token",
        unit="bytes",
        direction="lower",
        title="Bytes per token",
        description="Weights and KV cache that one decode step reads, at the middle of the generated tokens.",
        group="reliability",
    )
)
declare(
    Metric(
        name="roofline_fraction",
        unit="ratio",
        direction="higher",
        title="Of the ceiling",
        description="bytes_per_token x decode_tps over the read bandwidth measured with the session's threads.",
        group="reliability",
        values=NOT_NEGATIVE,
        column=Column(place=140, always=False),
    )
)
declare(
    Metric(
        name="noise_floor",
        unit="ratio",
        direction="lower",
        title="Noise floor",
        description="A/A: 95th percentile of the relative difference of decode_tps between two halves of the "
        "artifact's own rounds.",
        group="reliability",
        values=NOT_NEGATIVE,
        column=Column(place=130, always=False),
    )
)
declare(
    Metric(
        name="drift",
        unit="ratio",
        direction="lower",
        title="Drift",
        description="Relative change of decode_tps from the first to the last round (Theil-Sen slope), absolute.",
        group="reliability",
        values=NOT_NEGATIVE,
    )
)
