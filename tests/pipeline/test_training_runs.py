"""The fine-tunes that a page draws: the one whose result is here, and other runs of it that were recorded."""

from __future__ import annotations

from pathlib import Path

import pytest

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import job_dir, run_record
from olivepress.pipeline.training_runs import earlier_runs, training_runs
from tests.ui.project import RECIPE, write_artifact


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _record(number: int, sha256: str | None, *, steps: int = 3, ended: bool = True) -> None:
    path = run_record(RECIPE, "finetune", number)
    start = {"type": "start", "at": number, "id": f"{number:032d}", "recipe": RECIPE, "job": "finetune"}
    append_json_line(path, start | {"number": number, "kind": "finetune"}, sync=False)
    values = [{"step": step, "at": 1, "values": {"loss": number + 1 / step}} for step in range(1, steps + 1)]
    append_json_line(path, {"type": "points", "points": values}, sync=False)
    if ended:
        append_json_line(path, {"type": "end", "at": 9, "status": "finished", "sha256": sha256}, sync=False)


def test_the_present_run_and_the_newest_others() -> None:
    for number in range(1, 13):
        _record(number, f"{number:064d}")
    manifest = write_artifact("finetune", target=None, parent=None)
    _record(13, manifest.sha256)  # the one that is here
    _record(14, f"{12:064d}")  # made what run 12 made
    _record(15, "f" * 64, steps=1)
    _record(16, None, ended=False)
    for step in (1, 2):
        append_json_line(job_dir(RECIPE, "finetune") / "training.jsonl", {"done": step, "total": 2, "loss": 1.0})
    runs = training_runs(RECIPE)
    assert list(runs) == [RECIPE, f"{RECIPE}/finetune.14", f"{RECIPE}/finetune.11", f"{RECIPE}/finetune.10"]
    assert [step.loss for step in runs[f"{RECIPE}/finetune.11"].steps] == [12.0, 11.5, 11 + 1 / 3]


def test_nothing_was_trained() -> None:
    assert training_runs(RECIPE) == {} and earlier_runs(RECIPE) == {}
