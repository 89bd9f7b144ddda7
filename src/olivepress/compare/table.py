"""Reports → one table: base → fine-tuned → exported and quantized, with what was not measured and why."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.compare.stats import Comparison, compare_outcomes
from olivepress.errors import ReportError
from olivepress.measure.registry import METRICS
from olivepress.measure.report import DeviceReport, Measurement, read_report

__all__ = ["COLUMNS", "Cell", "Row", "Table", "build_table", "format_value", "load_reports", "printable"]

COLUMNS = (
    "exact_match",
    "json_valid",
    "kl_divergence",
    "kl_top256",
    "ttft_ms",
    "prefill_tps",
    "decode_tps",
    "load_ms",
    "peak_memory_bytes",
    "size_on_disk_bytes",
)
OPTIONAL = {"json_valid", "kl_top256"}  # shown when some report has a value
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
class Table:
    """``footnotes`` are numbered from 1; ``remarks`` say what must not be compared with what."""

    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    footnotes: tuple[str, ...]
    remarks: tuple[str, ...]
    comparisons: tuple[Comparison, ...]


def load_reports(paths: Sequence[Path]) -> list[DeviceReport]:
    """Read and verify reports, ordered base → fine-tuned → exported → quantized. ReportError names the bad file."""
    if not paths:
        raise ReportError("there are no reports to compare", next_step="olivepress bench writes one")
    return sorted((read_report(path) for path in paths), key=_order)


def _order(report: DeviceReport) -> tuple[str, int, int, str, str, str]:
    stage = {"base": 0, "fine-tuned": 1}.get(role(report), 2)
    bits = -BITS.get(report.precision, 0)
    return report.recipe, stage, bits, report.execution_provider, report.job, report.machine.id


def role(report: DeviceReport) -> str:
    """base, fine-tuned (the PyTorch parent of the exports), exported, or quantized."""
    if report.runtime == "pytorch":
        return "base" if report.job == "base" else "fine-tuned"
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
            cells=tuple(_cell(c, report.metrics.get(c), notes) for c in columns),
        )
        for report, name in zip(reports, names, strict=True)
    )
    comparisons, unpaired = _comparisons(rows)
    return Table(
        columns=columns,
        rows=rows,
        footnotes=tuple(f"{', '.join(titles)}: {reason}" for reason, titles in notes.items()),
        remarks=(*_remarks(rows), *unpaired),
        comparisons=comparisons,
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


def _cell(metric: str, measurement: Measurement | None, notes: dict[str, list[str]]) -> Cell:
    if measurement is None or measurement.value is None:
        reason = (measurement.reason if measurement else None) or "not in this report"
        titles = notes.setdefault(printable(reason), [])
        if METRICS[metric].title not in titles:
            titles.append(METRICS[metric].title)
        return Cell(metric=metric, text=NULL, note=list(notes).index(printable(reason)) + 1)
    interval = ""
    if measurement.ci_low is not None and measurement.ci_high is not None:
        low, high = (format_value(measurement.unit, v) for v in (measurement.ci_low, measurement.ci_high))
        number, _, suffix = low.partition(" ")
        interval = f"{number if suffix and high.endswith(suffix) else low} to {high}"
    if metric in ("exact_match", "json_valid"):
        interval = f"n={measurement.n}, {interval}" if interval else f"n={measurement.n}"
    return Cell(metric=metric, text=format_value(measurement.unit, measurement.value), interval=interval)


def format_value(unit: str, value: float) -> str:
    """Three significant digits in the unit a reader expects: shares in percent, bytes in MB or GB (powers of ten)."""
    if unit == "ratio":
        return f"{100 * value:.1f} %"
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB" if value >= 1e9 else f"{value / 1e6:.1f} MB"
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
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
    remarks = []
    keys = [_dataset_key(row.report) for row in rows]
    known = [key for key in keys if key]
    if len(set(known)) > 1:
        for row, key in zip(rows, keys, strict=True):
            if key and key != known[0]:
                remarks.append(
                    f"{row.name}: measured on {_dataset_text(key)}, others on {_dataset_text(known[0])}: "
                    "its task metrics are not comparable with theirs"
                )
    workloads = {row.report.headline_workload for row in rows if row.report.headline_workload}
    if len(workloads) > 1:
        listed = ", ".join(f"{row.name} {row.report.headline_workload}" for row in rows if row.report.headline_workload)
        remarks.append(f"latency is of different workloads (prompt x generated tokens): {printable(listed)}")
    if len({row.report.machine.id for row in rows}) > 1:
        remarks.append("latency, memory and load are of different machines")
    return remarks


def _comparisons(rows: Sequence[Row]) -> tuple[tuple[Comparison, ...], list[str]]:
    """Fine-tuned against base, each export against the fine-tuned parent (or whatever stands first)."""
    outcomes = [_outcomes(row.report) for row in rows]
    found, remarks = [], []
    for index, row in enumerate(rows):
        base = _baseline(rows, index)
        if base is None:
            continue
        a, b = outcomes[base], outcomes[index]
        comparison = compare_outcomes(rows[base].name, a, row.name, b) if a and b else None
        if comparison:
            found.append(comparison)
        else:
            remarks.append(
                f"{row.name} and {rows[base].name} could not be paired: no common examples beside the reports"
            )
    return tuple(found), remarks


def _baseline(rows: Sequence[Row], index: int) -> int | None:
    own = rows[index].report
    before = [
        i
        for i in range(index)
        if rows[i].report.recipe == own.recipe
        and _dataset_key(rows[i].report) is not None
        and _dataset_key(rows[i].report) == _dataset_key(own)
    ]
    parents = [i for i in before if rows[i].role == "fine-tuned"]
    if own.runtime != "pytorch" and parents:
        return parents[-1]
    return before[0] if before else None


def _outcomes(report: DeviceReport) -> Mapping[str, bool] | None:
    """id → correct from the examples file beside the report; None when it did not travel along.

    ReportError when it is there and is not the one the report was written with.
    """
    if report.source is None or report.examples_file is None:
        return None
    path = report.source.with_name(report.examples_file)
    if not path.is_file():
        return None
    again = "measure again with olivepress bench"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != report.examples_sha256:
        raise ReportError(f"{path}: does not match its report: changed after it was measured", next_step=again)
    try:
        examples = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
        return {str(example["id"]): bool(example["correct"]) for example in examples}
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: not a file of examples ({error})", next_step=again) from error
