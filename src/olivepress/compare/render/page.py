"""A comparison as one HTML page: no network, nothing runs but its own script, readable without it."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from olivepress.charts.pages import inert, script_hash
from olivepress.charts.style import style_sheet
from olivepress.charts.svg import INSTALL, can_draw, render_png, render_svg
from olivepress.compare.document import Decision, Document, Example, Row, Verdict
from olivepress.compare.render.cautions import caution_text, cautions
from olivepress.compare.render.charts import KINDS, Chart, NoChart, make_charts
from olivepress.compare.render.excerpt import excerpt, fewer_steps
from olivepress.compare.render.first_answers import first_answers
from olivepress.compare.render.formats import as_data, to_csv, to_json, to_markdown
from olivepress.compare.render.headline import decision_sentence, figures_of, how_sure, page_title
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
    values_text,
)
from olivepress.core.files import write_bytes, write_text
from olivepress.core.names import slug
from olivepress.core.printable import printable
from olivepress.report.registry import METRICS, in_view
from olivepress.report.values import NULL

__all__ = ["MAX_BYTES", "PAGE_OF_EXAMPLES", "multiline", "to_html", "write_report_page"]

MAX_BYTES = 5_000_000
PAGE_OF_EXAMPLES = 50
IN_WORDS = ("front", "ladder", "itl", "training")
NO_VL_CONVERT = f"Charts need vl-convert-python: {INSTALL}, then write the page again."


def to_html(document: Document) -> str:
    """One page of at most 5 MB (``MAX_BYTES``): examples that do not fit are counted as left out.

    ValueError for a number that is not finite. Without vl-convert the page has no charts but a note on how to get them.
    """
    return _page(document, _drawn(excerpt(document)))


@dataclasses.dataclass(frozen=True)
class _Drawn:
    """A chart with its <svg>, and that for a narrow screen where it has one of its own; both empty for no chart."""

    chart: Chart | NoChart
    svg: str = ""
    narrow: str = ""


def _drawn(document: Document) -> list[_Drawn]:
    """Every chart drawn; no charts at all without vl-convert."""
    return [_draw(chart) for chart in make_charts(document)] if can_draw() else []


def _draw(chart: Chart | NoChart) -> _Drawn:
    if isinstance(chart, NoChart):
        return _Drawn(chart)
    return _Drawn(chart, render_svg(chart.spec), render_svg(chart.narrow) if chart.narrow else "")


def _page(document: Document, drawn: Sequence[_Drawn]) -> str:
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
    from jinja2 import Environment, FunctionLoader, StrictUndefined
    from markupsafe import Markup

    js = _template("page.js")
    env = Environment(
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(_template),
    )
    env.filters |= FILTERS
    slugs = {machine: f"m{number}" for number, machine in enumerate(machines(document))}
    notes = _Notes(document)
    return env.get_template("page.html").render(
        d=document,
        title=page_title(document),
        cautions=cautions(document),
        answers=first_answers(document, document.decisions[0] if document.decisions else None),
        figures_of=figures_of,
        every_decision=every_decision if len(every_decision) > len(document.decisions) else (),
        rows={row.name: row for row in document.rows},
        slugs=slugs,
        lm_eval=sorted({name for row in document.rows for name in row.report.lm_eval}),
        matrix=[(row, [notes.mark(cell(row, metric)) for metric in document.columns]) for row in document.rows],
        every=[_every(document, name, notes) for name in _known_metrics(document)],
        notes=notes.titles_by_reason,
        charts=charts,
        no_charts="" if charts else NO_VL_CONVERT,
        groups=_by_machine(document),
        shown_examples=[_example(example) for example in document.examples[:PAGE_OF_EXAMPLES]],
        metrics=METRICS,
        MARKS=MARKS,
        NULL=NULL,
        WORKLOAD_METRICS=in_view("workload"),
        script_hash=script_hash(js),
        css=Markup(style_sheet("page") + style_sheet("report")),
        js=Markup(js),
        data=Markup(_page_data(as_data(fewer_steps(document)))),
    )


def _template(name: str) -> str:
    return resources.files("olivepress.compare.render").joinpath(name).read_text(encoding="utf-8")


class _Notes:
    """Reasons for what is not measured, numbered: the document's footnotes first, then what only a long table has."""

    def __init__(self, document: Document) -> None:
        self.titles_by_reason: dict[str, list[str]] = {
            printable(reason): list(titles) for reason, titles in document.footnotes
        }

    def mark(self, shown: Any) -> tuple[Any, int | None]:
        """The cell with the number of its note, or None where it has a value."""
        if not shown.reason:
            return shown, None
        titles = self.titles_by_reason.setdefault(shown.reason, [])
        title = metric_title(shown.metric)
        if title not in titles:
            titles.append(title)
        return shown, list(self.titles_by_reason).index(shown.reason) + 1


def _known_metrics(document: Document) -> list[str]:
    others = {name for row in document.rows for name in row.report.metrics} - set(METRICS)
    return [*METRICS, *sorted(others)]


def _every(document: Document, metric: str, notes: _Notes) -> tuple[str, str, list[tuple[Any, int | None]]]:
    description = METRICS[metric].description if metric in METRICS else ""
    return metric, description, [notes.mark(cell(row, metric)) for row in document.rows]


def _by_machine(document: Document) -> list[tuple[str, list[Row]]]:
    return [(m, [row for row in document.rows if row.machine == m]) for m in machines(document)]


def _charts(document: Document, drawn: Sequence[_Drawn]) -> dict[str, list[dict[str, Any]]]:
    """kind → the charts of its section: an <svg> or the reason why there is none; empty where none can be drawn."""
    from markupsafe import Markup

    if not drawn:
        return {}
    by_kind: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for each in drawn:
        chart = each.chart
        entry: dict[str, Any] = {"about": chart.about, "machines": chart.machines, "svg": "", "title": "", "reason": ""}
        if isinstance(chart, Chart):
            entry |= {"svg": Markup(each.svg), "narrow": Markup(each.narrow), "title": chart.spec["title"]}
            # Bars say their own numbers.
            entry["words"] = chart.spec["usermeta"]["words"] if chart.kind in IN_WORDS else []
        else:
            entry["reason"] = chart.reason
        by_kind[chart.kind].append(entry)
    return by_kind


def _example(example: Example) -> dict[str, Any]:
    right = sum(answer.correct for answer in example.answers)
    return {"example": example, "right": right, "of": len(example.answers)}


def multiline(text: str) -> str:
    """``printable``, with the lines of an answer left as lines."""
    lines = text.replace("\r\n", "\n").expandtabs(4).split("\n")
    return "\n".join(printable(line) for line in lines)


def _unbroken(text: str) -> Any:
    """The text, escaped; a number and its unit stay in one line, and so does a short name with hyphens."""
    from markupsafe import Markup, escape

    tied = re.sub(r"(?<=\d) (?=(?:%|MB|GB|tok/s|ms|points|times)(?!\w))", "\u00a0", text)
    spans = re.sub(r"[\w.]{1,12}(?:-[\w.]{1,12}){1,2}(?![\w-])", r'<span class="whole">\g<0></span>', str(escape(tied)))
    return Markup(spans)


def _verdict_machines(verdict: Verdict, rows: dict[str, Row], slugs: dict[str, str]) -> str:
    there = dict.fromkeys(rows[name].machine for name in (verdict.a, verdict.b) if name in rows)
    return " ".join(slugs[machine] for machine in there)


def _page_data(data: dict[str, Any]) -> str:
    """The document inside a script element."""
    return inert(json.dumps(data, sort_keys=True, allow_nan=False, separators=(",", ":")))


def write_report_page(document: Document, out_dir: Path) -> dict[str, Path]:
    """Write report.html, .md, .json, .csv and the charts in ``plots/`` (each whole or not at all); kind → path.

    Without vl-convert there are no charts. SetupError when the disk does not take them.
    """
    drawn = _drawn(excerpt(document))
    files = {
        "html": (out_dir / "report.html", _page(document, drawn)),
        "markdown": (out_dir / "report.md", to_markdown(document)),
        "json": (out_dir / "report.json", to_json(document)),
        "csv": (out_dir / "report.csv", to_csv(document)),
    }
    for path, text in files.values():
        write_text(path, text)
    _write_plots(drawn, out_dir / "plots")
    return {kind: path for kind, (path, _) in files.items()}


def _write_plots(drawn: Sequence[_Drawn], folder: Path) -> None:
    """Every chart as SVG and as PNG, named by what it shows."""
    for number, each in enumerate(drawn, start=1):
        chart = each.chart
        if isinstance(chart, Chart):
            stem = folder / f"{number:02d}-{chart.kind}-{slug(chart.about)}"
            write_text(stem.with_name(f"{stem.name}.svg"), each.svg + "\n")
            write_bytes(stem.with_name(f"{stem.name}.png"), render_png(chart.spec))


FILTERS: dict[str, Any] = {
    "bytes_text": bytes_text,
    "caution_text": caution_text,
    "ceiling": ceiling_text,
    "cell": cell,
    "detectable": detectable_text,
    "difference": difference_value,
    "difference_interval": difference_interval,
    "how_sure": how_sure,
    "measurement": measurement_cell,
    "multiline": multiline,
    "p_text": p_text,
    "pair": pair,
    "printable": printable,
    "provider": provider_text,
    "sentence": decision_sentence,
    "short_name": short_name,
    "title_of": metric_title,
    "unbroken": _unbroken,
    "value_text": value_text,
    "values_text": values_text,
    "verdict_machines": _verdict_machines,
}
