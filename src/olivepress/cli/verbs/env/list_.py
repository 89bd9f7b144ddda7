"""``olivepress env list``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from olivepress.cli.options import JsonOption

if TYPE_CHECKING:
    from olivepress.environments.lookup import Environment

__all__ = ["list_"]


def list_(as_json: JsonOption = False) -> None:
    """List the environments and their state on this machine."""
    from olivepress.environments.lookup import environments

    rows = [_row(environment) for environment in environments().values()]
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['name']}: {row['description']}\n  {', '.join(row['packages']) or 'no packages'}\n  {row['state']}")
        for need in row["needs"]:
            print(f"  needs {need}")


def _row(environment: Environment) -> dict[str, Any]:
    from olivepress.environments.lookup import is_created, platform_here, python_of, satisfied_here

    python, state = None, "not created"
    if satisfied_here(environment):
        state = "this interpreter"
    elif platform_here() not in environment.platforms:
        state = f"not on {platform_here()}: {environment.elsewhere}"
    elif is_created(environment):
        python, state = str(python_of(environment)), "created"
    return {**environment.model_dump(mode="json"), "state": state, "python": python}
