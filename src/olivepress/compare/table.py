"""Reports → one table: base → fine-tuned → exported and quantized, with what was not measured and why."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.compare.stats import Comparison, compare_outcomes
from olivepress.errors import ReportError
from olivepress.measure.examples import read_outcomes
from olivepress.measure.registry import METRICS
from olivepress.measure.report import DeviceReport, Measurement, read_report
from olivepress.measure.trust import Difference, compare_rounds, decode_by_round

__all__ = ["COLUMNS", "Cell", "Row", "Table", "build_table", "format_value", "load_reports", "printable"]

COLUMNS = (
    "exact_match",
    "label_accuracy_constrained",
    "f1_macro",
    "json_schema_match",
    "perplexity",
    "gain_retained",
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
    "kl_top256",
    "noise_floor",
    "roofline_fraction",
    "cost",
}
STAGES = ("base", "few-shot", "fine-tuned", "merged", "exported", "quantized")
BITS = {"fp32": 32, "bf16": 17, "fp16": 16, "int16": 15, "int8": 8, "uint8": 8, "int4": 4, "uint4": 4, "nf4": 4}
NULL = "–"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement as text; ``note`` is the number of the footnote that says why there is none."""

    metric: str
    text: str
    interval: str = ""
    note: int | None = None


@dataclass(frozen=True, kw_only=True)
class Row:
    """One report: what it is, its labels (random weights, emulated, …) and its cells in the table's column order."""

    report: DeviceReport
    name: str
    role: str
    labels: tuple[str, ...]
    cells: tuple[Cell, ...]


@dataclass(frozen=True, kw_only=True)
class Speed:
    """Decode rate of ``b`` against ``a``, measured interleaved in one sitting."""

    a: str
    b: str
    workload: str
    difference: Difference


@dataclass(frozen=True, kw_only=True)
class Table:
    """``footnotes`` are numbered from 1; ``remarks`` say what must not be compared with what."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    remarks: tuple[str, ...]
    comparisons: tuple[Comparison, ...]
    speeds: tuple[Speed, ...]


def load_reports(paths: Sequence[Path]) -> list[DeviceReport]:
    """Read and verify reports, ordered base → fine-tuned → exported → quantized. ReportError names the bad file."""
    if not paths:
        raise ReportError("there are no reports to compare", next_step="olivepress bench writes one")
    return sorted((read_report(path) for path in paths), key=_order)


def _order(report: DeviceReport) -> tuple[str, int, int, str, str, str]:
    bits = -BITS.get(report.precision, 0)
    stage = min(STAGES.index(role(report)), STAGES.index("exported"))
    return report.recipe, stage, bits, report.execution_provider, report.job, report.machine.id


def role(report: DeviceReport) -> str:
    """One of ``STAGES``: the ladder on which each artifact is held against the one before it."""
    if report.runtime == "pytorch":
        return {"base": "base", "few-shot": "few-shot", "finetune": "fine-tuned"}.get(report.job, "merged")
    return "quantized" if BITS.get(report.precision, 0) in range(1, 16) else "exported"


def build_table(reports: Sequence[DeviceReport]) -> Table:
    """Lay out the reports (in the order given) with footnotes for nulls and paired comparisons."""
    columns = tuple(
        c for c in COLUMNS if c not in OPTIONAL or any(_value(r.metrics.get(c)) is not None for r in reports)
    )
    notes: dict[str, list[str]] = {}
    names = _names(reports)
    rows = tuple(
        Row(
            report=report,
            name=name,
            role=role(report),
            labels=labels(report),
            cells=tuple(_cell(c, _in_currency(report, report.metrics.get(c)), notes) for c in columns),
        )
        for report, name in zip(reports, names, strict=True)
    )
    comparisons, unpaired = _comparisons(rows)
    speeds = _speeds(rows)
    return Table(
        columns=columns,
        rows=rows,
        footnotes=tuple(f"{', '.join(titles)}: {reason}" for reason, titles in notes.items()),
        remarks=(*_remarks(rows), *unpaired),
        comparisons=comparisons,
        speeds=speeds,
    )


def labels(report: DeviceReport) -> tuple[str, ...]:
    """What every reader of a number must know first."""
    said = {
        "random weights": report.random_weights,
        "emulated device": report.emulated,
        "synthetic data": report.synthetic_data,
    }
    return tuple(text for text, holds in said.items() if holds)


def _names(reports: Sequence[DeviceReport]) -> list[str]:
    """The job, with as much before it as it takes to tell the rows apart."""
    recipes, machines = {r.recipe for r in reports}, {r.machine.id for r in reports}
    names = []
    for report in reports:
        parts = [report.recipe] if len(recipes) > 1 else []
        parts += [report.job]
        name = printable("/".join(parts)) + (f" @ {printable(report.machine.id)}" if len(machines) > 1 else "")
        names.append(name if name not in names else f"{name} ({printable(report.created_at)})")
    return names


def _value(measurement: Measurement | None) -> float | None:
    return measurement.value if measurement else None


def _in_currency(report: DeviceReport, measurement: Measurement | None) -> Measurement | None:
    """Money in the currency that the recipe named."""
    if measurement is None or measurement.unit != "currency":
        return measurement
    return measurement.model_copy(update={"unit": printable(str(report.settings.get("currency") or "currency"))})


def _cell(metric: str, measurement: Measurement | None, notes: dict[str, list[str]]) -> Cell:
    if measurement is None or measurement.value is None:
        reason = (measurement.reason if measurement else None) or "not in this report"
        titles = notes.setdefault(printable(reason), [])
        if METRICS[metric].title not in titles:
            titles.append(METRICS[metric].title)
        return Cell(metric=metric, text=NULL, note=list(notes).index(printable(reason)) + 1)
    text, interval = format_value(measurement.unit, measurement.value), ""
    if measurement.ci_low is not None and measurement.ci_high is not None:
        ends = [format_value(measurement.unit, v).partition(" ") for v in (measurement.ci_low, measurement.ci_high)]
        bare = {end[2] for end in ends} == {text.partition(" ")[2]}
        interval = " to ".join(end[0] if bare else "".join(end) for end in ends)
    if metric == "exact_match":
        interval = f"{interval}, n={measurement.n}" if interval else f"n={measurement.n}"
    return Cell(metric=metric, text=text, interval=interval)


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


def _dataset_key(report: DeviceReport) -> tuple[str, str, str] | None:
    data = report.dataset
    return (data.name, data.version, data.split) if data else None


def _dataset_text(key: tuple[str, str, str]) -> str:
    name, version, split = (printable(part) for part in key)
    return f"{name} {version[:12]} ({split})"


def _remarks(rows: Sequence[Row]) -> list[str]:
    remarks = [f"{row.name}: {printable(warning)}" for row in rows for warning in row.report.warnings]
    keys = [_dataset_key(row.report) for row in rows]
    known = [key for key in keys if key]
    if len(set(known)) > 1:
        for row, key in zip(rows, keys, strict=True):
            if key and key != known[0]:
                remarks.append(
                    f"{row.name}: measured on {_dataset_text(key)}, others on {_dataset_text(known[0])}: "
                    "its task metrics are not comparable with theirs"
                )
    texts = {row.report.settings.get("text_sha256") for row in rows} - {None}
    windows = {row.report.settings.get("text_window") for row in rows} - {None}
    if len(texts) > 1 or len(windows) > 1:
        remarks.append("perplexity is of different texts or windows: it is not comparable")
    workloads = {row.report.headline_workload for row in rows if row.report.headline_workload}
    if len(workloads) > 1:
        listed = ", ".join(f"{row.name} {row.report.headline_workload}" for row in rows if row.report.headline_workload)
        remarks.append(f"latency is of different workloads (prompt x generated tokens): {printable(listed)}")
    if len({row.report.machine.id for row in rows}) > 1:
        remarks.append("latency, memory and load are of different machines")
    return remarks


def _comparisons(rows: Sequence[Row]) -> tuple[tuple[Comparison, ...], list[str]]:
    """Fine-tuned against base, each export against the fine-tuned parent (or whatever stands first)."""
    outcomes = [read_outcomes(row.report) for row in rows]
    found, remarks = [], []
    for base, index in _pairs(rows):
        row, a, b = rows[index], outcomes[base], outcomes[index]
        comparison = compare_outcomes(rows[base].name, a, row.name, b) if a and b else None
        if comparison:
            found.append(comparison)
        else:
            remarks.append(
                f"{row.name} and {rows[base].name} could not be paired: no common examples beside the reports"
            )
    return tuple(found), remarks


def _pairs(rows: Sequence[Row]) -> list[tuple[int, int]]:
    """Each row with the one before it on the ladder, and fine-tuned with few-shot: what it bought over prompting."""
    found = []
    for index, row in enumerate(rows):
        base = _baseline(rows, index)
        if base is None:
            continue
        shown = [i for i in range(index) if rows[i].role == "few-shot" and _comparable(rows[i], row)]
        if row.role == "fine-tuned":
            found += [(i, index) for i in shown]
        found.append((base, index))
    return found


def _comparable(a: Row, b: Row) -> bool:
    same = a.report.recipe == b.report.recipe and _dataset_key(a.report) == _dataset_key(b.report)
    return same and _dataset_key(a.report) is not None


def _baseline(rows: Sequence[Row], index: int) -> int | None:
    """The row before it on the ladder: few-shot and fine-tuned against base, merged against fine-tuned, exports
    against the merged model; whatever stands first where that was not measured."""
    before = [i for i in range(index) if _comparable(rows[i], rows[index])]
    wanted = ("fine-tuned",) if rows[index].role == "merged" else ("fine-tuned", "merged")
    parents = [i for i in before if rows[i].role in wanted]
    if rows[index].role in ("merged", "exported", "quantized") and parents:
        return parents[-1]
    return before[0] if before else None


def _speeds(rows: Sequence[Row]) -> tuple[Speed, ...]:
    """Exports of one sitting against the first of them, round by round; where there are too few rounds, nothing."""
    found = []
    timed = [row for row in rows if row.report.sitting and row.report.headline_workload]
    for row in timed:
        first = next(r for r in timed if r.report.sitting == row.report.sitting)
        workload = row.report.headline_workload
        if first is row or workload is None or first.report.headline_workload != workload:
            continue
        floors = [_value(r.report.metrics.get("noise_floor")) or 0.0 for r in (first, row)]
        a, b = (decode_by_round(r.report.samples, workload) for r in (first, row))
        with contextlib.suppress(ValueError):
            found.append(
                Speed(a=first.name, b=row.name, workload=workload, difference=compare_rounds(a, b, floor=max(floors)))
            )
    return tuple(found)
