"""``benchmarks/canary.py``: what is newer than the lock, what the newest versions build otherwise, and exit codes."""

from __future__ import annotations

import contextlib
import json
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import canary
import pytest
import yaml
from families import Place
from watching import newest as asked
from watching import throwaway
from watching.differences import differences

from olivepress.catalog.evidence import Agreement, Seen, Step
from olivepress.core.errors import SetupError, UsageError
from olivepress.environments.lookup import Environment
from tests.conftest import ROOT

ALONE = "onnx==1.24.0\ntransformers==5.30.1\nPeft_X==1.0\n"
TOGETHER = "onnx==1.23.2 ; sys_platform == 'linux'\ntransformers==5.30.1\nnumpy==3.0.0\npeft-x==1.0\n"
NO_SOLUTION = "  × No solution found when resolving dependencies:\n  ╰─▶ Because onnx==1.24.0 depends on numpy<2\n"
OFFLINE = "error: Failed to fetch: `https://…/simple/onnx/`\n  Caused by: error sending request for url"
ENVIRONMENT = Environment(
    name="build-next", description="d", packages=("onnx==1.23.2", "transformers==5.24.0", "peft-x==1.0"),
    also=("requests>=2.32",), platforms=("linux-x86_64",), elsewhere="e",
)  # fmt: skip


def answers(monkeypatch: pytest.MonkeyPatch, alone: tuple[int, str], together: tuple[int, str]) -> list[dict[str, Any]]:
    """uv answers with what it once printed; the questions are returned."""
    asked_of: list[dict[str, Any]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        code, text = alone if "--no-deps" in command else together
        asked_of.append({"command": command, "input": options["input"]})
        return subprocess.CompletedProcess(command, code, text if code == 0 else "", text if code else "")

    monkeypatch.setattr(asked.subprocess, "run", run)
    monkeypatch.setattr(canary, "environment", lambda name: ENVIRONMENT)
    return asked_of


def seen(kind: str, *, max_abs: float = 1e-6, int4: str = "", variant: str = "") -> Seen:
    part = Agreement(rows=2, max_abs=max_abs, kl=max_abs / 100)
    step = Step(prefill=part, decode=part)
    return Seen(
        model_type=kind, variant=variant, architecture="A", float32=step, int4=Step(reason=int4) if int4 else step,
        versions={"onnxruntime-genai": "0.18.0"},
    )  # fmt: skip


def test_newer_versions_are_listed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    questions = answers(monkeypatch, (0, ALONE), (0, TOGETHER))
    assert canary.main(["--json"]) == canary.NEWER
    (record,) = json.loads(capsys.readouterr().out)
    assert record["newer"] == [
        {"package": "onnx", "locked": "1.23.2", "newest": "1.24.0", "resolved": "1.23.2"},
        {"package": "transformers", "locked": "5.24.0", "newest": "5.30.1", "resolved": "5.30.1"},
    ]
    assert record["together"] is True and record["differences"] is None
    together, alone = (each["input"].splitlines() for each in questions)
    assert alone == ["onnx", "transformers", "peft-x"] and together[-4:] == [*alone, "requests>=2.32"]
    assert {"jsonschema>=4.23", "psutil>=6.0"} <= set(together), "olivepress itself is installed without what it needs"
    assert canary.main([]) == canary.NEWER
    assert "  onnx 1.23.2 → 1.24.0 (with the others: 1.23.2)\n" in capsys.readouterr().out


def test_nothing_newer_is_code_0(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    locked = "\n".join(ENVIRONMENT.packages)
    answers(monkeypatch, (0, locked), (0, locked))
    assert canary.main(["--table"]) == canary.UNCHANGED
    assert capsys.readouterr().out == "build-next: nothing is newer than what is locked\n"


def test_packages_that_exclude_each_other(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers(monkeypatch, (0, ALONE), (1, NO_SOLUTION))
    assert canary.main([]) == canary.NEWER
    assert "  the newest versions cannot be installed together\n" in capsys.readouterr().out
    assert canary.main(["--table"]) == SetupError.exit_code
    assert "next: leave --table out" in capsys.readouterr().err


def test_no_index(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    answers(monkeypatch, (2, OFFLINE), (2, OFFLINE))
    assert canary.main([]) == SetupError.exit_code
    assert "no package index can be reached" in capsys.readouterr().err
    assert SetupError.exit_code not in (canary.UNCHANGED, canary.NEWER, canary.DIFFERS)


def test_the_table_is_made_in_the_throw_away_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    answers(monkeypatch, (0, ALONE), (0, TOGETHER))
    made: list[Mapping[str, str]] = []

    @contextlib.contextmanager
    def python(environment: Environment, versions: Mapping[str, str]) -> Iterator[Path]:
        made.append(versions)
        yield tmp_path

    def tried(place: Place, only: list[str]) -> Iterator[Seen]:
        assert (place.environment, place.python, only) == ("build-next", tmp_path, ["llama"])
        yield seen("llama", max_abs=2.0)

    monkeypatch.setattr(canary, "newest_python", python)
    monkeypatch.setattr(canary, "seen_in", tried)
    monkeypatch.setattr(canary, "evidence", lambda name: (seen("llama"), seen("qwen2")))
    assert canary.main(["--table", "llama"]) == canary.DIFFERS
    assert made == [{"onnx": "1.23.2", "transformers": "5.30.1", "numpy": "3.0.0", "peft-x": "1.0"}]
    shown = capsys.readouterr().out
    assert "build-next: 2 differences in the table of model types\n" in shown
    assert "  llama, float32: right, 1.0e-06 → wrong, 2.0e+00\n" in shown
    monkeypatch.setattr(canary, "seen_in", lambda place, only: iter(()))
    assert canary.main(["--table", "llama", "qwen7"]) == UsageError.exit_code
    assert "'qwen7' is no model type that transformers knows" in capsys.readouterr().err


def test_what_counts_as_a_difference() -> None:
    before = (seen("a"), seen("b"), seen("c", int4="KeyError: x"), seen("d", max_abs=1e-5), seen("e"))
    after = (
        seen("a", max_abs=9e-6), seen("b", int4="AttributeError: y"), seen("c", int4="KeyError: other text"),
        seen("d", max_abs=5e-4), seen("f"),
    )  # fmt: skip
    assert [(each.model_type, each.step, each.before, each.after) for each in differences(before, after)] == [
        ("b", "int4", "right, 1.0e-06", "cannot: AttributeError: y"),
        ("d", "float32", "right, 1.0e-05", "right, 5.0e-04"),
        ("d", "int4", "right, 1.0e-05", "right, 5.0e-04"),
        ("f", "type", "not known", "right, 1.0e-06"),
        ("e", "type", "right, 1.0e-06", "not known"),
    ]


def test_a_type_that_is_gone_is_a_difference_where_it_was_asked_for() -> None:
    nothing = Seen(model_type="c", architecture="C", reason="no builder", versions={"onnxruntime-genai": "0.18.0"})
    before = (seen("a"), seen("a", variant="window"), seen("b"), nothing)
    gone = [(each.model_type, each.variant, each.after) for each in differences(before, (seen("b"),))]
    assert gone == [("a", "", "not known"), ("a", "window", "not known")]
    assert differences(before, (seen("b"),), ["b", "c"]) == []
    assert [each.model_type for each in differences(before, (), ["b"])] == ["b"]


def test_the_environment_is_removed_and_its_versions_are_those_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    commands: list[list[str]] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        commands.append(command)
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(throwaway.subprocess, "run", run)
    with throwaway.newest_python(ENVIRONMENT, {"onnx": "1.24.0", "numpy": "3.0.0"}) as python:
        folder = python.parents[2]
        assert folder.is_dir() and folder.name.startswith("olivepress-canary-")
    assert not folder.exists()
    assert commands[0][1:4] == ["-I", "-m", "venv"]
    assert commands[1][-2:] == ["onnx==1.24.0", "numpy==3.0.0"] and "--no-deps" in commands[1]
    assert commands[2][-2] == "--editable"


def test_an_environment_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = subprocess.CompletedProcess([], 1, "", "error: disk full\n")
    monkeypatch.setattr(throwaway.subprocess, "run", lambda *_, **__: failed)
    with pytest.raises(SetupError, match="cannot be made: error: disk full"), throwaway.newest_python(ENVIRONMENT, {}):
        raise AssertionError("not reached")


def test_the_scheduled_workflow_knows_the_codes() -> None:
    text = (ROOT / ".github" / "workflows" / "canary.yml").read_text(encoding="utf-8")
    workflow = yaml.safe_load(text)
    (job,) = workflow["jobs"].values()
    script = job["steps"][-1]["run"]
    assert f"\n  {canary.NEWER}) echo" in script and f"{canary.DIFFERS})" not in script and 'exit "$code"' in script
    assert job["steps"][-1]["shell"] == "bash"  # which has pipefail: the code is the command's, not tee's
    assert workflow[True]["schedule"] and workflow["permissions"] == {"contents": "read"}
