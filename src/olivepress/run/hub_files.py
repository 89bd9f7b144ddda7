"""A workflow on a Hub model as a job runs it: with links to the files that were checked in place of the id.

Given an id, Olive 0.13 asks the Hub before it starts, passes ``revision`` to the weights only, and takes tokenizers, in
ModelBuilder everything, from what ``main`` names by then. Given a folder it reads that, and asks nobody.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from olivepress.core.hub import local_directory
from olivepress.runtimes.linked_copy import linked_copy
from olivepress.workflow.plan import Plan
from olivepress.workflow.rendered import Workflow

__all__ = ["text_for_olive"]


def text_for_olive(plan: Plan, workflow: Workflow, scratch: Path) -> str:
    """The workflow's own text, unless it names a Hub id: then it reads links in ``scratch``.

    Raises JobError when the model is not in the Hub cache of this machine.
    """
    if plan.model.is_local:
        return workflow.text
    folder = scratch / "base-model"
    config = _with_folder(workflow.config, plan.model.path, folder.as_posix())
    if config == workflow.config:
        return workflow.text
    linked_copy(local_directory(plan.model.path, plan.model.revision), folder, {})
    return yaml.safe_dump(config, sort_keys=False, allow_unicode=True)


def _with_folder(value: Any, model_id: str, folder: str) -> Any:
    """``value`` with the folder as every ``model_path`` that is the id, which then has no revision."""
    if isinstance(value, list):
        return [_with_folder(each, model_id, folder) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {key: _with_folder(each, model_id, folder) for key, each in value.items()}
    if value.get("model_path") != model_id:
        return changed
    for keys in (changed, changed.get("load_kwargs", {})):
        keys.pop("revision", None)
    return changed | {"model_path": folder}
