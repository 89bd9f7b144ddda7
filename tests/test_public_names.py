"""``__all__`` of every module is true, and every module says what it is."""

from __future__ import annotations

import importlib
import pkgutil

import olivepress

HEAVY = {"olivepress.workflow.olive_plugin.extension"}


def test_all_is_true() -> None:
    names = [module.name for module in pkgutil.walk_packages(olivepress.__path__, "olivepress.")]
    assert len(names) > 30
    for name in names:
        if name in HEAVY:
            continue
        module = importlib.import_module(name)
        assert module.__doc__, name
        for public in getattr(module, "__all__", ()):
            assert hasattr(module, public), f"{name}.{public}"
