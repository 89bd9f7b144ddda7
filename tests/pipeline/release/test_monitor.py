"""A log on the command line: alerts by exit code, a page, hostile lines, a parent that is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.data.build import build_dataset
from olivepress.data.store.dataset import write_dataset
from olivepress.pipeline.release import monitor as monitor_module
from olivepress.recipe.schema import Data
from tests.runtimes.artifact_factory import make_artifact

Command = Callable[..., Any]


@pytest.fixture
def dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    built = build_dataset(Data(demo="device-command", max_train_rows=300, max_test_rows=300))
    return write_dataset(built)


def _log(path: Path, pairs: list[tuple[str, str]]) -> Path:
    lines = [
        {"prompt": prompt, "answer": answer, "time": f"2026-11-{1 + n % 28:02d}T08:00:00+00:00", "battery": 0.5}
        for n, (prompt, answer) in enumerate(pairs)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def _rows(dataset: Path, split: str) -> list[tuple[str, str]]:
    rows = [json.loads(line) for line in (dataset / f"{split}.jsonl").read_text(encoding="utf-8").splitlines()]
    return [(row["messages"][-2]["content"], row["messages"][-1]["content"]) for row in rows]


def test_answers_like_the_training_ones_pass(dataset: Path, olivepress_here: Command) -> None:
    log = _log(Path("log.jsonl"), _rows(dataset, "test"))
    done = olivepress_here("monitor", str(log), "--data", str(dataset), "--out", "page.html")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " answers from 2026-11-01T08:00:00+00:00 to 2026-11-28" in done.stdout
    assert "Valid format: 100.0 %" in done.stdout and "pass: 6 measures are within their limits" in done.stdout
    page = Path("page.html").read_text(encoding="utf-8")
    assert (
        "<polyline" in page
        and 'class="pass"' in page
        and "<script" not in page
        and "http" not in page.replace("http-equiv", "")
    )


def test_a_change_raises_an_alert(dataset: Path, olivepress_here: Command) -> None:
    hostile = "<script>alert(1)</script>"
    pairs = [(f"How much is invoice {n} {hostile}?", "I can't help with that.") for n in range(60)]
    log = _log(Path("log.jsonl"), pairs)
    done = olivepress_here("monitor", str(log), "--data", str(dataset), "--json", "--out", "page.html")
    record = json.loads(done.stdout)
    assert done.returncode == 10 and record["judgement"]["outcome"] == "fail"
    failed = {measure["name"] for measure in record["measures"] if measure["alert"] == "fail"}
    assert {"format_valid", "refusals", "drift"} <= failed and "invoice" in record["drift"]["words"]
    assert "<script" not in Path("page.html").read_text(encoding="utf-8")
    Path("limits.yaml").write_text("max_refusals: 1.0\nmin_format_valid: 0\nmax_drift: 1\nmax_length_ratio: 100\n"
                                   "min_distinct_ratio: 0\n")  # fmt: skip
    allowed = olivepress_here("monitor", str(log), "--data", str(dataset), "--limits", "limits.yaml")
    assert allowed.returncode == 11 and "empty answers" in allowed.stdout  # 60 answers do not show 2 %


def test_without_data_less_is_measured_and_said(dataset: Path, olivepress_here: Command) -> None:
    log = _log(Path("log.jsonl"), _rows(dataset, "test")[:5])
    done = olivepress_here("monitor", str(log))
    assert done.returncode == 11 and "no training data was given" in done.stderr and "nothing is called" in done.stderr


def test_the_parent_is_asked(fp32_model: Path, dataset: Path, olivepress_here: Command) -> None:
    """A log of the very same model agrees with it."""
    artifact = make_artifact(fp32_model, Path("runs", "tiny", "export-cpu-fp32"), job="export-cpu-fp32")
    prompts = [f"turn the lamp {n}" for n in range(4)]
    pairs = []
    for prompt in prompts:
        told = olivepress_here("chat", str(artifact), "--prompt", prompt, "--max-tokens", "6", "--json")
        pairs.append((prompt, json.loads(told.stdout)["answer"]))
    log = _log(Path("log.jsonl"), pairs)
    done = olivepress_here(
        "monitor", str(log), "--parent", str(artifact), "--sample", "3", "--max-tokens", "6", "--json"
    )
    measures = {measure["name"]: measure for measure in json.loads(done.stdout)["measures"]}
    assert measures["equal"]["value"] == 1.0 and measures["equal"]["n"] == 3 and measures["agreement"]["value"] == 1.0


def test_logs_are_limited_in_what_is_read_and_in_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, olivepress_here: Command
) -> None:
    monkeypatch.chdir(tmp_path)
    _log(Path("log.jsonl"), [("on?", f"the answer {n:04}") for n in range(60)])  # 18 characters each, with the prompt
    monkeypatch.setattr(monitor_module, "_MOST_TEXT", 18 * 40)
    done = olivepress_here("monitor", "log.jsonl")
    assert "40 answers" in done.stdout and "20 older lines were not looked at: the last 40 are" in done.stderr
    monkeypatch.setattr(monitor_module, "_MOST_BYTES", Path("log.jsonl").stat().st_size)
    assert olivepress_here("monitor", "log.jsonl").returncode == 11
    Path("second.jsonl").write_text('{"prompt": "x", "answer": "y"}\n')
    done = olivepress_here("monitor", "log.jsonl", "second.jsonl")
    assert done.returncode == 4 and done.stderr.count("\n") == 1
    assert done.stderr.startswith("olivepress: log.jsonl: the logs have ") and "expected at most" in done.stderr


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", 4, "no answers in it"),
        ('{"prompt": "x", "answer": "y", "time": "yesterday"}\n', 4, "log.jsonl:1: time: expected a date and time"),
        ('{"prompt": "x", "answer": "y"}\n{"prompt"', 4, "log.jsonl:2: not a JSON object"),
    ],
)
def test_a_wrong_log_is_one_line(text: str, code: int, message: str, dataset: Path, olivepress_here: Command) -> None:
    Path("log.jsonl").write_text(text)
    done = olivepress_here("monitor", "log.jsonl")
    assert done.returncode == code and message in done.stderr and done.stderr.count("\n") == 1


def test_wrong_limits_name_their_key(dataset: Path, olivepress_here: Command) -> None:
    log = _log(Path("log.jsonl"), [("x", "y")])
    Path("limits.yaml").write_text("max_refusal: 0.5\n")
    done = olivepress_here("monitor", str(log), "--limits", "limits.yaml")
    assert done.returncode == 3 and "did you mean 'max_refusals'?" in done.stderr


def test_only_the_last_lines_are_kept(dataset: Path, olivepress_here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(monitor_module, "MOST_LINES", 40)
    log = _log(Path("log.jsonl"), [(f"question {n}", f"answer {n}") for n in range(100)])
    done = olivepress_here("monitor", str(log), "--json")
    record = json.loads(done.stdout)
    assert record["n"] == 40 and any("60 older lines" in note for note in record["notes"])


def _answer(rows: Path) -> list[str]:
    """A person answers every prompt; returns the prompts."""
    lines = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    for line in lines:
        assert line["response"] == ""  # what the artifact said is no label
        line["response"] = json.dumps({"name": "invoice", "number": line["prompt"].split()[3]})
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return [line["prompt"] for line in lines]


def test_new_prompts_are_answered_and_trained_with_the_earlier_ones(dataset: Path, olivepress_here: Command) -> None:
    """The page's way from the log to the next round."""
    topics = ["rent", "water", "gas", "phone", "insurance", "taxes", "gym", "music", "school", "parking", "garden"]
    invoices = [f"How much is {100 + n} for {topics[n % 11]} since {2000 + n}?" for n in range(40)]
    known = _rows(dataset, "train")[:40]
    log = _log(Path("log.jsonl"), known + [(prompt, "I do not know.") for prompt in invoices + invoices])
    command = ("monitor", str(log), "--data", str(dataset), "--to-label", "new.jsonl")
    done = olivepress_here(*command)
    assert "40 prompts to label are in new.jsonl" in done.stderr
    again = olivepress_here(*command)
    assert again.returncode == 4 and "new.jsonl: is there already" in again.stderr
    assert sorted(_answer(Path("new.jsonl"))) == sorted(invoices)
    prepared = olivepress_here("data", "prepare", "new.jsonl", "-o", "invoices")
    assert prepared.returncode == 0, prepared.stderr
    following = olivepress_here("data", "replay", "invoices", "--earlier", str(dataset), "-o", "next")
    assert following.returncode == 0, following.stderr
    (folder,) = Path("datasets").glob("next-*")
    prompts = {prompt for prompt, _ in _rows(folder, "train")}
    assert prompts & set(invoices) and prompts & {prompt for prompt, _ in _rows(dataset, "train")}


def test_what_is_to_label_needs_the_training_data(dataset: Path, olivepress_here: Command) -> None:
    log = _log(Path("log.jsonl"), _rows(dataset, "train"))
    done = olivepress_here("monitor", str(log), "--to-label", "new.jsonl")
    assert done.returncode == 4 and "next: add --data DATASET" in done.stderr
    nothing = olivepress_here("monitor", str(log), "--data", str(dataset), "--to-label", "new.jsonl")
    assert "nothing to label" in nothing.stderr and not Path("new.jsonl").exists()


def test_a_file_of_rows_has_one_format(dataset: Path, olivepress_here: Command) -> None:
    messages = [{"role": "system", "content": "Name it."}, {"role": "user", "content": "Which invoice is new?"}]
    lines = [{"prompt": "Where is my invoice?", "answer": ""}, {"messages": messages, "answer": "none"}]
    Path("log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    olivepress_here("monitor", "log.jsonl", "--data", str(dataset), "--to-label", "new.jsonl")
    rows = [json.loads(line)["messages"] for line in Path("new.jsonl").read_text(encoding="utf-8").splitlines()]
    unanswered = {"role": "assistant", "content": ""}
    assert [*messages, unanswered] in rows
    assert [{"role": "user", "content": "Where is my invoice?"}, unanswered] in rows
