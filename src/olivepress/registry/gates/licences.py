"""The licences of base model, adapter and data are known, allow what the artifact is for, and do not contradict."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, passed
from olivepress.registry.licence_terms import conflicts, terms_of

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    missing = [licence.part for licence in case.licences if licence.name is None]
    if missing:
        names = " and ".join(missing)
        step = "; ".join(f"set promote.licences.{part} in the recipe to its SPDX identifier" for part in missing)
        return failed(f"no licence of the {names} is known", next_step=step)
    named = {licence.part: str(licence.name) for licence in case.licences}
    wrong = conflicts(named, case.recipe.promote.use)
    if wrong:
        return failed(*wrong, next_step="use another base model or other data, or ask who holds the rights")
    unknown = [f"{part}: {name}" for part, name in named.items() if terms_of(name) is None]
    if unknown:
        step = "read it; if it allows this use, set promote.licences to LicenseRef-checked for that part"
        return inconclusive(f"terms that olivepress does not know: {', '.join(unknown)}", next_step=step)
    notes = [f"{name} has terms of use: read them" for name in named.values() if _has_terms(name)]
    return passed(", ".join(f"{part} {name}" for part, name in named.items()), *notes)


def _has_terms(name: str) -> bool:
    terms = terms_of(name)
    return terms is not None and terms.conditions
