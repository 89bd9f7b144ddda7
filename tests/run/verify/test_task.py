"""The flow of the verdict: which rows are asked, whose answers are kept, and what a job is held to."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from olivepress.cli.outcome_text import verdict_lines
from olivepress.core.artifact import Check, TaskVerdict
from olivepress.core.child.process import Usage
from olivepress.core.child.run import Finished
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import NamedAnswers, NamedAnswersSpec
from olivepress.pipeline.plan import load_plan
from olivepress.run import verification
from olivepress.run.failure import ChecksFailed, check_error
from olivepress.run.limits import judged_limits, limit_of, min_top1, task_limits
from olivepress.run.outcome import JobOutcome
from olivepress.run.verification import is_verified
from olivepress.run.verify import task
from olivepress.run.verify.task import TaskLimits, TaskSpec, task_check
from olivepress.workflow.plan import Plan
from tests.synthetic import tiny


@pytest.fixture(scope="module")
def parent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("parent"))


def spec(parent: Path, folder: Path, count: int, **limits: Any) -> TaskSpec:
    folder.mkdir(exist_ok=True)
    (folder / "dataset.json").write_text(json.dumps({"name": "lamps", "version": "ab" * 32}))
    texts = [{"role": "user", "content": "turn the lamp on"}, {"role": "assistant", "content": "on"}]
    lines = (json.dumps({"id": f"r{number}", "messages": texts}) for number in range(count))
    (folder / "validation.jsonl").write_text("".join(f"{line}\n" for line in lines))
    given = {"metric": "exact_match", "margin": 0.02, "rows": None, "tokens": None, "max_length": 256} | limits
    return TaskSpec(
        limits=TaskLimits.model_validate(given),
        dataset=str(folder),
        parent_model=str(parent),
        parent_sha256="c" * 64,
        answers=str(folder / "answers"),
    )


class Answering:
    """Stands in for the two processes: the parent is always right, the export but for every ``wrong``-th row."""

    def __init__(self, wrong: int) -> None:
        self.wrong, self.asked = wrong, list[tuple[str, int]]()

    def __call__(
        self, asked: object, given: NamedAnswersSpec, *, interpreter: Path | None = None
    ) -> Finished[NamedAnswers]:
        assert asked is tasks.named_answers and given.split == "validation"
        self.asked.append((given.runtime or "export", len(given.ids)))
        right = [given.is_pytorch or (number + 1) % self.wrong != 0 for number in range(len(given.ids))]
        return finished(("on" if one else "off", "on") for one in right)


def finished(examples: Iterable[tuple[str, str]]) -> Finished[NamedAnswers]:
    usage = Usage(seconds=0.0, peak_memory_bytes=0, peak_disk_bytes=0)
    return Finished(result=NamedAnswers(examples=tuple(examples)), usage=usage)


@pytest.mark.parametrize(
    ("rows", "wrong", "limits", "asked", "call"),
    [
        (600, 10**9, {}, [100, 387], "not inferior"),  # as many as the pilot says
        (600, 20, {}, [100, 500], "inferior"),
        (600, 40, {}, [100, 500], "cannot tell"),  # 2.5 points lost, 1.4 to 4.1
        (600, 3, {}, [100], "inferior"),  # very clearly worse: the pilot is enough
        (120, 10**9, {}, [100, 120], "cannot tell"),
        (600, 10**9, {"rows": 90}, [90], "cannot tell"),
        (600, 10**9, {"tokens": 60}, [], "cannot tell"),  # a large model: too few rows to ask any
        (29, 10**9, {}, [], "cannot tell"),
        (600, 10**9, {"max_length": 4}, [], "cannot tell"),  # no row that was trained on
    ],
)
def test_how_many_rows_are_asked(
    parent: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    rows: int,
    wrong: int,
    limits: dict[str, int],
    asked: list[int],
    call: str,
) -> None:
    answering = Answering(wrong)
    monkeypatch.setattr(task, "run_task", answering)
    check = task_check(spec(parent, tmp_path / "data", rows, **limits), parent, tmp_path, None)
    assert answering.asked == [(who, count) for count in asked for who in ("pytorch", "export")]
    assert check.task is not None and check.task.call == call and check.passed is (call != "inferior")
    assert check.name == "keeps_task" and check.limit == -0.02 and check.n == (asked[-1] if asked else 0)
    assert check.task.rows_available == rows


def test_the_parents_answers_are_given_once(parent: Path, tmp_path: Path) -> None:
    """Both as processes of their own; the second time the parent is not even opened; an earlier parent's answers go."""
    own = Path(shutil.copytree(parent, tmp_path / "parent"))
    given = spec(own, tmp_path / "data", 40)
    folder = tmp_path / "data" / "answers"
    folder.mkdir()
    (folder / "0123-9.jsonl").write_text("")
    export = tiny.export(parent, tmp_path / "fp32", "fp32", tmp_path / "cache")
    for scratch in ("a", "b"):
        (tmp_path / scratch).mkdir()
        check = task_check(given, export, tmp_path / scratch, None)
        assert check.task is not None and (check.task.rows, check.task.difference) == (40, 0.0)
        (kept,) = folder.iterdir()
        lines = kept.read_text().splitlines()
        assert len(lines) == 40 and kept.name.startswith("c" * 16)
        assert len((tmp_path / scratch / kept.name).read_text().splitlines()) == 40
        for weights in own.glob("*.safetensors"):
            weights.unlink(missing_ok=True)


def test_answers_to_other_rows_or_of_another_length_are_not_taken(
    parent: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """IBM/unitxt#7 and gepa-ai/gepa#425: answers were kept under an id that another question has now."""
    partial: list[tuple[str, Path]] = []

    def answering(asked: object, given: NamedAnswersSpec, *, interpreter: Path | None = None) -> Finished[NamedAnswers]:
        partial.append((given.runtime or "export", given.partial))
        return finished(("on", "on") for _ in given.ids)

    monkeypatch.setattr(task, "run_task", answering)
    given = spec(parent, tmp_path / "data", 40)
    task_check(given, parent, tmp_path, None)
    about = tmp_path / "data" / "dataset.json"
    about.write_text(json.dumps({"name": "lamps", "version": "cd" * 32}))
    task_check(given, parent, tmp_path, None)
    rows = tmp_path / "data" / "validation.jsonl"
    rows.write_text(rows.read_text().replace('"on"', '"on and on and on"'))
    task_check(given, parent, tmp_path, None)
    for runtime in ("pytorch", "export"):
        assert len({path for who, path in partial if who == runtime}) == 3


def changed(plan: Plan, **limits: Any) -> Plan:
    from dataclasses import replace

    recipe = plan.recipe.model_copy(update={"limits": plan.recipe.limits.model_copy(update=limits)})
    return replace(plan, recipe=recipe)


def test_what_a_job_is_held_to(project: Path) -> None:
    from dataclasses import replace

    plan = load_plan("tiny-phi")
    exact, int4 = plan.job("export-cpu-fp32"), plan.job("export-cpu-int4")
    assert (limit_of(plan, exact), limit_of(plan, int4), min_top1(plan, int4)) == (1e-5, 0.03, 0.95)
    assert task_limits(plan, exact, "native") is None and task_limits(plan, int4, "structure") is None
    asked = task_limits(plan, int4, "native")
    assert asked is not None and (asked.metric, asked.margin, asked.rows) == ("exact_match", 0.02, None)
    assert asked.tokens is not None and asked.tokens > 1_000_000  # a model of 1.3 M parameters
    slow = task_limits(changed(plan, rows=1000), int4, "emulated")
    assert slow is not None and slow.tokens == asked.tokens // 16 and slow.rows == 1000
    assert task_limits(changed(plan, rows=0), int4, "native") is None
    random = replace(plan, model=replace(plan.model, random_weights=True))
    assert task_limits(random, int4, "native") is None and min_top1(random, int4) is None
    own = changed(plan, max_kl_divergence=0.5, min_top1_agreement=0.3, margin=0.1)
    assert (limit_of(own, exact), limit_of(own, int4), min_top1(own, int4)) == (1e-5, 0.5, 0.3)
    assert judged_limits(own, int4)["keeps_task"] == -0.1
    alone = replace(int4, parent=None)  # a base that nothing was trained on
    assert limit_of(plan, alone) == pytest.approx(0.3) and min_top1(plan, alone) is None


def held(plan: Plan, *checks: Check) -> Any:
    from olivepress.core.artifact import Manifest

    return Manifest.model_construct(checks=checks, verified="native")


def verdict(**changes: Any) -> TaskVerdict:
    fields = {"call": "not inferior", "metric": "exact_match", "margin": 0.02, "rows": 400, "rows_available": 400}
    return TaskVerdict.model_validate(fields | changes)


def keeps(**changes: Any) -> Check:
    told = verdict(**changes)
    return Check(name="keeps_task", passed=True, value=0.0, limit=-told.margin, task=told)


@pytest.mark.parametrize(
    ("checks", "limits", "verified"),
    [
        ([keeps()], {}, True),
        ([], {}, False),  # made when the answers were not asked for
        ([keeps()], {"margin": 0.05}, False),
        ([keeps()], {"rows": 1000}, False),
        ([keeps(rows_limit=1000)], {"rows": 1000}, True),
        ([keeps(metric="rouge_l")], {}, False),
        ([keeps()], {"rows": 0}, False),
        ([], {"rows": 0}, True),
        # Where the task decides, the divergence has no limit; where it does not, a limit that changed counts.
        ([keeps(), Check(name="kl_answer", passed=True, value=0.09)], {"max_kl_divergence": 0.01}, True),
        ([keeps(), Check(name="kl_answer", passed=True, value=0.02, limit=0.03)], {"max_kl_divergence": 0.01}, False),
    ],
)
def test_what_is_verified_again(
    project: Path, monkeypatch: pytest.MonkeyPatch, checks: list[Check], limits: dict[str, Any], verified: bool
) -> None:
    from olivepress.run.interpreters import Place

    plan = changed(load_plan("tiny-phi"), **limits)
    for how in ("native", "structure"):  # an environment that is no longer here takes back nothing
        monkeypatch.setattr(verification, "place_of", lambda target, how=how: Place(how=how, interpreter=None))
        assert is_verified(plan, plan.job("export-cpu-int4"), held(plan, *checks)) is verified


def test_a_failed_job_carries_its_verdict(project: Path) -> None:
    plan = load_plan("tiny-phi")
    lost = verdict(call="inferior", value=0.4, parent_value=0.6, difference=-0.2, ci_low=-0.25, ci_high=-0.15)
    check = Check(name="keeps_task", passed=False, value=-0.2, limit=-0.02, detail="loses the task", task=lost)
    error = check_error(plan, plan.job("export-cpu-int4"), [check], Path("x.log"))
    assert isinstance(error, ChecksFailed) and error.checks == (check,)
    assert error.message == "export-cpu-int4: check keeps_task failed (loses the task)"
    assert "change limits.margin in the recipe" in str(error.next_step) and "cpu-int8" in str(error.next_step)
    outcome = JobOutcome(job="export-cpu-int4", state="failed", error=error, failed_checks=error.checks)
    assert outcome.verdicts == {"keeps_task": lost} and verdict_lines(outcome) == []  # its error says it
    package = held(plan, keeps(value=0.6, parent_value=0.6, difference=0.0, ci_low=-0.01, ci_high=0.01))
    package.checks[0].__dict__["name"] = "tone: keeps_task"
    (line,) = verdict_lines(JobOutcome(job="package-cpu-int4", state="done", manifest=package))
    assert line.startswith("tone: keeps the task: exact match 60.0 % against 60.0 % of the merged model on 400 ")
