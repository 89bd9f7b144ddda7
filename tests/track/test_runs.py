"""Runs are listed, shown, compared and looked up from their records alone."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import UsageError
from olivepress.track.checklist import checklist, runs_of_other_seeds
from olivepress.track.difference import compare_runs
from olivepress.track.record import Ended, Facts, Figure, Measured, Point, Points, Resumed
from olivepress.track.runs import all_runs, find_run, read_run
from olivepress.track.writer import RunWriter, close_abandoned, last_run
from tests.track.conftest import start

Command = Callable[..., subprocess.CompletedProcess[str]]
VERSIONS = {"torch": "2.13.0", "peft": "0.21.2"}


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make_run(
    *, sha256: str = "a" * 64, loss: float = 0.5, params: dict[str, str] | None = None, **facts: Any
) -> RunWriter:
    given = {"dataset": "lamps", "dataset_version": "ab" * 32, "versions": VERSIONS, "rows": {"train": 90, "test": 10}}
    defaults = {"finetune.r": "16", "finetune.seed": "0"}
    writer = start(None, params=defaults | (params or {}), facts=Facts.model_validate(given | facts))
    points = tuple(Point(step=step, at=writer.now(), values={"loss": loss + 1 / step}) for step in (1, 2, 4))
    writer.append(Points(points=points))
    metrics = {"seconds": Figure(value=12.0, unit="s"), "exact": Figure(value=0.5, ci_low=0.45, ci_high=0.55, n=200)}
    writer.append(Ended(at=writer.now() + 12_000, status="finished", sha256=sha256, metrics=metrics))
    return writer


def test_the_list_fits_a_terminal(olivepress_here: Command) -> None:
    assert "no runs are recorded here" in olivepress_here("runs", "list").stdout
    make_run()
    start(None, "export-cpu-int4").append(Ended(at=2**42, status="failed", reason="out of memory"))
    start(None, "merge")
    lines = olivepress_here("runs", "list").stdout.splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) == 4
    rows = {line.split()[0]: line for line in lines}
    assert "finished" in rows["lamps/finetune.1"] and rows["lamps/finetune.1"].endswith("0.75 loss")
    assert "failed" in rows["lamps/export-cpu-int4.1"] and "killed" in rows["lamps/merge.1"]
    assert olivepress_here("runs", "list", "other").stdout.startswith("no runs")
    (first, *_) = json.loads(olivepress_here("runs", "list", "lamps", "--json").stdout)
    assert first["run"] == "lamps/finetune.1" and first["curves"]["loss"]["last"] == 0.75


def test_the_list_shows_the_loss_that_a_fine_tune_is_judged_by(olivepress_here: Command) -> None:
    """The loss of a training step is that of its few rows."""
    writer = start(None)
    steps = ((1, {"loss": 5.5, "validation_loss": 2.4}), (2, {"loss": 0.3, "validation_loss": 1.1}), (3, {"loss": 0.4}))
    writer.append(Points(points=tuple(Point(step=step, at=writer.now(), values=values) for step, values in steps)))
    writer.append(Ended(at=writer.now() + 12_000, status="finished"))
    assert olivepress_here("runs", "list").stdout.splitlines()[1].endswith("  1.1 validation")


def test_a_diff_says_first_what_changed(olivepress_here: Command) -> None:
    make_run()
    make_run(
        sha256="b" * 64,
        loss=0.1,
        params={"finetune.r": "32", "finetune.seed": "7"},
        versions=VERSIONS | {"torch": "2.14"},
    )
    lines = olivepress_here("runs", "diff", "lamps/finetune.1", "lamps/finetune").stdout.splitlines()
    assert lines[:6] == [
        "A lamps/finetune.1",
        "B lamps/finetune.2",
        "recipe: finetune.r 16 → 32",
        "seed: finetune.seed 0 → 7",
        "package: torch 2.13.0 → 2.14",
        "The artifacts differ.",
    ]
    assert max(map(len, lines)) <= 80
    record = json.loads(olivepress_here("runs", "diff", "lamps/finetune.1", "lamps/finetune", "--json").stdout)
    assert [change["kind"] for change in record["changes"]] == ["recipe", "seed", "package"]
    assert record["same_artifact"] is False


def test_a_diff_is_a_page_too(olivepress_here: Command) -> None:
    make_run()
    second = make_run(sha256="b" * 64, loss=0.1, params={"finetune.r": "<b>32"})
    score = {"exact_match": Figure(value=0.5, unit="ratio", ci_low=0.45, ci_high=0.55)}
    hashes = {"report_sha256": "1" * 64, "artifact_sha256": "2" * 64}
    second.append(Measured(at=second.now(), machine="box", job="finetune", metrics=score, **hashes))
    done = olivepress_here("runs", "diff", "lamps/finetune.1", "lamps/finetune.2", "--page", "pages/diff.html")
    assert done.returncode == 0 and done.stdout.startswith("A lamps/finetune.1")
    page = Path("pages/diff.html").read_text()
    assert "default-src 'none'" in page and "<script" not in page
    assert "<td>finetune.r</td><td>16</td><td>&lt;b&gt;32</td>" in page and "<b>" not in page
    assert "The artifacts differ." in page and "loss at the end" in page
    assert page.index("loss at the end") < page.index("Measured on box") < page.index("50.0 % (45.0 to 55.0)")
    assert ">12" not in page  # equal numbers are not repeated


def test_memory_and_rates_have_their_units(olivepress_here: Command) -> None:
    writer = start(None)
    values = {"peak_memory_bytes": 1.5e9, "tokens_per_s": 812.0, "loss": 0.5}
    writer.append(Points(points=(Point(step=1, at=writer.now(), values=values),)))
    text = olivepress_here("runs", "show", "lamps/finetune").stdout
    assert "1.50 GB → 1.50 GB" in text and "812 tok/s → 812 tok/s" in text and "0.5 → 0.5" in text


def test_the_same_is_said_to_be_the_same(olivepress_here: Command) -> None:
    make_run()
    make_run()
    text = olivepress_here("runs", "diff", "lamps/finetune.1", "lamps/finetune.2").stdout
    assert "Nothing that went in differs" in text and "The artifacts are identical." in text


def test_other_jobs_and_numbers_of_a_machine(olivepress_here: Command) -> None:
    for job, memory in (("finetune", 1_500_000_000.0), ("merge", 2_500_000.0)):
        writer = start(None, job)
        writer.append(
            Ended(at=writer.now(), status="finished", metrics={"size_bytes": Figure(value=7e6, unit="bytes")})
        )
        score = Figure(value=memory / 2e9, unit="ratio", ci_low=memory / 4e9, ci_high=memory / 2e9)
        metrics = {"exact_match": score, "memory": Figure(value=memory, unit="bytes")}
        hashes = {"report_sha256": "1" * 64, "artifact_sha256": "2" * 64}
        writer.append(Measured(at=writer.now(), machine="box", job=job, metrics=metrics, **hashes))
    lines = olivepress_here("runs", "diff", "lamps/finetune", "lamps/merge").stdout.splitlines()
    assert lines[2] == "job: finetune → merge" and max(map(len, lines)) <= 80
    rows = [" ".join(line.split()) for line in lines[lines.index("measured on box") + 1 :]]
    assert rows == ["exact_match 75.0 % (37.5 to 75.0) 0.1 % (0.1 to 0.1) *", "memory 1.50 GB 2.5 MB",
                    "* the 95 % intervals do not touch"]  # fmt: skip
    assert not any("size_bytes" in line for line in lines), "equal numbers are not repeated"
    (merge,) = [line for line in olivepress_here("runs", "list").stdout.splitlines() if "merge" in line]
    assert merge.endswith("0.1 % exact_match")


def test_intervals_that_do_not_touch_are_marked() -> None:
    pairs = {}
    for low, high in ((0.45, 0.55), (0.5, 0.6), (0.7, 0.8)):
        writer = start(None, "merge")
        figure = Figure(value=(low + high) / 2, ci_low=low, ci_high=high)
        writer.append(Ended(at=writer.now(), status="finished", metrics={"exact": figure}))
        run, first = find_run("lamps/merge"), find_run("lamps/merge.1")
        (pairs[low],) = compare_runs(first, run).metrics
    assert [pair.apart for pair in pairs.values()] == [False, False, True]


@pytest.mark.parametrize(
    ("after", "expected"),
    [
        ([("Dim it", "b", "2")], 'train: 1 row changed ("Dim it")'),
        ([("Dim her", "a", "9")], 'train: 1 row changed ("Dim it → Dim her")'),
        ([], 'train: 1 row removed ("Dim it")'),
        ([("Dim it", "a", "1"), ("New \x1b[31mone", "c", "3")], 'train: 1 row added ("New \ufffd[31mone")'),
    ],
)
def test_a_changed_row_is_named(after: list[tuple[str, str, str]], expected: str) -> None:
    for version, rows in (("1" * 64, [("Dim it", "a", "1")]), ("2" * 64, after)):
        folder = Path("datasets", f"lamps-{version[:12]}")
        folder.mkdir(parents=True)
        lines = [
            json.dumps({"id": row, "messages": [{"role": "user", "content": text}, {"content": answer}]})
            for text, answer, row in [*rows, ("On", "on", "0")]
        ]  # fmt: skip
        for split in ("train", "validation", "test"):
            (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n" if split == "train" else "")
        make_run(dataset_version=version)
    (change,) = compare_runs(find_run("lamps/finetune.1"), find_run("lamps/finetune.2")).changes
    assert change.kind == "data" and change.detail == expected


def test_rows_of_a_dataset_that_is_gone() -> None:
    make_run(dataset_version="1" * 64)
    make_run(dataset_version="2" * 64)
    (change,) = compare_runs(find_run("lamps/finetune.1"), find_run("lamps/finetune.2")).changes
    assert "is no longer here" in change.detail


def test_a_run_is_found_by_name_hash_and_id() -> None:
    writer = make_run(sha256="abc123" + "0" * 58)
    make_run(sha256="abc124" + "0" * 58)
    assert find_run("lamps").name == find_run("lamps/finetune").name == find_run("abc124").name == "lamps/finetune.2"
    for text in ("lamps/finetune.1", "abc123", writer.started.id, str(writer.path)):
        assert find_run(text).name == "lamps/finetune.1"
    make_run(sha256="abc123" + "1" * 58)
    for text, expected in (("lamps/finetun", "did you mean lamps/finetune"), ("abc123", "several"), ("../x", "no run")):
        with pytest.raises(UsageError, match=expected):
            find_run(text)


def test_a_recipe_is_not_taken_for_a_hash_or_for_a_folder_of_its_name() -> None:
    for _ in range(2):
        start(None, recipe="facade")
    Path("facade").mkdir()
    assert find_run("facade").name == "facade/finetune.2"


def test_show_names_what_went_in_and_came_out(olivepress_here: Command) -> None:
    writer = make_run()
    writer.append(
        Measured(at=writer.now(), machine="phone", job="finetune", report_sha256="c" * 64, artifact_sha256="a" * 64,
                 metrics={"decode_tps": Figure(value=9.5, ci_low=9.0, ci_high=10.0, unit="tok/s")})
    )  # fmt: skip
    lines = olivepress_here("runs", "show", "lamps").stdout.splitlines()
    text = " ".join(" ".join(lines).split())
    for expected in ("lamps/finetune.1: finished", "finetune.r=16", "torch 2.13.0", "(90 train, 10 test)",
                     "measured on phone decode_tps 9.5 tok/s (9 to 10)", "1.5 → 0.75"):  # fmt: skip
        assert expected in text, expected
    assert max(map(len, lines)) <= 80


def test_a_killed_run_is_closed_by_the_next(tmp_path: Path) -> None:
    abandoned, resumed = start(None, "merge"), start(None)
    resumed.append(Ended(at=resumed.now(), status="interrupted"))
    resumed.append(Resumed(at=resumed.now()))
    close_abandoned("lamps", print, but=resumed.path)
    assert [read.status for read in map(read_run, (abandoned.path, resumed.path)) if read] == ["killed", "killed"]
    lines = [json.loads(line)["type"] for line in abandoned.path.read_text().splitlines()]
    assert lines == ["start", "end"] and "end" not in resumed.path.read_text().splitlines()[-1]


def test_numbers_order_runs_although_the_clock_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    first = make_run()
    monkeypatch.setattr(time, "time_ns", lambda: (first.started.at - 3_600_000) * 1_000_000)
    second = make_run()
    assert last_run("lamps", "finetune") == second.path and find_run("lamps").name == "lamps/finetune.2"
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    second.append(Ended(at=second.now(), status="finished"))
    run = find_run("lamps")
    assert run.seconds is not None and run.seconds >= 0


def test_what_is_no_record_is_passed_over() -> None:
    make_run()
    folder = Path("runs/lamps/records")
    for name, text in (("x.1.jsonl", "{}"), ("y.jsonl", ""), ("z.2.jsonl", '{"type": "end"}'), ("w.1.jsonl", "\0\xff")):
        (folder / name).write_text(text)
    (folder / "v.1.jsonl").mkdir()
    assert [run.name for run in all_runs()] == ["lamps/finetune.1"]


def test_a_full_disk_is_one_warning_and_the_lines_come_later(monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.track import writer as module

    warnings = list[str]()
    writer = start(None, warn=warnings.append)
    original = module.append_json_line

    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module, "append_json_line", full)
    for step in (1, 2):
        writer.append(Points(points=(Point(step=step, at=1, values={"loss": 1.0}),)))
    assert len(warnings) == 1 and "No space left" in warnings[0] and warnings[0].endswith("the job goes on")
    monkeypatch.setattr(module, "append_json_line", original)
    writer.append(Ended(at=writer.now(), status="finished"))
    run = find_run("lamps")
    assert run.curves["loss"].points == 2 and run.status == "finished"


def test_a_record_that_was_removed_is_not_begun_in_the_middle() -> None:
    warnings = list[str]()
    writer = start(None, warn=warnings.append)
    writer.path.unlink()
    writer.append(Ended(at=writer.now(), status="finished"))
    assert not writer.path.exists() and len(warnings) == 1 and "was removed" in warnings[0]


def test_the_checklist_names_what_is_missing(olivepress_here: Command) -> None:
    make_run(
        git_commit="f" * 40, git_dirty=True, hardware={"cpu": "AMD", "cores": "2", "memory_gb": "8"}, python="3.11"
    )
    missing = {item.name for item in checklist(find_run("lamps")) if item.missing}
    assert {"no uncommitted changes", "data is here", "baseline", "several seeds", "determinism flags"} <= missing
    assert not {"commit", "data version", "seeds", "hardware", "package versions", "artifact hash"} & missing
    for seed in ("1", "2"):
        make_run(params={"finetune.seed": seed}, git_commit="f" * 40)
    make_run(params={"finetune.seed": "3", "finetune.r": "8"})
    first = find_run("lamps/finetune.1")
    assert [run.started.params["finetune.seed"] for run in runs_of_other_seeds(first)] == ["1", "2"]
    assert "several seeds" not in {item.name for item in checklist(first) if item.missing}
    lines = olivepress_here("checklist", "lamps/finetune.1").stdout.splitlines()
    assert max(map(len, lines)) <= 80 and lines[0].startswith("lamps/finetune.1: ")
    assert json.loads(olivepress_here("checklist", "lamps", "--json").stdout)["items"]
