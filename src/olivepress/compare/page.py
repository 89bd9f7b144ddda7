"""Reports → terminal table, JSON, Markdown, and one self-contained HTML page (no script runs, no network)."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.compare.stats import Comparison
from olivepress.compare.table import NULL, Speed, Table, build_table, format_value, printable
from olivepress.measure.registry import METRICS
from olivepress.measure.report import Ceiling, DeviceReport, Measurement, write_text

if TYPE_CHECKING:
    from rich.console import Group

__all__ = ["render_terminal", "to_html", "to_json", "to_markdown", "write_report_page"]

WORKLOAD_COLUMNS = ("ttft_ms", "request_ttft_ms", "prefill_tps", "decode_tps", "itl_p50_ms", "itl_p99_ms", "load_ms")


def render_terminal(reports: Sequence[DeviceReport]) -> Group:
    """A rich renderable for ``Console().print``: the table, comparisons, remarks and why something is missing.

    Artifacts are columns: there are few of them and many metrics, and a terminal is narrow.
    """
    from rich.console import Group
    from rich.table import Table as Grid
    from rich.text import Text

    table = build_table(reports)
    common = [label for label in table.rows[0].labels if all(label in row.labels for row in table.rows)]
    # Above the table, not in its title: a title is folded to the table's width.
    title = Text(_title(table), style="bold")
    for label in common:
        title.append(f" [{label}]", style="yellow")
    grid = Grid(padding=(0, 0))
    grid.add_column("")
    for row in table.rows:
        head = Text(row.name.removeprefix("export-"), style="bold")
        head.append(f"\n{row.role}" if row.role != row.name else "", style="dim")
        head.append(f"\n{printable(row.report.precision)}", style="dim")
        for label in row.labels:
            if label not in common:
                head.append(f"\n[{label}]", style="yellow")
        grid.add_column(head, justify="right", overflow="fold")
    for index, column in enumerate(table.columns):
        texts = []
        for row in table.rows:
            cell = row.cells[index]
            text = Text(cell.text + (f" [{cell.note}]" if cell.note else ""))
            if cell.interval:
                text.append(f"\n{cell.interval}", style="dim")
            texts.append(text)
        grid.add_row(METRICS[column].title, *texts)
    lines = [Text(_sentence(c)) for c in table.comparisons]
    lines += [Text(_speed(s)) for s in table.speeds]
    lines += [
        Text(f"ceiling beside {r.name}: {ceiling_text(r.report.ceiling)}") for r in table.rows if r.report.ceiling
    ]
    lines += [Text(f"mind: {remark}", style="yellow") for remark in table.remarks]
    lines += [Text(f"[{number}] {note}", style="dim") for number, note in enumerate(table.footnotes, start=1)]
    return Group(title, grid, *lines)


def _title(table: Table) -> str:
    recipes = sorted({printable(row.report.recipe) for row in table.rows})
    machines = sorted({printable(row.report.machine.id) for row in table.rows})
    return f"{', '.join(recipes)} on {', '.join(machines)}"


def _points(comparison: Comparison) -> str:
    """The difference of two shares in percentage points, with its interval."""
    low, high = 100 * comparison.ci_low, 100 * comparison.ci_high
    return f"{100 * comparison.difference:+.1f} points ({low:+.1f} to {high:+.1f})"


def _sentence(c: Comparison) -> str:
    return (
        f"{c.a} → {c.b}: exact match {100 * c.rate_a:.1f} % → {100 * c.rate_b:.1f} %, {_points(c)}, "
        f"n={c.n} pairs, only first right {c.only_a}, only second right {c.only_b}, p={c.p_value:.2g} (exact McNemar)"
    )


def _speed(s: Speed) -> str:
    d = s.difference
    how = {"faster": "faster", "slower": "slower", "cannot tell": "cannot tell apart"}[d.verdict]
    return (
        f"{s.a} → {s.b}: decode {100 * d.ratio:+.1f} % ({100 * d.ci_low:+.1f} to {100 * d.ci_high:+.1f}, 99 %), {how}; "
        f"{d.rounds} interleaved rounds of {s.workload}, noise floor {100 * d.floor:.1f} %"
    )


def to_json(reports: Sequence[DeviceReport]) -> str:
    """All metrics and workloads with comparisons, remarks and labels; the raw samples stay in the reports."""
    return json.dumps(_data(build_table(reports)), indent=1, sort_keys=True, allow_nan=False) + "\n"


def _data(table: Table) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "rows": [
            {
                "name": row.name,
                "role": row.role,
                "labels": list(row.labels),
                "report": row.report.model_dump(mode="json", exclude={"samples", "processes"}),
            }
            for row in table.rows
        ],
        "comparisons": [asdict(comparison) for comparison in table.comparisons],
        "speeds": [asdict(speed) for speed in table.speeds],
        "remarks": list(table.remarks),
    }


def to_markdown(reports: Sequence[DeviceReport]) -> str:
    """A GitHub table with the same numbers; every text from a report is escaped."""
    table = build_table(reports)
    lines = [f"# {_escape(_title(table))}", ""]
    lines.append("| Artifact | " + " | ".join(_escape(METRICS[c].title) for c in table.columns) + " |")
    lines.append("|---" + "|---:" * len(table.columns) + "|")
    for row in table.rows:
        said = "".join(f" **{label}**" for label in row.labels)
        cells = [
            _escape(cell.text)
            + (f" ({_escape(cell.interval)})" if cell.interval else "")
            + (f" <sup>{cell.note}</sup>" if cell.note else "")
            for cell in row.cells
        ]
        lines.append(f"| {_escape(row.name)} ({_escape(row.role)}){said} | " + " | ".join(cells) + " |")
    lines += ["", *(f"- {_escape(_sentence(c))}" for c in table.comparisons)]
    lines += [f"- {_escape(_speed(s))}" for s in table.speeds]
    lines += [f"- Mind: {_escape(remark)}" for remark in table.remarks]
    if table.footnotes:
        lines += ["", "Not measured:", ""]
        lines += [f"{number}. {_escape(note)}" for number, note in enumerate(table.footnotes, start=1)]
    return "\n".join(lines).rstrip("\n") + "\n"


def _escape(text: str) -> str:
    """Plain text in Markdown: no tag, link, table cell or emphasis may come out of a report."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", safe)


def to_html(reports: Sequence[DeviceReport]) -> str:
    """One page: autoescaped, styles inside, nothing loaded, light and dark; the data ride along as inert JSON."""
    from jinja2 import Environment
    from markupsafe import Markup

    table = build_table(reports)
    folder = resources.files("olivepress.compare")
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    env.filters |= {
        "printable": printable,
        "points": _points,
        "shown": _shown,
        "speed": _speed,
        "bytes": _bytes,
        "ceiling": ceiling_text,
    }
    page = env.from_string((folder / "page.html").read_text(encoding="utf-8"))
    return page.render(
        title=_title(table),
        table=table,
        NULL=NULL,
        metrics=METRICS,
        cells=WORKLOAD_COLUMNS,
        lm_eval=sorted({name for row in table.rows for name in row.report.lm_eval}),
        css=Markup((folder / "page.css").read_text(encoding="utf-8")),
        data=Markup(_inert(_data(table))),
    )


def _bytes(value: int | None) -> str:
    return NULL if value is None else format_value("bytes", value)


def ceiling_text(ceiling: Ceiling) -> str:
    """What the machine can do at most, in words."""
    return (
        f"reads {ceiling.read_bytes_per_s / 1e9:.1f} GB/s, multiplies {ceiling.matrix_flops / 1e9:.0f} GFLOP/s, "
        f"{ceiling.threads} threads"
    )


def _shown(measurement: Measurement | None) -> str:
    if measurement is None or measurement.value is None:
        return NULL
    return format_value(measurement.unit, measurement.value)


def _inert(data: dict[str, Any]) -> str:
    """JSON for inside a <script>: no '<' is left, so no report can close the element or open a comment."""
    text = json.dumps(data, sort_keys=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_report_page(reports: Sequence[DeviceReport], out_dir: Path) -> dict[str, Path]:
    """Write report.html, report.md and report.json into ``out_dir`` (each whole or not at all); kind → path."""
    made = {
        "html": (out_dir / "report.html", to_html(reports)),
        "markdown": (out_dir / "report.md", to_markdown(reports)),
        "json": (out_dir / "report.json", to_json(reports)),
    }
    for path, text in made.values():
        write_text(path, text)
    return {kind: path for kind, (path, _) in made.items()}
