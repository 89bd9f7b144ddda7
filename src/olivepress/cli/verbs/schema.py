"""``olivepress schema``."""

from __future__ import annotations

__all__ = ["schema"]


def schema() -> None:
    """Print the JSON Schema of a recipe, for editors."""
    from olivepress.recipe.schema import json_schema

    print(json_schema(), end="")
