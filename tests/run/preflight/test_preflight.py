"""Every runtime's tokenizer before the first job of a run: once, remembered, and an error of one line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from olivepress.cli.verbs.run import outcome_record
from olivepress.core.errors import JobError, SetupError
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.run import run
from olivepress.run import JobOutcome, check_tokenizers
from olivepress.run.interpreters import Place
from olivepress.run.preflight import preflight as module
from olivepress.run.preflight.tokenizer_answers import TokenizerCheck
from olivepress.workflow.plan import Plan


class Listener:
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def checking(self, what: str) -> None:
        self.lines.append(what)

    def fetching_model(self, *_: object) -> None: ...

    def checked(self, result: str) -> None:
        self.lines.append(result)

    def note(self, job: Any, text: str) -> None:
        self.lines.append(f"{job.id}: {text}")


def prepared(name: str = "tiny-phi") -> Plan:
    plan = load_plan(name)
    prepare(plan)
    return plan


def compared(
    plan: Plan, *, jobs: Sequence[str] | None = None, **options: Any
) -> tuple[dict[tuple[str, str], TokenizerCheck], list[str]]:
    listener: Any = Listener()
    plans = [(each, [job.id for job in each.jobs] if jobs is None else jobs) for each in plan.all]
    return check_tokenizers(plans, listener, **options), listener.lines


def broken(plan: Plan) -> Plan:
    """The base model with a normalizer that the runtime does not read."""
    path = Path(plan.model.path, "tokenizer.json")
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "e"}, "content": "a"}
    path.write_text(json.dumps(tokenizer), encoding="utf-8")
    return plan


def test_once_for_each_runtime_and_then_remembered(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = prepared()
    checks, lines = compared(plan)
    (check,) = set(checks.values())
    assert check.equal is True and check.rows > 50 and check.texts > check.rows and check.seconds > 0
    assert re.fullmatch(r"onnxruntime-genai 0\.14\.1", check.runtime)
    assert lines[:2] == ["tokenizer: compare", f"tokenizer: {check.rows} rows, equal ids in {check.runtime}"]
    assert {job for _, job in checks} == {job.id for job in plan.jobs if job.target is not None}
    monkeypatch.setattr(module, "_compare", lambda *_: pytest.fail("compared again"))
    again, lines = compared(plan)
    assert again == checks and lines == []


@pytest.mark.parametrize("name", ["tiny-llama", "tiny-qwen", "tiny-tasks"])
def test_no_false_alarm_for_the_recipes_that_ship(name: str, project: Path) -> None:
    checks, lines = compared(prepared(name))
    assert checks and all(check.equal for check in checks.values()) and lines.count("tokenizer: compare") >= 1


def test_another_tokenizer_template_or_runtime_is_compared_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepared()
    compared(plan)
    check = TokenizerCheck(runtime="r", rows=1, texts=1, equal=True)
    monkeypatch.setattr(module, "_compare", lambda *_: check)
    runtime = module._Runtime(name="onnxruntime-genai", python=None)
    directory = Path(plan.model.path)
    keys = {module._key(plan, directory, runtime)}
    for file in ("tokenizer.json", "chat_template.jinja", "generation_config.json"):
        (directory / file).write_text((directory / file).read_text() + " " if (directory / file).is_file() else "{}")
        keys.add(module._key(plan, directory, runtime))
    monkeypatch.setattr(module, "machine_of", lambda _: type("M", (), {"packages": {"onnxruntime-genai": "9"}}))
    keys.add(module._key(plan, directory, runtime))
    assert len(keys) == 5 and compared(plan)[1] == ["tokenizer: compare", "tokenizer: 1 rows, equal ids in r"]


def test_a_difference_ends_the_run_before_its_first_job(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = prepared()
    broken(plan)
    monkeypatch.setattr("olivepress.pipeline.render.prepare", lambda plan: None)
    monkeypatch.setattr("olivepress.run.run_plan", lambda *_, **__: pytest.fail("a job was run"))
    listener: Any = Listener()
    with pytest.raises(
        SetupError, match=r"row \S+ of \w+: onnxruntime-genai 0.14.1 has other tokens .* near .* is \d+"
    ):
        run(plan, reporter=listener)
    assert "tokenizer: differs in onnxruntime-genai" in listener.lines
    assert not Path("runs", ".tokenizers.json").exists() and not Path("runs", "tiny-phi").exists()


def test_keep_going_makes_a_note_of_it(project: Path) -> None:
    plan = broken(prepared())
    checks, lines = compared(plan, keep_going=True)
    (check,) = set(checks.values())
    assert check.equal is False and "has other tokens than training" in check.reason
    assert any(line.startswith("export-cpu-") and "or --keep-going" in line for line in lines)
    assert not Path("runs", ".tokenizers.json").exists()


def test_only_jobs_that_will_run(project: Path) -> None:
    plan = prepared()
    assert set(compared(plan, jobs=["export-cpu-int4"])[0]) == {("tiny-phi", "export-cpu-int4")}


def test_where_no_runtime_is_here_the_note_says_so(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(how="structure", interpreter=None, reason="no such device")
    monkeypatch.setattr(module, "place_of", lambda target: place)
    checks, lines = compared(prepared())
    assert {check.equal for check in checks.values()} == {None} and len(lines) == 1
    assert "its tokenizer was not compared with the one of onnxruntime-genai: no such device" in lines[0]


def interpreter(path: Path, *lines: str) -> Path:
    """A runtime's Python that does what the lines say."""
    path.write_text("\n".join(("#!/bin/sh", "read -r request", *lines)) + "\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ['echo \'{"done": 0, "total": 99}\'', "kill -ABRT $$"],
            r"row \S+ of \w+: the tokenizer of .* fails on '.*SIGABRT",
        ),
        (["kill -SEGV $$"], r"cannot open the base model's tokenizer \(the tokenizer process was killed by SIGSEGV"),
    ],
)
def test_a_crash_of_the_runtime_is_an_error_in_words(
    lines: list[str], expected: str, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    python = interpreter(project / "python", *lines)
    monkeypatch.setattr(module, "place_of", lambda target: Place(how="native", interpreter=python))
    monkeypatch.setattr(module, "machine_of", lambda _: type("M", (), {"packages": {}}))
    with pytest.raises(SetupError, match=expected):
        compared(prepared())


def test_a_runtime_that_takes_too_long_or_is_not_there_says_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = prepared()
    absent = 'echo \'{"error": "onnxruntime-genai cannot be imported", "kind": "SetupError"}\'; exit 1'
    for line, reason in (("exec sleep 60", "ran past its limit"), (absent, "cannot be imported")):
        python = interpreter(project / "python", line)
        monkeypatch.setattr(module, "LIMIT_S", 0.5 if line == "exec sleep 60" else 60.0)
        monkeypatch.setattr(module, "place_of", lambda target, python=python: Place(how="native", interpreter=python))
        monkeypatch.setattr(module, "machine_of", lambda _: type("M", (), {"packages": {}}))
        checks, lines = compared(plan)
        (check,) = set(checks.values())
        assert check.equal is None and reason in check.reason
        assert lines[1] == "tokenizer: not compared" and reason in lines[2]


def test_of_a_hub_model_the_small_files_are_enough(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def fetch(path: str, revision: str | None, names: tuple[str, ...]) -> Path:
        asked.append(names)
        return project

    monkeypatch.setattr(module, "fetch", fetch)
    monkeypatch.setattr(module, "check_folder", lambda directory, *, weights: asked.append((str(weights),)))
    assert module._model_files(load_plan("qwen")) == project
    assert "tokenizer.json" in asked[0] and "model.safetensors" not in asked[0] and asked[1] == ("False",)


def test_a_damaged_cache_costs_time_and_nothing_else(project: Path) -> None:
    plan, cache = prepared(), project / "runs" / ".tokenizers.json"
    compared(plan)
    (key,) = json.loads(cache.read_text())
    for entry in ({}, {"runtime": "r", "notes": 3}, {"runtime": "r", "equal": False, "notes": []}, "text", None):
        assert module._remembered(entry) is None
    cache.write_text(json.dumps({key: {}}))
    assert all(check.rows > 50 for check in compared(plan)[0].values())


def test_machines_are_told_too() -> None:
    check = TokenizerCheck(runtime="r", rows=300, texts=400, seconds=2.0, equal=True, notes=("a",))
    told = outcome_record(
        load_plan("tiny-phi"), JobOutcome(job="export-cpu-int4", state="failed", error=JobError("no"), tokenizer=check)
    )
    assert told["tokenizer"] == {
        "runtime": "r", "rows": 300, "texts": 400, "seconds": 2.0, "equal": True, "reason": "", "notes": ("a",)
    }  # fmt: skip
    assert "tokenizer" not in outcome_record(load_plan("tiny-phi"), JobOutcome(job="merge", state="done"))
