"""Whether the Hub has a newer commit of a plan's model than the one that the project uses."""

from __future__ import annotations

from olivepress.core.errors import UsageError
from olivepress.core.layout import HUB_COMMITS
from olivepress.models.hub import MAIN, is_commit, upstream_commit
from olivepress.workflow.plan import Plan

__all__ = ["upstream_note"]


def upstream_note(plan: Plan) -> str:
    """One line; asks the Hub once. UsageError for a local model, errors of the Hub as ``hub_model``."""
    model, named = plan.model, plan.recipe.model.revision
    if not model.on_hub:
        raise UsageError(f"--upstream: {model.origin} is not a model of the Hub", next_step="leave --upstream out")
    branch = MAIN if named is None or is_commit(named) else named
    commit = upstream_commit(model.origin, branch)
    if model.commit is None:
        return f"{model.origin}: {branch} is at {commit}; to fix it: model.revision in the recipe"
    if commit == model.commit:
        return f"{model.origin}: {branch} is at {commit[:12]}, which this project uses"
    step = f"write {commit} under model.revision in the recipe"
    if not is_commit(named):
        step += f", or remove the model's entry from {HUB_COMMITS.as_posix()}"
    moved = f"{branch} has moved to {commit[:12]}, this project uses {model.commit[:12]}"
    return f"{model.origin}: {moved}; to move with it: {step}"
