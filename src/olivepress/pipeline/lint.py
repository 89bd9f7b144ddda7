"""Workflows against the rules and the Olive that is installed; errors are raised, the rest is returned."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from olivepress.core.errors import LintError, RecipeError
from olivepress.environments.lookup import environments
from olivepress.workflow.finding import Finding
from olivepress.workflow.header import environment_in
from olivepress.workflow.lint import lint
from olivepress.workflow.rendered import Workflow
from olivepress.workflow.shape import check_shape

__all__ = ["lint_file", "lint_workflows"]


def lint_workflows(workflows: Sequence[Workflow], *, only: Collection[str] | None = None) -> list[Finding]:
    """Notes and pending findings of rendered workflows, of all jobs or ``only`` some. Raises LintError with every
    error, one a line."""
    return _without_errors(lint(workflows, only=only))


def lint_file(path: Path) -> list[Finding]:
    """As ``lint_workflows``, for one workflow file as it lies there. Raises RecipeError when it is no workflow."""
    check_shape(path)
    text = path.read_text("utf-8")
    workflow = Workflow(job_id=path.stem, path=path, text=text, identity="", environment=_environment_in(path, text))
    try:
        return _without_errors(lint((workflow,), rendered=False))
    except OSError as error:
        name = ascii(error.filename)[1:61]
        raise RecipeError(f"{path}: names {name}, which cannot be read ({error.strerror})") from None


def _environment_in(path: Path, text: str) -> str:
    """The environment that its header names. Raises RecipeError for one that nobody knows."""
    name = environment_in(text)
    if name not in environments():
        raise RecipeError(f"{path}: unknown environment {name!r} in its header", next_step="olivepress env list")
    return name


def _without_errors(findings: list[Finding]) -> list[Finding]:
    errors = [str(finding) for finding in findings if finding.level == "error"]
    if errors:
        raise LintError(*errors, next_step="change the recipe or the target, then render again")
    return findings
