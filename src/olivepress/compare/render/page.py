"""A comparison as one HTML page: no network, nothing runs but its own script, readable without it."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from olivepress.charts.style import style_sheet
from olivepress.charts.svg import INSTALL, can_draw, render_png, render_svg
from olivepress.charts.table import NULL, printable
from olivepress.compare.document import Decision, Document, Example, Row, Verdict
from olivepress.compare.render.charts import KINDS, Chart, NoChart, make_charts
from olivepress.compare.render.excerpt import excerpt
from olivepress.compare.render.formats import as_data, to_csv, to_json, to_markdown
from olivepress.compare.render.phrases import (
    MARKS,
    bytes_text,
    ceiling_text,
    cell,
    detectable_text,
    difference_interval,
    difference_value,
    machines,
    measurement_cell,
    metric_title,
    p_text,
    pair,
    provider_text,
    short_name,
    value_text,
)
from olivepress.core.files import write_bytes, write_text
from olivepress.core.names import slug
from olivepress.report.registry import METRICS

__all__ = ["MAX_BYTES", "PAGE_OF_EXAMPLES", "multiline", "to_html", "write_report_page"]

MAX_BYTES = 5_000_000
PAGE_OF_EXAMPLES = 50
CARD_METRICS = ("exact_match", "decode_tps", "ttft_ms", "peak_memory_bytes", "size_on_disk_bytes")
WORKLOAD_METRICS = ("ttft_ms", "request_ttft_ms", "prefill_tps", "decode_tps", "itl_p50_ms", "itl_p99_ms", "load_ms")
IN_WORDS = ("front", "ladder", "itl", "training")
NO_VL_CONVERT = f"Charts need vl-convert-python: {INSTALL}, then write the page again."


def to_html(document: Document) -> str:
    """One page of at most 5 MB (``MAX_BYTES``): examples that do not fit are counted as left out.

    ValueError for a number that is not finite. Without vl-convert the page has no charts and says so.
    """
    return _page(document, _drawn(excerpt(document)))


def _drawn(document: Document) -> list[tuple[Chart | NoChart, str]]:
    """Every chart with its <svg>, or with nothing where there is none; no charts at all without vl-convert."""
    if not can_draw():
        return []
    return [(chart, render_svg(chart.spec) if isinstance(chart, Chart) else "") for chart in make_charts(document)]


def _page(document: Document, drawn: Sequence[tuple[Chart | NoChart, str]]) -> str:
    every_decision = document.decisions
    document = excerpt(document)
    charts = _charts(document, drawn)
    page = _render(document, charts, every_decision)
    while len(page.encode("utf-8")) > MAX_BYTES and document.examples:
        kept = document.examples[: len(document.examples) * 4 // 5]
        left_out = document.examples_left_out + len(document.examples) - len(kept)
        document = dataclasses.replace(document, examples=kept, examples_left_out=left_out)
        page = _render(document, charts, every_decision)
    return page


def _render(document: Document, charts: dict[str, list[dict[str, Any]]], every_decision: tuple[Decision, ...]) -> str:
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("olivepress.compare.render")
    js, html = ((folder / f"page.{kind}").read_text(encoding="utf-8") for kind in ("js", "html"))
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    env.filters |= FILTERS
    slugs = {machine: f"m{number}" for number, machine in enumerate(machines(document))}
    notes = _Notes(document)
    return env.from_string(html).render(
        d=document,
        every_decision=every_decision if len(every_decision) > len(document.decisions) else (),
        rows={row.name: row for row in document.rows},
        slugs=slugs,
        lm_eval=sorted({name for row in document.rows for name in row.report.lm_eval}),
        matrix=[(row, [notes.mark(cell(row, metric)) for metric in document.columns]) for row in document.rows],
        every=[_every(document, name, notes) for name in _known_metrics(document)],
        notes=notes.found,
        charts=charts,
        no_charts="" if charts else NO_VL_CONVERT,
        groups=_by_machine(document),
        shown_examples=[_example(example) for example in document.examples[:PAGE_OF_EXAMPLES]],
        metrics=METRICS,
        MARKS=MARKS,
        NULL=NULL,
        CARD_METRICS=CARD_METRICS,
        WORKLOAD_METRICS=WORKLOAD_METRICS,
        script_hash=base64.b64encode(hashlib.sha256(js.encode("utf-8")).digest()).decode("ascii"),
        css=Markup(style_sheet()),
        js=Markup(js),
        data=Markup(_inert(as_data(document))),
    )


class _Notes:
    """Reasons for what is not measured, numbered: the document's footnotes first, then what only a long table has."""

    def __init__(self, document: Document) -> None:
        self.found: dict[str, list[str]] = {printable(reason): list(titles) for reason, titles in document.footnotes}

    def mark(self, found: Any) -> tuple[Any, int | None]:
        """The cell with the number of its note, or None where it has a value."""
        if not found.reason:
            return found, None
        titles = self.found.setdefault(found.reason, [])
        title = metric_title(found.metric)
        if title not in titles:
            titles.append(title)
        return found, list(self.found).index(found.reason) + 1


def _known_metrics(document: Document) -> list[str]:
    others = {name for row in document.rows for name in row.report.metrics} - set(METRICS)
    return [*METRICS, *sorted(others)]


def _every(document: Document, metric: str, notes: _Notes) -> tuple[str, str, list[tuple[Any, int | None]]]:
    description = METRICS[metric].description if metric in METRICS else ""
    return metric, description, [notes.mark(cell(row, metric)) for row in document.rows]


def _by_machine(document: Document) -> list[tuple[str, list[Row]]]:
    return [(m, [row for row in document.rows if row.machine == m]) for m in machines(document)]


def _charts(document: Document, drawn: Sequence[tuple[Chart | NoChart, str]]) -> dict[str, list[dict[str, Any]]]:
    """kind → what stands in its section: an <svg> or why there is none; empty where charts cannot be drawn."""
    from markupsafe import Markup

    if not drawn:
        return {}
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    labels = {machine: [label for row in there for label in row.labels] for machine, there in _by_machine(document)}
    for chart, svg in drawn:
        entry: dict[str, Any] = {"about": chart.about, "machines": chart.machines, "svg": "", "title": "", "why": ""}
        entry["labels"] = list(dict.fromkeys(label for m in chart.machines for label in labels.get(m, ())))
        if isinstance(chart, Chart):
            entry |= {"svg": Markup(svg), "title": chart.spec["title"]}
            # Bars say their own numbers.
            entry["words"] = chart.spec["usermeta"]["words"] if chart.kind in IN_WORDS else []
        else:
            entry["why"] = chart.why
        found[chart.kind].append(entry)
    return found


def _example(example: Example) -> dict[str, Any]:
    right = sum(answer.correct for answer in example.answers)
    return {"example": example, "right": right, "of": len(example.answers)}


def multiline(text: str) -> str:
    """``printable``, with the lines of an answer left as lines."""
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(printable(line) for line in lines)


def _verdict_machines(verdict: Verdict, rows: dict[str, Row], slugs: dict[str, str]) -> str:
    there = dict.fromkeys(rows[name].machine for name in (verdict.a, verdict.b) if name in rows)
    return " ".join(slugs[machine] for machine in there)


def _verdict_labels(verdict: Verdict, rows: dict[str, Row]) -> list[str]:
    return list(dict.fromkeys(label for name in (verdict.a, verdict.b) if name in rows for label in rows[name].labels))


def _inert(data: dict[str, Any]) -> str:
    """JSON for inside a <script>: no '<' is left, so no report can close the element or open a comment."""
    text = json.dumps(data, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def write_report_page(document: Document, out_dir: Path) -> dict[str, Path]:
    """Write report.html, .md, .json, .csv and the charts in ``plots/`` (each whole or not at all); kind → path.

    Without vl-convert there are no charts, as the page says. SetupError when the disk does not take them.
    """
    drawn = _drawn(excerpt(document))
    made = {
        "html": (out_dir / "report.html", _page(document, drawn)),
        "markdown": (out_dir / "report.md", to_markdown(document)),
        "json": (out_dir / "report.json", to_json(document)),
        "csv": (out_dir / "report.csv", to_csv(document)),
    }
    for path, text in made.values():
        write_text(path, text)
    _write_plots(drawn, out_dir / "plots")
    return {kind: path for kind, (path, _) in made.items()}


def _write_plots(drawn: Sequence[tuple[Chart | NoChart, str]], folder: Path) -> None:
    """Every chart as SVG and as PNG, named by what it shows."""
    for number, (chart, svg) in enumerate(drawn, start=1):
        if isinstance(chart, Chart):
            stem = folder / f"{number:02d}-{chart.kind}-{slug(chart.about)}"
            write_text(stem.with_name(f"{stem.name}.svg"), svg + "\n")
            write_bytes(stem.with_name(f"{stem.name}.png"), render_png(chart.spec))


FILTERS: dict[str, Any] = {
    "bytes_text": bytes_text,
    "ceiling": ceiling_text,
    "cell": cell,
    "detectable": detectable_text,
    "difference": difference_value,
    "difference_interval": difference_interval,
    "measurement": measurement_cell,
    "multiline": multiline,
    "p_text": p_text,
    "pair": pair,
    "printable": printable,
    "provider": provider_text,
    "short_name": short_name,
    "title_of": metric_title,
    "value_text": value_text,
    "verdict_labels": _verdict_labels,
    "verdict_machines": _verdict_machines,
}
