"""``olivepress compare`` and ``history`` as a user types them."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.report.device_report import DatasetUsed, measured

from .conftest import WriteReport

Cli = Callable[..., subprocess.CompletedProcess[str]]
IDS = [f"e{i:03d}" for i in range(200)]


def report(put: WriteReport, right: int, size: float = 1e6, *, timed: bool = True, **changes: object) -> str:
    data = DatasetUsed(name="lamps", version="ab" * 32, split="test", n=len(IDS), of=len(IDS))
    metrics = {
        "exact_match": measured("exact_match", right / len(IDS), n=len(IDS)),
        "size_on_disk_bytes": measured("size_on_disk_bytes", size, n=1),
    }
    if timed:
        metrics["decode_tps"] = measured("decode_tps", 100.0, n=3)
    outcomes = {example: index < right for index, example in enumerate(IDS)}
    return str(put("export-cpu-int4", outcomes=outcomes, dataset=data, metrics=metrics, samples=(), **changes))


def test_every_format(put: WriteReport, tmp_path: Path, olivepress: Cli) -> None:
    path = report(put, 190)
    table = olivepress("compare", path, "--out", str(tmp_path / "out"))
    assert table.returncode == 0 and "ship export-cpu-int4" in table.stdout and "95.0 %" in table.stdout
    written = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert written == ["plots", "report.csv", "report.html", "report.json", "report.md"]
    plots = sorted(path.suffix for path in (tmp_path / "out" / "plots").iterdir())
    assert plots and plots.count(".png") == plots.count(".svg")
    found = json.loads(olivepress("compare", path, "--format", "json").stdout)
    assert found["rows"][0]["report"]["metrics"]["exact_match"]["value"] == 0.95
    assert json.loads(olivepress("compare", path, "--json").stdout) == found
    rows = list(csv.DictReader(io.StringIO(olivepress("compare", path, "--format", "csv").stdout)))
    (cell,) = [row for row in rows if row["metric"] == "exact_match"]
    assert (cell["name"], cell["value"], cell["n"]) == ("export-cpu-int4", "0.95", "200")
    assert "| " in olivepress("compare", path, "--format", "markdown").stdout
    wrong = olivepress("compare", path, "--format", "yaml")
    assert wrong.returncode == 2 and "Traceback" not in wrong.stderr


def test_the_budget_of_a_recipe(put: WriteReport, tmp_path: Path, olivepress: Cli) -> None:
    recipe = tmp_path / "r.yaml"
    text = "name: r\nmodel: {path: embedded:tiny-phi}\ndata: {demo: device-command}\ntargets: [cpu-int4]\n"
    recipe.write_text(text + "budget:\n  all: {min_exact_match: 0.99}\n")
    done = olivepress("compare", report(put, 190), "--recipe", str(recipe))
    assert done.returncode == 0 and "nothing is shown to meet the budget" in done.stdout
    recipe.write_text(text + "budget:\n  cpu-int8: {min_exact_match: 0.99}\n")
    done = olivepress("compare", report(put, 190), "--recipe", str(recipe))
    assert done.returncode == 3 and "not 'cpu-int8'" in done.stderr


@pytest.mark.parametrize(
    ("right", "size", "code", "says"),
    [(190, 1e6, 0, "gate: pass"), (150, 1e6, 1, "gate: worse"), (190, 2e6, 1, "gate: worse")],
)
def test_the_gate_tells_a_pipeline(
    put: WriteReport, tmp_path: Path, olivepress: Cli, right: int, size: float, code: int, says: str
) -> None:
    before = report(put, 190, timed=False)
    now = report(put, right, size, timed=False, created_at="2026-11-21T00:00:00+00:00")
    done = olivepress("compare", now, "--gate", before, "--format", "markdown", "--out", str(tmp_path / "out"))
    assert done.returncode == code and says in done.stderr, done.stderr
    summary = (tmp_path / "out" / "gate.md").read_text()
    assert summary.startswith(f"## {says.capitalize()}") and summary in done.stdout
    assert "| export-cpu-int4 | Exact match | 95.0 % → " in summary


def test_the_gate_says_when_it_cannot_tell(put: WriteReport, olivepress: Cli) -> None:
    before, now = report(put, 190), report(put, 190, created_at="2026-11-21T00:00:00+00:00")
    done = olivepress("compare", now, "--gate", before)
    assert done.returncode == 2 and "decode_tps: too few rounds for a noise floor" in done.stderr


def test_wrong_input_is_one_line(put: WriteReport, tmp_path: Path, olivepress: Cli) -> None:
    (tmp_path / "garbage.json").write_text("{")
    edited = Path(report(put, 190))
    edited.write_text(edited.read_text().replace("0.95", "0.99"))
    for arguments, code, says in (
        (("none.json",), 2, "no device report"),
        ((str(tmp_path / "garbage.json"),), 8, "not complete JSON"),
        ((str(edited),), 8, "it was changed after it was measured"),
        (("git:nowhere",), 2, "no such git revision"),
        ((), 2, "REPORT"),
    ):
        done = olivepress("compare", *arguments, cwd=tmp_path)
        assert done.returncode == code and says in done.stderr, done.stderr
        assert len(done.stderr.strip().splitlines()) == 1 and not done.stdout


def test_history_outside_a_repository(tmp_path: Path, olivepress: Cli) -> None:
    done = olivepress("history", cwd=tmp_path)
    assert done.returncode == 2 and "next: run it in the repository" in done.stderr
