from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from rich.console import Console

from olivepress.compare.document import Document
from olivepress.compare.render.formats import CSV_COLUMNS, render_terminal, to_csv, to_json, to_markdown
from olivepress.compare.render.page import to_html
from olivepress.report.device_report import measured

from .document_factory import hostile_document, make_document
from .hostile import HOSTILE


def _terminal(document: Document, width: int = 160) -> str:
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(render_terminal(document))
    return console.export_text()


def test_the_same_numbers_everywhere() -> None:
    document = make_document()
    page = re.sub(r"<[^>]+>", " ", to_html(document))
    for text in (_terminal(document), to_markdown(document), page):
        for number in ("96.0 %", "n=300", "93.7 to 98.3", "7.13 ms", "5613 tok/s", "1403 tok/s", "88.8 MB", "2.2 MB"):
            assert number in text, number
        plain = text.replace("\\", "")
        assert "-2.0 points" in plain and "-4.5 to +0.4" in plain and "0.22" in plain and "3.5 points" in plain
        assert "+72.7 %" in plain and "99 %" in plain and "cannot tell" in plain
        assert "no reference of the parent was given" in plain and "–" in plain
        assert "ship export-cpu-int4" in plain and "nothing fits the budget" in plain and "over budget" in plain


def test_json_holds_the_whole_document_without_samples() -> None:
    data = json.loads(to_json(make_document()))
    assert data["schema_version"] == 2 and list(data) == sorted(data)
    row = data["rows"][3]
    assert row["report"]["metrics"]["decode_tps"]["value"] == 1403.25 and len(row["itl_ms"]) == 101
    assert row["report"]["metrics"]["kl_divergence"]["value"] is None
    assert "samples" not in row["report"] and "processes" not in row["report"]
    assert data["verdicts"][1]["lost"] == 9 and data["decisions"][1]["chosen"] == []
    assert len(data["examples"]) == 300 and data["training"]["tiny"][1] == {
        "step": 5,
        "loss": pytest.approx(5.57, abs=0.01),
        "learning_rate": pytest.approx(1.96e-4),
        "grad_norm": pytest.approx(2.857, abs=0.001),
    }
    assert data["checklists"]["tiny/finetune.1"][0] == {"name": "seeds", "recorded": "finetune.seed 0", "missing": ""}


def test_json_refuses_what_is_not_finite() -> None:
    document = make_document()
    broken = replace(document, verdicts=(replace(document.verdicts[0], difference=float("inf")),))
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json(broken)


def test_labels_are_shown_everywhere() -> None:
    document = make_document()
    for text in (_terminal(document), to_markdown(document), to_json(document), to_csv(document)):
        for label in ("emulated device", "synthetic data"):
            assert label in text


def test_csv_has_a_line_for_each_row_and_metric() -> None:
    document = make_document()
    lines = list(csv.DictReader(io.StringIO(to_csv(document))))
    assert tuple(lines[0]) == CSV_COLUMNS
    assert len(lines) == sum(len(row.report.metrics) for row in document.rows)
    (line,) = [x for x in lines if x["metric"] == "decode_tps" and x["name"] == document.rows[3].name]
    assert float(line["value"]) == 1403.25 and line["unit"] == "tokens/s" and line["n"] == "24"
    (null,) = [x for x in lines if x["metric"] == "kl_divergence" and x["name"] == document.rows[3].name]
    assert null["value"] == "" and null["reason"] == "no reference of the parent was given"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_a_cell_of_a_report_is_no_formula(start: str) -> None:
    document = make_document()
    name = f'{start}HYPERLINK("http://x","y")'
    report = document.rows[0].report.model_copy(update={"lm_eval": {"t": measured("gain_retained", -0.5, n=1)}})
    row = replace(document.rows[0], name=name, short=name, machine=name, role=name, report=report)
    lines = list(csv.reader(io.StringIO(to_csv(replace(document, rows=(row,))))))[1:]
    for line in lines:
        assert all(cell.startswith("'") for cell in line[:3])
        assert not any(cell[:1] in ("=", "+", "@", "\t", "\r") for cell in line)
    assert lines[-1][3:6] == ["lm_eval:t", "ratio", "-0.5"]  # a number is left a number


def test_hostile_texts_stay_texts() -> None:
    document = hostile_document(HOSTILE)
    markdown = to_markdown(document)
    for block in markdown.split("\n\n"):
        rows = [line for line in block.splitlines() if line.startswith("|")]
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in rows}) <= 1  # no cell was opened from inside
    for forbidden in ("<script", "<img", "<svg", "[a](", "\x1b", "\u202e"):
        assert forbidden not in markdown, forbidden
    assert "\x1b" not in to_csv(document)
    shown = _terminal(document)
    assert "\x1b" not in shown and "\u202e" not in shown and "alert(1)" in shown


def test_markdown_makes_no_links_and_no_mentions() -> None:
    remarks = ("see http://x.example and www.y.example, cc @someone, #12",)
    markdown = to_markdown(make_document(remarks=remarks))
    assert "://" not in markdown and "www." not in markdown and "@someone" not in markdown and " #12" not in markdown
    assert "base → finetune @ x86" in markdown  # our own sign is no mention


def test_rich_markup_in_a_name_is_not_markup() -> None:
    document = make_document()
    named = replace(document, rows=(replace(document.rows[0], name="[red]job[/red]", short="[red]job[/red]"),))
    assert "[red]job[/red]" in _terminal(named)


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_a_terminal_line_ends_between_numbers(width: int) -> None:
    shown = _terminal(make_document(), width)
    assert max(len(line.rstrip()) for line in shown.splitlines()) <= width
    for number in ("5613 tok/s", "1389 to 1410", "96.4 to 99.6", "-2.0 points (-4.5 to +0.4)", "93.7 to 98.3"):
        assert number in shown, number


def test_artifacts_that_do_not_fit_come_in_tables_of_about_the_same_size() -> None:
    document = make_document()
    many = tuple(replace(document.rows[3], name=f"artifact-{n}", short=f"artifact-{n}") for n in range(6))
    shown = _terminal(replace(document, rows=many, decisions=(), verdicts=()), 90)
    heads = [len(re.findall(r"artifact-\d", line)) for line in shown.splitlines() if "artifact-" in line]
    assert heads == [3, 3]


def test_an_empty_document_has_all_forms() -> None:
    empty = Document(title="t", columns=(), rows=(), decisions=(), verdicts=(), remarks=(), footnotes=())
    assert _terminal(empty).strip() == "t" and to_markdown(empty) == "# t\n"
    assert json.loads(to_json(empty))["rows"] == [] and to_csv(empty).count("\n") == 1
    assert HOSTILE not in to_html(empty)
