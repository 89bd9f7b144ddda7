"""Which MLflow registry promotions go to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace

from olivepress.core.errors import SetupError
from olivepress.track.store import EMBEDDED_FILE, Store, store_here, without_secrets

__all__ = ["is_empty", "model_name", "registry_here"]


def registry_here(environment: Mapping[str, str] = os.environ) -> Store:
    """``MLFLOW_REGISTRY_URI``, else the store that runs are sent to, whether or not they are sent.

    SetupError where MLflow is not installed.
    """
    store = store_here(True, {**environment, "OLIVEPRESS_TRACKING": "on"})
    assert store is not None
    named = environment.get("MLFLOW_REGISTRY_URI", "").strip()
    if named:
        store = replace(store, uri=named, name=without_secrets(named))
    if not store.installed:
        raise SetupError(
            "MLflow is not installed, which keeps the registry", next_step="pip install 'olivepress[track]'"
        )
    return store


def is_empty(store: Store) -> bool:
    """Whether it is the embedded store and its file is not there yet, so that reading would create it."""
    return store.is_embedded and not EMBEDDED_FILE.exists()


def model_name(recipe: str, target: str) -> str:
    """The name of the registered model of a recipe and a target."""
    return f"{recipe}--{target}"
