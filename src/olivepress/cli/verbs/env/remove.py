"""``olivepress env remove``."""

from __future__ import annotations

from olivepress.cli.options import EnvironmentArgument

__all__ = ["remove"]


def remove(name: EnvironmentArgument) -> None:
    """Delete an environment that was created here."""
    from olivepress.environments.create import remove as remove_environment

    print(f"{name}: removed" if remove_environment(name) else f"{name}: not installed")
