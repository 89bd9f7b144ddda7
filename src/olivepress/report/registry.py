"""The one list of metrics: name, unit, direction, meaning. Tables, pages and the docs are generated from it.

Metrics that come out of one measurement together (latency, fidelity) are declared here; a metric of the answers is
one function under ``@task_metric`` in ``accuracy.py`` (or in a user's module), which declares it as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LARGEST", "METRICS", "Direction", "Metric", "Unit", "declare", "out_of_range"]

Direction = Literal["higher", "lower"]
Unit = Literal[
    "ms",
    "s",
    "tokens/s",
    "bytes",
    "ratio",
    "nats",
    "logits",
    "tokens",
    "bits/byte",
    "1",
    "points",
    "J/token",
    "currency",
]


LARGEST = 1e18  # no time, size or rate is larger, in any of the units
ANY, NOT_NEGATIVE = (-LARGEST, LARGEST), (0.0, LARGEST)
POSITIVE = (1e-9, LARGEST)  # nothing takes no time
_RANGES: dict[Unit, tuple[float, float]] = {
    "ratio": (0.0, 1.0),
    "points": (0.0, 100.0),
    "ms": POSITIVE,
    "tokens/s": POSITIVE,
}
"""Unit → the smallest and the largest value that a metric may have; 0 and above where nothing else is said."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a number means. ``direction`` says which way is better; ``title`` heads a table column.

    ``low`` and ``high``: a value outside of them cannot be a measurement.
    """

    name: str
    unit: Unit
    direction: Direction
    title: str
    description: str
    low: float = 0.0
    high: float = LARGEST


METRICS: dict[str, Metric] = {}


def declare(
    name: str,
    unit: Unit,
    direction: Direction,
    title: str,
    description: str,
    values: tuple[float, float] | None = None,
) -> Metric:
    """Add a metric to ``METRICS``; ``values`` are its smallest and largest where they are not those of its unit.

    ValueError when the name is taken by another meaning (a programming error).
    """
    low, high = values or _RANGES.get(unit, NOT_NEGATIVE)
    metric = Metric(name=name, unit=unit, direction=direction, title=title, description=description, low=low, high=high)
    if METRICS.setdefault(name, metric) != metric:
        raise ValueError(f"metric {name!r} is declared twice with different meanings")
    return metric


def out_of_range(name: str, value: float) -> str | None:
    """Why a value cannot be one of the metric ``name``; None when it can."""
    metric = METRICS[name]
    if metric.low <= value <= metric.high:
        return None
    expected = f"{metric.low:g} to {metric.high:g}" if metric.high < LARGEST else f"{metric.low:g} or more"
    return f"{name} is {value:g} {metric.unit}, expected {expected}"


# Latency and resources.
declare("load_ms", "ms", "lower", "Load", "Model and tokenizer created in a fresh process, runtime already imported.")
declare("ttft_ms", "ms", "lower", "TTFT", "Prefill of the prompt's tokens plus the first token (model only).")
declare(
    "request_ttft_ms",
    "ms",
    "lower",
    "Request TTFT",
    "As ttft_ms, with rendering the template, tokenizing and setting up the generator.",
)
declare("e2e_ms", "ms", "lower", "End to end", "From the request (template, tokenization) to the last token.")
declare("prefill_tps", "tokens/s", "higher", "Prefill", "Prompt tokens over ttft_ms.")
declare("decode_tps", "tokens/s", "higher", "Decode", "Tokens after the first over the sum of their step times.")
declare("itl_p50_ms", "ms", "lower", "ITL p50", "Median time between tokens, over all steps of all repetitions.")
declare("itl_p90_ms", "ms", "lower", "ITL p90", "90th percentile of the time between tokens.")
declare("itl_p95_ms", "ms", "lower", "ITL p95", "95th percentile of the time between tokens.")
declare("itl_p99_ms", "ms", "lower", "ITL p99", "99th percentile of the time between tokens.")
declare("peak_memory_bytes", "bytes", "lower", "Peak memory", "Peak resident set of the measuring process (VmHWM).")
declare(
    "peak_accelerator_memory_bytes",
    "bytes",
    "lower",
    "Accelerator memory",
    "Memory of the accelerator held by the measuring process at its end (the runtime's arena does not shrink).",
)
declare(
    "size_on_disk_bytes",
    "bytes",
    "lower",
    "Size",
    "All files of the model folder but its reference, and of an adapter that is not merged.",
)
declare("energy_j_per_token", "J/token", "lower", "Energy", "Energy of the counter's package over generated tokens.")

# How far to believe the times.
declare(
    "bytes_per_token",
    "bytes",
    "lower",
    "Bytes per token",
    "Weights and KV cache that one decode step reads, at the middle of the generated tokens.",
)
declare(
    "roofline_fraction",
    "ratio",
    "higher",
    "Of the ceiling",
    "bytes_per_token x decode_tps over the read bandwidth measured with the session's threads.",
    NOT_NEGATIVE,
)
declare(
    "noise_floor",
    "ratio",
    "lower",
    "Noise floor",
    "A/A: 95th percentile of the relative difference of decode_tps between two halves of the artifact's own rounds.",
    NOT_NEGATIVE,
)
declare(
    "drift",
    "ratio",
    "lower",
    "Drift",
    "Relative change of decode_tps from the first to the last round (Theil-Sen slope), absolute.",
    NOT_NEGATIVE,
)
declare(
    "harness_overhead",
    "ratio",
    "lower",
    "Harness overhead",
    "Time of the measuring loop around an empty step over the median time between tokens.",
    NOT_NEGATIVE,
)

# Fidelity to the parent, on the same tokens.
declare("max_abs_logit_diff", "logits", "lower", "Max logit diff", "Largest |parent logit - model logit| seen.")
declare(
    "kl_answer",
    "nats",
    "lower",
    "KL answers",
    "Mean KL(parent || model) per token of the answers, those that were trained on; the parent's tokens are given.",
)
declare("kl_prompt", "nats", "lower", "KL prompts", "As kl_answer, of all other tokens: no training touched them.")
declare("kl_divergence", "nats", "lower", "KL", "Mean KL(parent || model) of the next-token distribution per token.")
declare("kl_p50", "nats", "lower", "KL median", "Median of the per-token KL(parent || model).")
declare("kl_p999", "nats", "lower", "KL p99.9", "99.9th percentile of the per-token KL(parent || model).")
declare(
    "kl_top256",
    "nats",
    "lower",
    "KL top-256",
    "Mean KL over the parent's top 256 tokens and one bucket for the rest; a lower bound of kl_divergence.",
)
declare(
    "kl_top256_answer",
    "nats",
    "lower",
    "KL top-256 answers",
    "As kl_top256, of the answers' tokens only; a lower bound of kl_answer.",
)
declare("top1_agreement", "ratio", "higher", "Top-1 agreement", "Share of positions where both prefer the same token.")
declare("top1_answer", "ratio", "higher", "Top-1 answers", "As top1_agreement, of the answers' tokens only.")
declare(
    "first_divergence",
    "tokens",
    "higher",
    "First divergence",
    "Median over answers of the tokens before the first disagreement in the top token; the answer's length if none.",
)
declare(
    "adapter_kept",
    "ratio",
    "higher",
    "Adapter kept",
    "Share of the adapter's shift of the answers' logits (parent - base) that the model has, by least squares.",
    ANY,
)
declare(
    "adapter_noise",
    "ratio",
    "lower",
    "Adapter noise",
    "Size of what else differs from the parent's logits, over the size of the adapter's shift.",
    NOT_NEGATIVE,
)

# What fine-tuning bought, and what it cost.
declare(
    "gain_retained",
    "ratio",
    "higher",
    "Gain retained",
    "(exact match - base) / (fine-tuned parent - base) on the same examples.",
    ANY,
)
declare("train_s", "s", "lower", "Training", "Wall time of the finetune job.")
declare("train_peak_memory_bytes", "bytes", "lower", "Training memory", "Peak memory of the finetune job's process.")
declare("build_s", "s", "lower", "Build", "Wall time of merge and export, verification included.")
declare("evaluation_s", "s", "lower", "Evaluation", "Wall time of this bench.")
declare(
    "evaluation_peak_memory_bytes", "bytes", "lower", "Evaluation memory", "Largest peak of any process of this bench."
)
declare("cost", "currency", "lower", "Cost", "Training, build and evaluation hours times the rate the recipe states.")
