"""Sheets from JSON lines, from device reports and from an artifact that is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.abtest.filled import read_key
from olivepress.report.answers import Example
from olivepress.report.device_report import DatasetUsed, write_report
from olivepress.report.examples import write_examples
from tests.report.factory import make_report
from tests.runtimes.artifact_factory import make_artifact

Command = Callable[..., Any]
ROWS: list[dict[str, object]] = [
    {"id": f"r{n}", "label": None, "messages": [{"role": "user", "content": f"turn the lamp {n}"},
                                                {"role": "assistant", "content": "on"}]}
    for n in range(6)
]  # fmt: skip


def _lines(path: Path, name: str, rows: range, **more: object) -> Path:
    lines = [{"prompt": f"Question {n}?", "answer": f"{name} {n}", **more} for n in rows]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_json_lines_are_compared(here: Path, olivepress_here: Command) -> None:
    a, b = _lines(here / "a.jsonl", "first", range(8)), _lines(here / "b.jsonl", "second", range(2, 12))
    done = olivepress_here("abtest", "make", str(a), str(b), "--n", "4", "--seed", "5", "--json")
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    assert made["prompts"] == 4 and made["seed"] == 5
    key = read_key(Path(made["folder"], "key.json"))
    assert (key.a.name, key.b.name, len(key.items)) == ("a", "b", 4)
    html = Path(made["folder"], "sheet.html").read_text(encoding="utf-8")
    assert "first" in html and "Question" in html and (here / made["folder"] / "sheet.csv").is_file()
    again = olivepress_here("abtest", "make", str(a), str(b), "--n", "4", "--seed", "5", "--json")
    assert json.loads(again.stdout)["sheet"] == made["sheet"]
    other = olivepress_here("abtest", "make", str(a), str(b), "--seed", "6", "--out", made["folder"])
    assert other.returncode == 2 and "is the key of another sheet" in other.stderr


def _report(folder: Path, job: str, prefix: str, version: str) -> Path:
    path = folder / f"{job}.json"
    examples = [Example(id=f"r{n}", output=f"{prefix} {n}", expected="on") for n in range(6)]
    name, sha256 = write_examples(examples, path)
    used = DatasetUsed(name="lamps", version=version, split="test", n=6, of=6)
    write_report(make_report(job=job, dataset=used, examples_file=name, examples_sha256=sha256), path)
    return path


def test_reports_are_compared_with_the_prompts_of_their_dataset(
    here: Path, make_dataset: Callable[..., Path], olivepress_here: Command
) -> None:
    a, b = (_report(here, job, job, "ab" * 32) for job in ("cpu-int4", "cpu-fp32"))
    missing = olivepress_here("abtest", "make", str(a), str(b))
    assert missing.returncode == 4 and "--data DATASET" in missing.stderr
    folder = make_dataset(ROWS)
    (here / "datasets").mkdir()
    folder.rename(here / "datasets" / "lamps-abababababab")
    done = olivepress_here("abtest", "make", str(a), str(b), "--out", "sheets")
    assert done.returncode == 0, done.stderr
    assert "tiny/cpu-int4 and tiny/cpu-fp32: 6 prompts to compare" in done.stdout
    assert "turn the lamp 3" in Path("sheets", "sheet.html").read_text(encoding="utf-8")


def test_an_artifact_is_asked(fp32_model: Path, here: Path, olivepress_here: Command) -> None:
    """Its answers are those of the same folder asked on the command line."""
    artifact = make_artifact(fp32_model, here / "runs" / "tiny" / "export-cpu-fp32", job="export-cpu-fp32")
    lines = _lines(here / "b.jsonl", "written", range(3))
    done = olivepress_here("abtest", "make", str(artifact), str(lines), "--max-tokens", "5", "--out", "sheets")
    assert done.returncode == 0, done.stderr
    html = Path("sheets", "sheet.html").read_text(encoding="utf-8")
    items = json.loads(html.partition('id="sheet">')[2].partition("</script>")[0])["items"]
    key = read_key(Path("sheets", "key.json"))
    item = next(each for each in items if each["prompt"] == "Question 1?")
    given = item["left"] if key.items[item["id"]].a == "left" else item["right"]
    told = olivepress_here("chat", str(artifact), "--prompt", "Question 1?", "--max-tokens", "5", "--json")
    assert given == json.loads(told.stdout)["answer"]
    assert key.a.name == "tiny/export-cpu-fp32" and key.a.sha256 is not None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"prompt": "x"}', "a.jsonl:2: answer: Field required"),
        ('{"answer": "x"}', "a.jsonl:2: expected either the key 'prompt'"),
        ('{"messages": [{"role": "assistant", "content": "x"}], "answer": "x"}', "messages without the answer"),
        ("not json", "a.jsonl:2: not a JSON object"),
        ("[" * 5000, "a.jsonl:2: not a JSON object"),
        ('{"prompt": "x", "answer": 3}', "a.jsonl:2: answer: Input should be a valid string"),
    ],
)
def test_lines_that_are_no_answers_are_refused(line: str, message: str, here: Path, olivepress_here: Command) -> None:
    good = _lines(here / "b.jsonl", "x", range(3))
    bad = _lines(here / "a.jsonl", "y", range(1))
    bad.write_text(bad.read_text() + line + "\n", encoding="utf-8")
    done = olivepress_here("abtest", "make", str(bad), str(good))
    assert done.returncode == 4 and message in done.stderr, done.stderr


def test_a_source_of_another_kind_is_refused(here: Path, olivepress_here: Command) -> None:
    (here / "a.txt").write_text("x")
    done = olivepress_here("abtest", "make", "a.txt", "b.jsonl")
    assert done.returncode == 2 and "a.txt: neither an artifact's folder" in done.stderr
