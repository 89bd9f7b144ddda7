"""Reports → Document: rows, pairs of the ladder, remarks, footnotes, examples."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from olivepress.compare import compare, load, to_html
from olivepress.compare.comparison import MOST_REMARKS
from olivepress.compare.examples import MOST_EXAMPLES
from olivepress.compare.render.excerpt import MOST_DECISIONS, excerpt
from olivepress.core.errors import ReportError
from olivepress.measure.importers import import_results
from olivepress.report.device_report import DatasetUsed, LatencySample, write_report
from tests.report.factory import MACHINE, make_report

from .conftest import WriteReport

PYTORCH = {"runtime": "pytorch", "precision": "fp32"}


def ladder(put: WriteReport) -> list[Path]:
    answers = {f"e{i}": False for i in range(4)}
    return [
        put("export-cpu-int4", outcomes=answers | {"e0": True, "e1": True}),
        put("export-cpu-fp32", outcomes=dict.fromkeys(answers, True), precision="fp32"),
        put("merge", outcomes=dict.fromkeys(answers, True), **PYTORCH),
        put("finetune", outcomes=dict.fromkeys(answers, True), **PYTORCH),
        put("few-shot", outcomes=answers | {"e0": True}, **PYTORCH),
        put("base", outcomes=answers, **PYTORCH),
    ]


def test_the_ladder(put: WriteReport) -> None:
    document = compare(load(ladder(put)))
    assert [row.role for row in document.rows] == ["base", "few-shot", "fine-tuned", "merged", "exported", "quantized"]
    found = [(v.a, v.b) for v in document.verdicts if v.metric == "exact_match"]
    assert found[:6] == [
        ("base", "few-shot"),
        ("base", "finetune"),
        ("few-shot", "finetune"),  # what fine-tuning bought over prompting
        ("finetune", "merge"),
        ("merge", "export-cpu-fp32"),
        ("merge", "export-cpu-int4"),
    ]
    by_pair = {(v.a, v.b): v for v in document.verdicts if v.metric == "exact_match"}
    assert by_pair["few-shot", "finetune"].difference == 0.75 and by_pair["merge", "export-cpu-int4"].lost == 2
    # Those on which the rows do not agree come first.
    assert [e.id for e in document.examples] == ["e0", "e1", "e2", "e3"]
    assert [answer.row for answer in document.examples[0].answers] == [row.name for row in document.rows]


def test_a_merge_into_the_unquantized_base_is_told(put: WriteReport) -> None:
    answers = {f"e{i}": i > 0 for i in range(4)}
    trained = put("finetune", outcomes=answers, runtime="pytorch", precision="nf4")
    document = compare(load([trained, put("merge", outcomes=answers | {"e0": True}, **PYTORCH)]))
    assert [row.role for row in document.rows] == ["fine-tuned", "merged"]
    (verdict,) = (v for v in document.verdicts if v.metric == "exact_match")
    assert (verdict.a, verdict.b, verdict.difference) == ("finetune", "merge", 0.25)
    said = "trained on a base in nf4, merged into the unquantized one"
    assert said in verdict.notes and said in to_html(document)
    usual = compare(load([put("finetune", outcomes=answers, **PYTORCH), put("merge", outcomes=answers, **PYTORCH)]))
    assert not [note for verdict in usual.verdicts for note in verdict.notes if "merged into" in note]


def test_one_report_alone(put: WriteReport) -> None:
    document = compare(load([put("export-cpu-int4")]))
    assert len(document.rows) == 1 and not document.verdicts and len(document.decisions) == 1
    (decision,) = document.decisions
    assert decision.chosen == () and decision.outcome == "cannot_tell"  # 2 of 4 right: too few to tell
    assert decision.reason is not None and decision.reason.code == "too_few_examples"
    assert ("no reference of the parent was given", ("KL",)) in document.footnotes


def test_rows_of_the_same_job_stay_apart(put: WriteReport) -> None:
    paths = [put("export-cpu-int4", settings={"n": n}) for n in range(3)]
    names = [row.name for row in compare(load(paths)).rows]
    assert len(set(names)) == 3 and names[0] == "export-cpu-int4"


def test_other_data_is_told_and_not_compared(put: WriteReport) -> None:
    paths = [
        put("merge", outcomes={"e0": True}, **PYTORCH),
        put("export-cpu-int4", outcomes={"e0": True}, version="cd" * 32),
    ]
    document = compare(load(paths))
    assert not [v for v in document.verdicts if v.metric == "exact_match" and v.call != "not comparable"]
    assert any("measured on different data" in remark for remark in document.remarks)


def test_different_workloads_and_texts_are_told(put: WriteReport) -> None:
    other = tuple(workload.model_copy(update={"name": "64x2"}) for workload in make_report().workloads)
    document = compare(load([put("export-a"), put("export-b", headline_workload="64x2", workloads=other)]))
    assert any("different workloads: 32x2 and 64x2" in remark for remark in document.remarks)
    many = [put(f"export-{n}", warnings=(f"warning {n}",)) for n in range(MOST_REMARKS + 5)]
    remarks = compare(load(many)).remarks
    assert len(remarks) == MOST_REMARKS + 1 and "5 more remarks" in remarks[-1]


def test_edited_and_doubled_examples_are_refused(put: WriteReport, tmp_path: Path) -> None:
    path = put("merge", outcomes={"e0": True, "e1": False})
    examples = path.with_suffix(".examples.jsonl")
    before = examples.read_text()
    examples.write_text(before.replace("false", "true"))
    with pytest.raises(ReportError, match="changed after it was measured"):
        load([path])
    doubled = put("merge", outcomes={"e0": True}, settings={"doubled": 1})
    report = load([doubled])[0].report
    text = doubled.with_suffix(".examples.jsonl").read_text() * 2
    doubled.with_suffix(".examples.jsonl").write_text(text)
    import hashlib

    write_report(report.model_copy(update={"examples_sha256": hashlib.sha256(text.encode()).hexdigest()}), doubled)
    with pytest.raises(ReportError, match="an example's id occurs twice"):
        load([doubled])


def test_what_is_kept_of_the_samples(put: WriteReport) -> None:
    samples = tuple(
        LatencySample(workload="32x2", round=n, repetition=0, ttft_ms=10 + n, request_ttft_ms=20, step_ms=(1.0, 3.0))
        for n in range(3)
    )
    (item,) = load([put("export-cpu-int4", samples=samples)])
    assert item.by_round["decode_tps"] == {0: 500.0, 1: 500.0, 2: 500.0}
    assert item.by_round["ttft_ms"] == {0: 10.0, 1: 11.0, 2: 12.0}
    assert len(item.itl_ms) == 101 and item.itl_ms[0] == 1.0 and item.itl_ms[-1] == 3.0 and item.itl_ms[50] == 2.0
    assert item.report.samples == ()


def test_imported_reports_can_be_compared(tmp_path: Path) -> None:
    paths = []
    for name in ("llama_bench", "optimum_benchmark", "mlperf_client", "olive_metrics"):
        file = Path(__file__).parent.parent / "measure" / "importers" / f"{name}.json"
        for number, report in enumerate(
            import_results(file, recipe="r", job=name, now=lambda: datetime(2026, 1, 2, tzinfo=UTC))
        ):
            paths.append(tmp_path / f"{name}-{number}.json")
            write_report(report, paths[-1])
    document = compare(load(paths))
    assert len(document.rows) == len(paths) > 4
    assert all(decision.candidates for decision in document.decisions)


def test_a_large_split_is_cut_and_counted(put: WriteReport) -> None:
    outcomes = {f"e{i:05d}": i % 2 == 0 for i in range(MOST_EXAMPLES + 100)}
    data = DatasetUsed(name="lamps", version="ab" * 32, split="test", n=len(outcomes), of=len(outcomes))
    document = compare(load([put("export-cpu-int4", outcomes=outcomes, dataset=data)]))
    assert len(document.examples) == MOST_EXAMPLES and document.examples_left_out == 100
    assert json.dumps([e.id for e in document.examples]) == json.dumps(sorted(outcomes)[:MOST_EXAMPLES])


def test_a_large_comparison_fits_one_page(put: WriteReport) -> None:
    """All decisions are on it; of the rows those that the first decisions rest on, and how many are not."""
    machines = [MACHINE.model_copy(update={"id": f"box-{n:02d}"}) for n in range(30)]
    paths = [put(f"export-{job}", machine=m) for m in machines for job in ("cpu-int4", "cpu-int8", "cpu-fp32")]
    document = compare(load(paths))
    assert len(document.rows) == 90 and len(document.decisions) == 30
    small = excerpt(document)
    assert len(small.rows) == 36 and len(small.decisions) == MOST_DECISIONS
    assert small.remarks[0].startswith("54 of 90 reports are not on this page")
    page = to_html(document)
    assert "All 30 decisions" in page and all(f"box-{n:02d}" in page for n in range(30))
    assert excerpt(small) is small
