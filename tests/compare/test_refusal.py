"""A decision to ship nothing in every form: in red, with its reason, five wrong answers and what to do next."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

from rich.console import Console

from olivepress.compare import compare, load, render_terminal, to_html, to_json, to_markdown
from olivepress.compare.document import Document
from olivepress.compare.floor import CODES
from olivepress.compare.refusal import _NEXT, EXCERPT, MOST_WRONG
from olivepress.report.device_report import DatasetUsed, measured, write_report
from olivepress.stats.intervals import wilson
from tests.report.factory import make_report

LONG = "x" * 500 + "<script>alert(1)</script>"


def report(folder: Path, job: str, answers: list[tuple[str, str]]) -> Path:
    """A report with the examples (expected, output) beside it."""
    rows = [
        {"id": f"e{n:03d}", "expected": expected, "output": output, "correct": expected == output, "label": expected}
        for n, (expected, output) in enumerate(answers)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    sha, hits, n = hashlib.sha256(text.encode()).hexdigest(), sum(row["correct"] is True for row in rows), len(rows)
    (folder / f"{job}.examples.jsonl").write_text(text)
    metrics = dict(make_report().metrics)
    metrics["exact_match"] = measured("exact_match", hits / n, n=n, interval=wilson(hits, n))
    data = DatasetUsed(name="lamps", version="ab" * 32, split="test", n=n, of=n)
    changes = {"examples_file": f"{job}.examples.jsonl", "examples_sha256": sha, "dataset": data, "metrics": metrics}
    path = folder / f"{job}.json"
    write_report(make_report(job=job, **changes), path)
    return path


def refused(folder: Path) -> Document:
    """int4 says "on" to everything, int8 nothing that is right: 24 of 40 expect "on"."""
    expected = ["on"] * 24 + ["off"] * 16
    first = report(folder, "export-cpu-int4", [(one, "on") for one in expected])
    second = report(folder, "export-cpu-int8", [(one, LONG) for one in expected])
    return compare(load([first, second]))


def test_do_not_ship_has_a_reason_wrong_answers_and_next_steps(tmp_path: Path) -> None:
    document = refused(tmp_path)
    (decision,) = document.decisions
    assert (decision.outcome, decision.chosen) == ("do_not_ship", ())
    assert {c.name: c.usefulness.reasons[0].code for c in decision.candidates if c.usefulness} == {
        "export-cpu-int4": "not_better_than_constant",
        "export-cpu-int8": "nothing_right",
    }
    assert len(decision.wrong_answers) == MOST_WRONG
    assert {(a.row, a.expected, a.output) for a in decision.wrong_answers} == {("export-cpu-int4", "off", "on")}
    assert decision.next_steps
    (other,) = compare(load([tmp_path / "export-cpu-int8.json"])).decisions
    assert len(other.wrong_answers) == MOST_WRONG and len(other.wrong_answers[0].output) == EXCERPT + 1
    # Nothing of it with something to ship.
    good = report(tmp_path, "export-good", [("on", "on")] * 20 + [("off", "off")] * 20)
    (decision,) = compare(load([good])).decisions
    assert (decision.outcome, decision.wrong_answers, decision.next_steps) == ("ship", (), ())


def test_every_form_says_so(tmp_path: Path) -> None:
    document = refused(tmp_path)
    (decision,) = document.decisions
    console = Console(width=100, record=True, force_terminal=True, color_system="standard", file=io.StringIO())
    console.print(render_terminal(document))
    text = console.export_text(styles=True)
    line = next(line for line in text.splitlines() if "do not ship" in line)
    assert "\x1b[1;31m" in line and decision.headline in line  # bold red
    assert text.count("wrong: export-cpu-int4") == MOST_WRONG and "next: " in text
    markdown = to_markdown(document)
    assert (
        "**Do not ship: 24 of 40 answers are right, not shown to be better than one constant answer, on" in markdown
        and markdown.count("- wrong: ") == MOST_WRONG
    )
    page = to_html(document)
    assert 'class="card none do-not-ship"' in page and ">Wrong answers<" in page and ">Next:<" in page
    assert "<script>alert" not in page
    data = json.loads(to_json(document))["decisions"][0]
    assert data["outcome"] == "do_not_ship" and data["reason"]["code"] in CODES
    assert len(data["wrong_answers"]) == MOST_WRONG and data["next_steps"] == list(decision.next_steps)
    assert data["candidates"][0]["usefulness"]["call"] == "not useful"


def test_every_reason_against_has_a_next_step() -> None:
    in_favour = {"better_than_base", "better_than_constant", "base_not_there"}
    assert set(_NEXT) == set(CODES) - in_favour
