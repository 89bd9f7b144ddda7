"""Records in a notebook: small tables, in which every text from elsewhere is text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import Check
from olivepress.core.errors import JobError
from olivepress.core.notebook import facts_html, record_html, table_html
from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import Dataset
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.report import Page
from olivepress.run.outcome import JobOutcome
from tests.compare.document_factory import hostile_document, make_document
from tests.compare.hostile import HOSTILE
from tests.report.factory import MACHINE, make_report
from tests.ui.project import write_artifact

TAGS = {"div", "style", "h4", "table", "thead", "tbody", "tr", "th", "td"}


class Shown(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.names: set[str] = set()
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.names |= {name for name, _ in attributes}

    def handle_data(self, data: str) -> None:
        self.text += data + "\n"


def shown(record: Any) -> Shown:
    """What a notebook shows of it: tables only, nothing that runs or loads."""
    html = record._repr_html_()
    parsed = Shown(html)
    assert parsed.tags <= TAGS and parsed.names <= {"class", "colspan"}
    assert "\x1b" not in html and "\u202e" not in html and len(html) < 100_000
    return parsed


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_an_artifact() -> None:
    check = Check(name="kl_divergence", passed=True, value=0.0125, limit=0.1, detail=HOSTILE)
    manifest = write_artifact("export-cpu-int4", base_model=HOSTILE, checks=(check,))
    text = shown(manifest).text
    for part in (
        "Artifact lamps/export-cpu-int4",
        "CPUExecutionProvider",
        "kl_divergence",
        "0.0125",
        "<script>alert(1)",
    ):
        assert part in text
    assert shown(JobOutcome(job="export-cpu-int4", state="done", manifest=manifest)).text == text


def test_a_job_without_an_artifact() -> None:
    failed = JobOutcome(job="merge", state="failed", error=JobError(HOSTILE, next_step="look"))
    assert "merge: failed" in shown(failed).text and "next: look" in shown(failed).text


def test_a_device_report() -> None:
    text = shown(make_report(precision=HOSTILE, machine=MACHINE.model_copy(update={"id": HOSTILE}))).text
    for part in ("Device report tiny/cpu-int4", "50.0 %", "15.0 % to 85.0 %", "no reference of the parent was given"):
        assert part in text


def test_a_plan_and_its_dataset() -> None:
    plan = load_plan("tiny-phi")
    text = shown(plan).text
    assert "Plan of tiny-phi" in text and all(job.id in text for job in plan.jobs) and "2,400 train" in text
    assert "2,400" in shown(plan.dataset).text and plan.dataset.version in shown(plan.dataset).text


def test_a_hostile_dataset() -> None:
    splits = build_dataset(load_plan("tiny-phi").recipe.data).splits  # type: ignore[arg-type]
    advice = [{"level": HOSTILE, "text": HOSTILE}, HOSTILE]
    dataset = Dataset(
        name=HOSTILE, format=HOSTILE, synthetic=False, splits=splits, dropped={HOSTILE: 3}, facts={"advice": advice}
    )
    assert "<script>alert(1)" in shown(dataset).text


def test_a_comparison() -> None:
    document = make_document()
    text = shown(document).text
    assert document.decisions[0].headline in text and "export-cpu-int4 @ x86_64-test-2c" in text and "Decode" in text
    assert shown(Page(document=document, files={})).text == text
    assert "<script>alert(1)" in shown(hostile_document(HOSTILE)).text


def test_long_tables_end() -> None:
    html = table_html(("n",), [(number,) for number in range(1000)])
    assert html.count("<tr>") == 62 and "and 940 more" in html
    assert table_html(("n",), []) == "" and facts_html([("a", None), ("b", "")]) == ""
    assert "<td>–</td>" in table_html(("n",), [(None,)]) and "<td>0</td>" in facts_html([("a", 0)])
    assert record_html("<b>").count("<b>") == 0
