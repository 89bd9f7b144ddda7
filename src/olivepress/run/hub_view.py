"""A Hub cache for one job, in which the model has one commit: whatever Olive asks for, it reads the files that were
checked.

Olive 0.13 passes ``revision`` to the weights only. Its tokenizers, and ModelBuilder, take what ``main`` names: another
commit, if the Hub has moved since the model was fetched.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from olivepress.core.hub import local_directory
from olivepress.models.hub import MAIN
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.workflow.plan import Plan

__all__ = ["with_hub_view"]

_OLD_NAMES = ("TRANSFORMERS_CACHE", "PYTORCH_TRANSFORMERS_CACHE", "HUGGINGFACE_HUB_CACHE")


def with_hub_view(environment: Mapping[str, str], plan: Plan, scratch: Path) -> dict[str, str]:
    """``environment`` with links to the plan's model, in ``scratch``, as its Hub cache; for a Hub id only.

    Raises JobError when the model is not in the cache of this machine.
    """
    if plan.model.is_local:
        return dict(environment)
    revision = plan.model.revision
    snapshot = local_directory(plan.model.path, revision)
    repository = scratch / "hub" / snapshot.parents[1].name
    linked_copy(snapshot, repository / "snapshots" / snapshot.name, {})
    for name in {MAIN, revision or MAIN}:
        ref = repository / "refs" / name
        ref.parent.mkdir(parents=True, exist_ok=True)
        ref.write_text(snapshot.name, encoding="utf-8")
    kept = {name: value for name, value in environment.items() if name not in _OLD_NAMES}
    return kept | {"HF_HUB_CACHE": str(repository.parent.absolute())}
