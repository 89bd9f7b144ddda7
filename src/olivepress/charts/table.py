"""What all forms of a comparison share: which metrics, in which order, under which names, and numbers as text."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.report.device_report import DeviceReport

__all__ = ["COLUMNS", "NULL", "OPTIONAL", "STAGES", "format_value", "labels", "names", "order", "printable", "role"]

COLUMNS = (
    "exact_match",
    "label_accuracy_constrained",
    "f1_macro",
    "json_schema_match",
    "perplexity",
    "gain_retained",
    "kl_answer",
    "kl_divergence",
    "kl_top256",
    "ttft_ms",
    "prefill_tps",
    "decode_tps",
    "noise_floor",
    "roofline_fraction",
    "load_ms",
    "peak_memory_bytes",
    "size_on_disk_bytes",
    "evaluation_s",
    "cost",
)
# Shown when some report has a value.
OPTIONAL = {
    "label_accuracy_constrained",
    "f1_macro",
    "json_schema_match",
    "perplexity",
    "gain_retained",
    "kl_answer",
    "kl_top256",
    "noise_floor",
    "roofline_fraction",
    "cost",
}
STAGES = ("base", "few-shot", "fine-tuned", "merged", "exported", "quantized")
BITS = {"fp32": 32, "bf16": 17, "fp16": 16, "int16": 15, "int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "nf4": 4}
NULL = "–"


def order(report: DeviceReport) -> tuple[str, int, int, str, str, str]:
    """Sort key: by recipe, up the ladder, from many bits to few."""
    bits = -BITS.get(report.precision, 0)
    stage = min(STAGES.index(role(report)), STAGES.index("exported"))
    return report.recipe, stage, bits, report.execution_provider, report.job, report.machine.id


def role(report: DeviceReport) -> str:
    """One of ``STAGES``: the ladder on which each artifact is held against the one before it."""
    if report.runtime == "pytorch":
        return {"base": "base", "few-shot": "few-shot", "finetune": "fine-tuned"}.get(report.job, "merged")
    return "quantized" if BITS.get(report.precision, 0) in range(1, 16) else "exported"


def labels(report: DeviceReport) -> tuple[str, ...]:
    """What every reader of a number must know first."""
    said = {
        "random weights": report.random_weights,
        "emulated device": report.emulated,
        "synthetic data": report.synthetic_data,
    }
    return tuple(text for text, holds in said.items() if holds)


def names(reports: Sequence[DeviceReport]) -> list[str]:
    """One name for each, none twice: the job, with as much around it as it takes to tell the rows apart."""
    recipes, machines = {r.recipe for r in reports}, {r.machine.id for r in reports}
    found: dict[str, None] = {}
    for report in reports:
        parts = [report.recipe] if len(recipes) > 1 else []
        name = printable("/".join([*parts, report.job]))
        name += f" @ {printable(report.machine.id)}" if len(machines) > 1 else ""
        dated = name if name not in found else f"{name} ({printable(report.created_at)})"
        number = 2
        while dated in found:
            dated, number = f"{name} ({printable(report.created_at)}, {number})", number + 1
        found[dated] = None
    return list(found)


def format_value(unit: str, value: float) -> str:
    """Three significant digits in the unit a reader expects: shares in percent, bytes in MB or GB (powers of ten)."""
    if unit == "ratio":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"
    unit = printable(unit)
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    if unit in ("1", "points"):
        return digits
    return {"ms": f"{digits} ms", "tokens/s": f"{digits} tok/s", "nats": f"{value:.2g}"}.get(unit, f"{digits} {unit}")


def printable(text: str) -> str:
    """Control characters out: a report from elsewhere must not move the cursor of our terminal or turn text round."""
    return "".join(c if c.isprintable() else "�" for c in text)
