"""Lint of workflows whose models this Python's transformers does not know: in the Python of their own environment."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from olivepress.catalog import BUILD
from olivepress.core.child.run import run_task
from olivepress.core.errors import SetupError
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.environments.lookup import environment, interpreter
from olivepress.workflow.finding import Finding, finding
from olivepress.workflow.lint_olive import against_olive, quiet_olive
from olivepress.workflow.lint_rows import supervision
from olivepress.workflow.rendered import Workflow

__all__ = ["is_elsewhere", "lint_elsewhere", "lint_there"]


class WorkflowText(Record):
    """What a lint needs of a workflow."""

    job_id: str
    path: Path
    text: str
    environment: str


class LintSpec(Record):
    """``rows_only``: the rows that are trained on, not the rest."""

    workflows: tuple[WorkflowText, ...]
    root: Path
    rows_only: bool


class LintResult(Record):
    findings: tuple[Finding, ...]


def is_elsewhere(workflow: Workflow) -> bool:
    """Whether the workflow runs with another transformers than the pinned set has."""
    return environment(workflow.environment).pins.get("transformers") != environment(BUILD).pins["transformers"]


def lint_elsewhere(workflows: Sequence[Workflow], root: Path, *, rows_only: bool = False) -> list[Finding]:
    """The findings of one process in the environment of these workflows, which they share; where that is not
    installed, one pending finding for each."""
    if not workflows:
        return []
    try:
        python = interpreter(workflows[0].environment)
    except SetupError as error:
        message = f"checked where its environment is installed ({error.message}); next: {error.next_step}"
        return [finding(each, "environment", message, level="pending") for each in workflows]
    texts = tuple(
        WorkflowText(job_id=each.job_id, path=each.path, text=each.text, environment=each.environment)
        for each in workflows
    )
    spec = LintSpec(workflows=texts, root=root.absolute(), rows_only=rows_only)
    return list(run_task(lint_there, spec, interpreter=python).result.findings)


def lint_there(spec: LintSpec, progress: Progress) -> LintResult:
    """The checks that need transformers or Olive, as a task of a child process."""
    findings: list[Finding] = []
    check = supervision if spec.rows_only else against_olive
    for number, each in enumerate(spec.workflows):
        progress(number, len(spec.workflows))
        workflow = Workflow(**each.model_dump(), identity="")
        with quiet_olive():
            findings += check(workflow, spec.root)
    return LintResult(findings=tuple(findings))
