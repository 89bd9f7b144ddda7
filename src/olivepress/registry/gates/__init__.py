"""The gates of a promotion: each module is a gate, named like its file, with a function ``judge(case)``.

They are discovered here and nowhere listed: a new gate is one more file.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import replace

from olivepress.core.errors import OlivepressError
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed

__all__ = ["Judge", "gates", "judge_all"]

Judge = Callable[[Case], GateResult]


def gates() -> dict[str, Judge]:
    """Name → function of every gate, in the order of the names."""
    names = sorted(info.name for info in pkgutil.iter_modules(__path__))
    return {name.replace("_", " "): importlib.import_module(f"{__name__}.{name}").judge for name in names}


def judge_all(case: Case) -> tuple[GateResult, ...]:
    """Every gate's result. What a gate cannot read has failed, with the error as its evidence."""
    return tuple(replace(_judge(judge, case), name=name) for name, judge in gates().items())


def _judge(judge: Judge, case: Case) -> GateResult:
    try:
        return judge(case)
    except OlivepressError as error:
        return failed(error.message, next_step=error.next_step or "correct that, and promote again")
