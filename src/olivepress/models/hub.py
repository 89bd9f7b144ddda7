"""A model of the Hub by its config.json alone, and the commit of it that this project uses.

A branch or tag is looked up once: its commit is kept in ``models/hub.json``, so that later plans and runs read the same
files, offline as well, until the recipe names another revision or the entry is removed.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.checkpoint import read_json
from olivepress.core.errors import OlivepressError, RecipeError, SetupError
from olivepress.core.files import write_text
from olivepress.core.hub import cached_config, current_commit, fetch_config
from olivepress.core.layout import HUB_COMMITS

__all__ = [
    "MAIN",
    "HubModel",
    "hub_commit",
    "hub_model",
    "is_commit",
    "is_hub_id",
    "path_hint",
    "upstream_commit",
]

MAIN = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PART = r"[A-Za-z0-9](?:[A-Za-z0-9_-]|\.(?!\.)){0,95}"
_HUB_ID = re.compile(rf"{_PART}/{_PART}")


@dataclass(frozen=True, kw_only=True)
class HubModel:
    """``config`` is the model's config.json at ``commit``."""

    commit: str
    config: dict[str, Any]


def is_hub_id(text: str) -> bool:
    """Whether it can be ``owner/name`` on the Hub; a path into a folder that is here is none."""
    return _HUB_ID.fullmatch(text) is not None and not Path(text).parent.exists()


def is_commit(revision: str | None) -> bool:
    return revision is not None and _COMMIT.fullmatch(revision) is not None


def path_hint(text: str) -> str:
    """What to type where the owner of a Hub id is a folder here; empty for any other text."""
    if _HUB_ID.fullmatch(text) is None or is_hub_id(text):
        return ""
    return f"{Path(text).parent} is a folder here; for the Hub id: hf download {text} --local-dir {text}; "


def hub_model(model_id: str, revision: str | None) -> HubModel:
    """The model at the commit that this project uses. Nothing but config.json is fetched, and that once.

    Raises RecipeError for what the Hub does not have, SetupError when it refuses access or cannot be reached.
    """
    commit = hub_commit(model_id, revision)
    return HubModel(commit=commit, config=read_json(fetch_config(model_id, commit)))


def hub_commit(model_id: str, revision: str | None) -> str:
    """The commit that this project uses: the one that the recipe names, or the one of its branch at first sight.

    At first sight that is the Hub's, or where the Hub cannot be asked the one in the cache. Raises as ``hub_model``.
    """
    asked = revision or MAIN
    if is_commit(asked):
        return asked
    commits = _commits()
    known = commits.get(model_id, {}).get(asked)
    if known is not None:
        return known
    commit = _first_sight(model_id, asked)
    changed = {**commits, model_id: {**commits.get(model_id, {}), asked: commit}}
    with contextlib.suppress(SetupError):  # a plan can be made where nothing can be written
        write_text(HUB_COMMITS, json.dumps(changed, indent=2, sort_keys=True) + "\n")
    return commit


def upstream_commit(model_id: str, branch: str) -> str:
    """What the branch names on the Hub now. Raises as ``hub_model``."""
    return _checked(model_id, current_commit(model_id, branch))


def _first_sight(model_id: str, asked: str) -> str:
    """A commit whose config.json is here: a folder of the cache is named by it."""
    try:
        return fetch_config(model_id, _checked(model_id, current_commit(model_id, asked))).parent.name
    except OlivepressError:
        cached = cached_config(model_id, asked)
        if cached is None:
            raise
        return _checked(model_id, cached.parent.name)


def _checked(model_id: str, commit: str) -> str:
    """The text comes from elsewhere, and goes into paths and workflows."""
    if not is_commit(commit):
        raise SetupError(
            f"{model_id}: the Hub names {ascii(commit)[:60]} as its commit, expected 40 hexadecimal digits",
            next_step="check HF_ENDPOINT",
        )
    return commit


def _commits() -> dict[str, dict[str, str]]:
    """Model → revision → commit. RecipeError for a damaged file: another commit must not be taken silently."""
    if not HUB_COMMITS.exists():
        return {}
    commits = read_json(HUB_COMMITS)
    for model_id, revisions in commits.items():
        pinned = revisions.values() if isinstance(revisions, dict) else [None]
        if not all(isinstance(commit, str) and _COMMIT.fullmatch(commit) for commit in pinned):
            raise RecipeError(
                f"{HUB_COMMITS}: key {model_id!r}: expected revisions and their commits",
                next_step="correct it, or remove the entry: the newest commit is taken then",
            )
    return commits
