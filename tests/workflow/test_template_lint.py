"""Render tells what the chat template would lose and which control tokens the rows hold, of every row, before a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.core.errors import LintError
from olivepress.pipeline.lint import lint_workflows
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.render import write_workflows
from olivepress.workflow.finding import Finding


def linted(
    project: Path, rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, **finetune: Any
) -> list[Finding]:
    """What lint says of rows for the embedded model, where Olive is not installed."""
    monkeypatch.setattr("olivepress.workflow.lint.olive_installed", lambda: False)
    (project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = {
        "name": "mine",
        "model": {"path": "embedded:tiny-phi"},
        "data": {"source": "rows.jsonl"},
        "finetune": finetune,
        "targets": ["cpu-fp32"],
    }
    (project / "recipes" / "mine.yaml").write_text(yaml.safe_dump(recipe))
    plan = load_plan("mine")
    prepare(plan)
    return lint_workflows(write_workflows(plan))


def chat(number: int, answer: dict[str, Any]) -> dict[str, Any]:
    question = {"role": "user", "content": f"how warm is cellar number {number} at the moment"}
    return {"messages": [question, {"role": "assistant", **answer}]}


def test_dropped_tool_calls_stop_the_render(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = {"name": "warmth", "arguments": '{"room": "cellar"}'}
    calls = [{"type": "function", "function": function}]
    some = [chat(n, {"content": "", "tool_calls": calls} if n % 2 else {"content": f"{n} degrees"}) for n in range(40)]
    with pytest.raises(LintError, match=r"finetune\.yaml: data_configs\.train: .*prints no tool calls: 20 of 40 rows"):
        linted(project, some, monkeypatch)


def test_control_tokens_are_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [chat(n, {"content": f"{n} degrees" + "<|end|>" * (n % 4 == 0)}) for n in range(40)]
    [note] = [finding for finding in linted(project, some, monkeypatch) if finding.level == "note"]
    assert "10 of 40 rows have control tokens" in note.message and "<|end|> in 10" in note.message
    assert "removed at the end of 10 answers" in note.message


def test_which_turns_are_trained_on_is_in_the_workflow(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    some = [chat(n, {"content": f"{n} degrees"}) for n in range(40)]
    assert not [finding for finding in linted(project, some, monkeypatch) if finding.level == "note"]
    workflow = project / "olive_configs" / "mine" / "finetune.yaml"
    assert "train_on" not in workflow.read_text()
    linted(project, some, monkeypatch, train_on="all_turns")
    data = yaml.safe_load(workflow.read_text())["data_configs"]
    assert [each["name"] for each in data] == ["train", "validation"]
    assert {each["pre_process_data_config"]["train_on"] for each in data} == {"all_turns"}
