"""The authors' own files, by path: Banking77 as text → label, SNIPS as text → JSON."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.data.build import build_dataset
from olivepress.recipe.schema import Data
from olivepress.report.device_report import read_report

pytestmark = pytest.mark.real
Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_banking77_is_read_whole(shared_data: Path) -> None:
    dataset = build_dataset(Data(source=str(shared_data / "banking77")))
    rows = {split: len(examples) for split, examples in dataset.splits.items()}
    assert sum(rows.values()) + sum(dataset.dropped.values()) == 10_003 + 3_080
    assert rows["test"] == 3_079
    assert len({example.label for example in dataset.splits["train"]}) == 77


def test_snips_is_read_in_spite_of_its_bad_bytes(shared_data: Path) -> None:
    dataset = build_dataset(Data(source=str(shared_data / "snips")))
    assert dataset.changed["bytes that are not UTF-8, recoded"] == 1
    assert {json.loads(example.answer)["intent"] for example in dataset.splits["test"]} == {
        path.name for path in (shared_data / "snips").iterdir() if path.is_dir()
    }


@pytest.mark.parametrize(("name", "rows"), [("banking77/train.csv", 10_003), ("banking77", 13_083), ("snips", 14_484)])
def test_every_row_is_dropped_once_or_in_the_lineage(shared_data: Path, name: str, rows: int) -> None:
    dataset = build_dataset(Data(source=str(shared_data / name)))
    assert dataset.files is not None
    told = [json.loads(line) for file in ("audit.jsonl", "lineage.jsonl") for line in (dataset.files / file).open()]
    places = [(entry["file"], entry["row"]) for entry in told if entry.get("action", "dropped") == "dropped"]
    assert len(places) == len(set(places)) == rows == sum(dataset.facts["read"].values())
    print(f"{name}: {rows} rows in = {rows - sum(dataset.dropped.values())} kept + {dataset.dropped}")


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_fine_tuning_on_banking77(shared_data: Path, project: Path, olivepress: Cli) -> None:
    """Base, fine-tuned and int4 accuracy with their n, from the original CSV files."""
    source = str(shared_data / "banking77")
    for verb in ("run", "bench", "report"):
        done = olivepress(verb, "banking77", "--data", source)
        assert done.returncode == 0, done.stderr
    print(done.stdout)
    reports = [read_report(path) for path in project.glob("benchmarks/results/*/banking77-banking77/*.json")]
    found = {report.job: report.metrics["exact_match"] for report in reports}
    assert set(found) == {"base", "finetune", "merge", "export-cpu-fp32", "export-cpu-int4"}
    assert all(measurement.n == 600 for measurement in found.values())
    assert (found["merge"].value or 0.0) > (found["base"].value or 0.0) + 0.2
