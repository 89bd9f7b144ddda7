"""A new metric is one declaration: it is then computed for each example, judged, shown, limited and gated."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError
from rich.console import Console

from olivepress.compare import compare, gate, load, render_terminal
from olivepress.compare.load import Loaded
from olivepress.recipe.budget import budget_record
from olivepress.report.device_report import DatasetUsed, measured, write_report
from olivepress.report.examples import write_examples
from olivepress.report.registry import METRICS, SHARE, Column, Metric
from olivepress.report.task_metrics import Example
from tests.report.factory import make_report

ALL = 200
POLITENESS = Metric(
    name="politeness",
    unit="ratio",
    direction="higher",
    title="Politeness",
    description="Share of answers that say please.",
    group="task",
    counted=True,
    judge="share",
    score=lambda output, expected: float("please" in output),
    column=Column(place=15, always=False),
    views=("terminal",),
    limit=SHARE,
    gated=True,
)


@pytest.fixture(autouse=True)
def _declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, POLITENESS.name, POLITENESS)


def artifact(job: str, polite: int, folder: Path) -> Loaded:
    """A report of which ``polite`` of 200 answers, all of them right, say please."""
    path = folder / f"{job}-{polite}.json"
    answers = tuple(
        Example(id=f"e{n:03d}", output="yes, please" if n < polite else "yes", expected="yes") for n in range(ALL)
    )
    name, sha256 = write_examples(answers, path)
    metrics = {
        "exact_match": measured("exact_match", 0.0, n=ALL, interval=(0.0, 0.02)),
        "politeness": measured("politeness", polite / ALL, n=ALL),
        "decode_tps": measured("decode_tps", 100.0, n=30),
    }
    data = DatasetUsed(name="letters", version="ab" * 32, split="test", n=ALL, of=ALL)
    report = make_report(job=job, metrics=metrics, dataset=data, examples_file=name, examples_sha256=sha256)
    write_report(report, path)
    (loaded,) = load([path])
    return loaded


def test_a_new_metric_is_judged_and_shown(tmp_path: Path) -> None:
    document = compare([artifact("export-cpu-fp32", 100, tmp_path), artifact("export-cpu-int4", 180, tmp_path)])
    (verdict,) = [verdict for verdict in document.verdicts if verdict.metric == "politeness"]
    assert (verdict.call, verdict.n, verdict.gained, verdict.lost) == ("better", ALL, 80, 0)
    assert document.columns[:2] == ("exact_match", "politeness")
    console = Console(width=120, record=True, file=(tmp_path / "shown").open("w"))
    console.print(render_terminal(document))
    assert "Politeness" in console.export_text()


def test_without_a_value_it_has_no_column(tmp_path: Path) -> None:
    path = tmp_path / "plain.json"
    write_report(make_report(), path)
    assert "politeness" not in compare(load([path])).columns


def test_a_new_metric_is_limited(tmp_path: Path) -> None:
    given = budget_record().model_validate({"min_politeness": 0.95})
    assert given.limits == {"min_politeness": 0.95}
    for wrong in ({"min_politeness": 1.5}, {"max_politeness": 0.95}):
        with pytest.raises(ValidationError):
            budget_record().model_validate(wrong)
    document = compare([artifact("export-cpu-int4", 100, tmp_path)], budgets={"all": given.limits})
    (candidate,) = document.decisions[0].candidates
    assert candidate.outcome == "over budget"
    assert candidate.limits[0].text == "Politeness: at least 95.0 %, measured 50.0 %"


def test_a_new_metric_is_gated(tmp_path: Path) -> None:
    before, now = artifact("export-cpu-int4", 180, tmp_path), artifact("export-cpu-int4", 100, tmp_path)
    result = gate([now], [before])
    assert result.result == "worse" and "Politeness worse" in result.reasons[0]
