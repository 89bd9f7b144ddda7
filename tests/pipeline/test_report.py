"""What ``olivepress report`` adds to the reports, and what it prints."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.cli.documents import print_pages
from olivepress.cli.plans import load_plan
from olivepress.data.store.dataset import write_dataset
from olivepress.pipeline.report import Page, checklists, questions
from olivepress.track.record import Ended, Facts
from tests.compare.document_factory import one_machine
from tests.track.conftest import start

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_questions_come_from_the_dataset_as_far_as_it_is_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    plan = load_plan("tiny-phi")
    assert questions(plan.dataset.directory) == {}  # nothing is prepared yet
    write_dataset(plan.dataset)
    asked = questions(plan.dataset.directory)
    assert len(asked) == 600 and all(text and "{" not in text for text in asked.values())
    (plan.dataset.directory / "test.jsonl").unlink()
    assert questions(plan.dataset.directory) == {}


def test_the_checklist_is_that_of_the_last_finished_fine_tune(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert checklists("lamps") == {}
    start(None, "merge").append(Ended(at=2**42, status="finished"))
    for status in ("finished", "finished", "failed"):
        start(None, facts=Facts(git_commit="f" * 40)).append(Ended(at=2**42, status=status))
    ((name, items),) = checklists("lamps").items()
    assert name == "lamps/finetune.2"
    assert {item.name: item.recorded for item in items}["commit"] == "f" * 12
    assert "hardware" in {item.name for item in items if item.missing}


def test_a_few_lines_unless_all_are_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    page = Page(document=one_machine(), files={"html": Path("runs/tiny/report/report.html")})
    print_pages([page], as_json=False)
    short = capsys.readouterr().out.splitlines()
    assert len(short) <= 12 and short[-1] == "page: runs/tiny/report/report.html"
    assert sum(line.startswith("  ") for line in short) <= 5 and max(map(len, short)) <= 80
    print_pages([page], as_json=False, full=True)
    full = capsys.readouterr().out.splitlines()
    assert not [line for line in (*short, *full) if line.endswith(" ")]
    assert len(full) > 3 * len(short) and max(map(len, full)) <= 80 and full[-1] == short[-1]
    assert any("Measured on x86_64-test-2c" in line for line in full)


def test_full_is_an_option_of_report(olivepress_here: Cli) -> None:
    done = olivepress_here("report", "--help")
    assert done.returncode == 0 and "--full" in done.stdout
