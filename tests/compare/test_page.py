from __future__ import annotations

import html.parser
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from olivepress.compare import build_table, load_reports, render_terminal, to_html, to_json, to_markdown
from olivepress.compare.page import write_report_page
from olivepress.compare.table import format_value
from olivepress.errors import ReportError
from olivepress.measure.importers import import_results
from olivepress.measure.report import DeviceReport, LatencySample, Measurement, write_report

from .conftest import WriteReport, value

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'|`*_[a](javascript:x)\x1b[31m&amp;\u202e"


class Tags(html.parser.HTMLParser):
    """Collects what a browser would see: tags with their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))


def _terminal(reports: list[DeviceReport]) -> str:
    console = Console(width=160, record=True, file=open("/dev/null", "w"))  # noqa: SIM115, PTH123
    console.print(render_terminal(reports))
    return console.export_text()


def _three(put: WriteReport) -> list[DeviceReport]:
    ids = [f"e{i}" for i in range(40)]
    base = put("base", runtime="pytorch", precision="fp32", outcomes=dict.fromkeys(ids, False))
    tuned = put("merge", runtime="pytorch", precision="fp32", outcomes={i: n < 36 for n, i in enumerate(ids)})
    int4 = put("cpu-int4", outcomes={i: n < 30 for n, i in enumerate(ids)})
    return load_reports([int4, tuned, base])


def test_the_rows_go_base_tuned_quantized(put: WriteReport) -> None:
    table = build_table(_three(put))
    assert [row.role for row in table.rows] == ["base", "merged", "quantized"]
    first, second = table.comparisons
    assert (first.a, first.b, first.only_b, first.n) == ("base", "merge", 36, 40)
    assert (second.a, second.b, second.only_a) == ("merge", "cpu-int4", 6)
    assert second.difference == pytest.approx(-0.15) and second.ci_high < 0
    assert second.p_value == 2 / 64


def test_the_same_numbers_everywhere(put: WriteReport) -> None:
    reports = _three(put)
    terminal, markdown, page = _terminal(reports), to_markdown(reports), to_html(reports)
    for text in (terminal, markdown, page):
        for number in ("50.0 %", "n=4", "15.0 to 85.0", "12.5 ms", "2560 tok/s", "130 tok/s", "1.50 GB", "2.5 MB"):
            assert number in text, number
        assert "-15.0 points" in text.replace("\\", "") and "0.031" in text
        assert "no reference of the parent was given" in text and "–" in text
    data = json.loads(to_json(reports))
    assert data["rows"][2]["report"]["metrics"]["decode_tps"]["value"] == 130.25
    assert data["rows"][2]["report"]["metrics"]["kl_divergence"]["value"] is None
    assert data["comparisons"][1]["only_a"] == 6


def test_hostile_texts_stay_texts(put: WriteReport) -> None:
    null = Measurement(unit="nats", reason=HOSTILE)
    clean = load_reports([put("plain")])
    one = clean[0]
    fields: dict[str, Any] = {
        "recipe": HOSTILE,
        "precision": HOSTILE,
        "execution_provider": HOSTILE,
        "created_at": HOSTILE,
        "artifact_sha256": HOSTILE,
        "machine": one.machine.model_copy(update={"id": HOSTILE, "cpu": HOSTILE, "os": HOSTILE}).model_dump(),
        "dataset": {"name": HOSTILE, "version": HOSTILE, "split": HOSTILE, "n": 1, "of": 1},
        "metrics": dict(one.metrics) | {"kl_divergence": null},
        "workloads": [w.model_dump() | {"name": HOSTILE, "reason": HOSTILE} for w in one.workloads],
    }
    reports = load_reports([put(HOSTILE, **fields), put("plain")])
    page = to_html(reports)
    tags = Tags(page)
    assert [t for t, _ in tags.seen if t == "script"] == ["script"] and not [t for t, _ in tags.seen if t == "img"]
    assert not [a for _, a in tags.seen for name in a if name.startswith("on")]
    (block,) = re.findall(r'<script type="application/json" id="olivepress-data">(.*?)</script>', page, re.DOTALL)
    assert "<" not in block and json.loads(block) == json.loads(to_json(reports))
    assert "\x1b" not in page and "\u202e" not in page
    markdown = to_markdown(reports)
    rows = [line for line in markdown.splitlines() if line.startswith("| ")]
    assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) == 1  # no cell was opened from inside
    assert "<script" not in markdown and "<img" not in markdown and "[a](" not in markdown and "\x1b" not in markdown
    shown = _terminal(reports)
    assert "\x1b" not in shown and "alert(1)" in shown


def test_rich_markup_in_a_name_is_not_markup(put: WriteReport) -> None:
    assert "[red]job[/red]" in _terminal(load_reports([put("[red]job[/red]")]))


def test_the_page_is_self_contained(put: WriteReport) -> None:
    page = to_html(_three(put))
    tags = Tags(page).seen
    assert len(tags) > 50
    assert not [a for _, a in tags if "src" in a or "href" in a]
    assert "url(" not in page and "@import" not in page and "http" not in re.sub(r"http-equiv", "", page)
    assert "prefers-color-scheme: dark" in page
    assert ("script", {"type": "application/json", "id": "olivepress-data"}) in tags


def test_labels_are_shown_everywhere(put: WriteReport) -> None:
    reports = load_reports([put("x", random_weights=True, emulated=True, synthetic_data=True)])
    for text in (_terminal(reports), to_markdown(reports), to_html(reports), to_json(reports)):
        for label in ("random weights", "emulated device", "synthetic data"):
            assert label in text


def test_one_report_alone(put: WriteReport) -> None:
    reports = load_reports([put("cpu-int4")])
    table = build_table(reports)
    assert not table.comparisons and not table.remarks
    assert "cpu-int4" in _terminal(reports) and "<h2>Mind</h2>" not in to_html(reports)
    with pytest.raises(ReportError, match="no reports"):
        load_reports([])


def test_other_dataset_versions_are_told_and_not_compared(put: WriteReport) -> None:
    same = {"a": True, "b": False}
    base = put("base", runtime="pytorch", outcomes=same)
    other = put("merge", runtime="pytorch", outcomes=same, version="cd" * 32)
    table = build_table(load_reports([base, other]))
    assert not table.comparisons
    assert any("cdcdcdcdcdcd" in r and "not comparable" in r for r in table.remarks)


def test_unpaired_is_said(put: WriteReport) -> None:
    table = build_table(load_reports([put("base", runtime="pytorch", outcomes={"a": True}), put("cpu-int4")]))
    assert not table.comparisons and any("could not be paired" in remark for remark in table.remarks)


def test_edited_examples_are_refused(put: WriteReport) -> None:
    paths = [put("base", runtime="pytorch", outcomes={"a": False}), put("cpu-int4", outcomes={"a": True})]
    examples = paths[1].with_suffix(".examples.jsonl")
    examples.write_text(examples.read_text().replace("true", "false"))
    with pytest.raises(ReportError, match="changed after it was measured"):
        build_table(load_reports(paths))


def test_rows_of_the_same_job_stay_apart(put: WriteReport) -> None:
    twice = load_reports([put("cpu-int4"), put("cpu-int4", created_at="2026-11-21T00:00:00+00:00")])
    names = [row.name for row in build_table(twice).rows]
    assert len(set(names)) == 2
    machine = twice[0].machine.model_copy(update={"id": "arm64-other-8c"}).model_dump()
    table = build_table(load_reports([put("cpu-int4"), put("cpu-int4", machine=machine)]))
    assert {row.name for row in table.rows} == {"cpu-int4 @ x86_64-test-2c", "cpu-int4 @ arm64-other-8c"}
    assert any("different machines" in remark for remark in table.remarks)


def test_other_headline_workloads_are_told(put: WriteReport) -> None:
    table = build_table(load_reports([put("a"), put("b", headline_workload="128x128")]))
    assert any("different workloads" in remark for remark in table.remarks)


def test_optional_columns(put: WriteReport) -> None:
    reports = load_reports([put("cpu-int4")])
    assert not {"json_schema_match", "cost"} & set(build_table(reports).columns)
    metrics = dict(reports[0].metrics) | {"json_schema_match": value("json_schema_match", 0.75)}
    metrics |= {"cost": value("cost", 1.25)}
    table = build_table(load_reports([put("x", metrics=metrics, settings={"currency": "EUR"})]))
    assert {"json_schema_match", "cost"} <= set(table.columns)
    assert "1.25 EUR" in [cell.text for cell in table.rows[0].cells]


def test_speeds_are_compared_round_by_round_in_one_sitting(put: WriteReport) -> None:
    def samples(ms: float) -> tuple[LatencySample, ...]:
        return tuple(
            LatencySample(
                workload="32x2", round=r, repetition=0, ttft_ms=1, request_ttft_ms=2, step_ms=(ms + r / 1000,)
            )
            for r in range(10)
        )

    fast = put("fast", samples=samples(10.0), sitting="one", precision="fp32")
    slow = put("slow", samples=samples(11.0), sitting="one")
    other = put("other", samples=samples(11.0), sitting="two")
    reports = load_reports([fast, slow, other])
    (speed,) = build_table(reports).speeds
    assert (speed.a, speed.b, speed.difference.verdict, speed.difference.rounds) == ("fast", "slow", "slower", 10)
    for text in (_terminal(reports), to_markdown(reports), to_html(reports)):
        assert "decode -9.1 %" in text.replace("\\", "") and "10 interleaved rounds" in text


@pytest.mark.parametrize(
    ("unit", "number", "text"),
    [
        ("ratio", 0.98765, "98.8 %"),
        ("bytes", 999_000_000.0, "999.0 MB"),
        ("bytes", 4.3e9, "4.30 GB"),
        ("ms", 0.04213, "0.0421 ms"),
        ("ms", 1234.5, "1234 ms"),
        ("tokens/s", 15.94, "15.9 tok/s"),
        ("nats", 3.1e-7, "3.1e-07"),
        ("logits", 10.8, "10.8 logits"),
        ("1", 12.34, "12.3"),
        ("s", 75.25, "75.2 s"),
    ],
)
def test_values(unit: str, number: float, text: str) -> None:
    assert format_value(unit, number) == text


def test_the_files(put: WriteReport, tmp_path: Path) -> None:
    made = write_report_page(_three(put), tmp_path / "page")
    assert sorted(p.name for p in (tmp_path / "page").iterdir()) == ["report.html", "report.json", "report.md"]
    assert made["html"].read_text().startswith("<!doctype html>")


def test_fine_tuning_is_held_against_prompting(put: WriteReport) -> None:
    """What it bought over few-shot, not only over the bare base."""
    answers = {f"e{i}": False for i in range(4)}
    paths = [
        put("base", outcomes=answers, runtime="pytorch", precision="fp32"),
        put("few-shot", outcomes=answers | {"e0": True}, runtime="pytorch", precision="fp32"),
        put("finetune", outcomes=dict.fromkeys(answers, True), runtime="pytorch", precision="fp32"),
    ]
    found = build_table(load_reports(paths)).comparisons
    assert [(c.a, c.b) for c in found] == [("base", "few-shot"), ("few-shot", "finetune"), ("base", "finetune")]
    assert found[1].difference == 0.75


def test_perplexities_of_different_texts_are_told_apart(put: WriteReport) -> None:
    paths = [put(f"export-{name}", settings={"text_sha256": name, "text_window": 64}) for name in ("a", "b")]
    assert any("perplexity is of different texts" in remark for remark in build_table(load_reports(paths)).remarks)


@pytest.mark.parametrize("name", ["llama_bench", "optimum_benchmark", "mlperf_client", "olive_metrics"])
def test_imported_reports_have_a_page(name: str, tmp_path: Path) -> None:
    """They state no memory and no cores: null is shown, nothing is made up."""
    file = Path(__file__).parent.parent / "measure" / "importers" / f"{name}.json"
    found = import_results(file, recipe="imported", job=name, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
    paths = [tmp_path / f"{number}.json" for number in range(len(found))]
    for path, report in zip(paths, found, strict=True):
        write_report(report, path)
    page = to_html(load_reports(paths))
    assert "<table" in page and str(found[0].machine.cpu) in page
