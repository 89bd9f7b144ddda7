"""The packages that scoring needs, imported when they are used."""

from __future__ import annotations

import importlib
from typing import Any

from olivepress.core.errors import SetupError

__all__ = ["choix", "krippendorff"]


def choix() -> Any:
    """Bradley-Terry models. SetupError when it is missing."""
    return _load("choix")


def krippendorff() -> Any:
    """Krippendorff's alpha. SetupError when it is missing."""
    return _load("krippendorff")


def _load(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        raise SetupError(f"the package {name} is not installed", next_step="pip install 'olivepress[people]'") from None
