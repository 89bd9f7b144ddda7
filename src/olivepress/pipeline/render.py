"""The workflows of a plan: rendered once, written, linted, and passed on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import targets
from olivepress.core.files import write_text
from olivepress.core.layout import CONFIGS
from olivepress.pipeline.lint import lint_workflows
from olivepress.pipeline.prepare import prepare
from olivepress.workflow.finding import Finding
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render_all, shim_text
from olivepress.workflow.rendered import SHIM, Workflow

__all__ = ["Rendered", "render", "render_files", "stale_files", "write_workflows"]


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """The workflows of a plan as they were written, and what lint reports of them besides errors."""

    plan: Plan
    workflows: tuple[Workflow, ...]
    findings: tuple[Finding, ...]

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of the data, each note once."""
        return tuple(dict.fromkeys(finding.message for finding in self.findings if finding.level == "note"))


def render(plans: Sequence[Plan], *, jobs: Callable[[Plan], Collection[str] | None] = lambda _: None) -> list[Rendered]:
    """Write the data and the workflows of each plan, and lint those of the ``jobs`` of each (None: all of them).

    ``jobs`` is asked when the data of the plan is written. Raises LintError with the errors of a plan.
    """
    rendered = list[Rendered]()
    for plan in plans:
        prepare(plan)
        workflows = write_workflows(plan)
        findings = tuple(lint_workflows(workflows, only=jobs(plan)))
        rendered.append(Rendered(plan=plan, workflows=workflows, findings=findings))
    return rendered


def render_files(plan: Plan) -> dict[Path, str]:
    """Path → content of every file that belongs into ``olive_configs/<recipe>/``."""
    return _files(plan, render_all(plan))


def stale_files(files: dict[Path, str]) -> list[Path]:
    """Those that are missing or have other content."""
    return [path for path, text in files.items() if not _has_content(path, text.encode("utf-8"))]


def _has_content(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def write_workflows(plan: Plan) -> tuple[Workflow, ...]:
    """Write them and remove workflows of jobs that the recipe no longer has."""
    workflows = render_all(plan)
    files = _files(plan, workflows)
    directory = CONFIGS / plan.recipe.name
    for path in stale_files(files):  # an unchanged file is not forced to the disk again
        write_text(path, files[path])
    shipped = {directory / name for target in targets().values() for name in target.files}
    for path in (*directory.glob("*.yaml"), *directory.glob("*-package.json"), *shipped):
        if path not in files and path.is_file():
            path.unlink()
    return workflows


def _files(plan: Plan, workflows: Sequence[Workflow]) -> dict[Path, str]:
    files: dict[Path, str] = {}
    for workflow in workflows:
        files |= {workflow.path: workflow.text, **workflow.files}
    files[CONFIGS / plan.recipe.name / SHIM] = shim_text(plan)
    return files
