"""``olivepress lint``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["lint"]


def lint(workflow: Annotated[Path, typer.Argument(metavar="WORKFLOW", help="An Olive workflow in YAML.")]) -> None:
    """Check a workflow file against the installed Olive."""
    from olivepress.pipeline.lint import lint_file
    from olivepress.workflow.lint import olive_installed

    findings = lint_file(workflow)
    print("\n".join(f"{finding.level}: {finding}" for finding in findings) or f"{workflow}: no problems found")
    if not olive_installed():
        print("Olive is not installed: only files were checked")
