"""What a search of fine-tunes and a joint one differ in: what a trial is judged by, and which of them are best."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.trial import Searched, finetune_trial
from olivepress.recipe.schema import Recipe
from olivepress.study.objective import TrialWatch
from olivepress.study.results import TrialRecord
from olivepress.study.storage import Direction
from olivepress.study.verdict import best_mean
from olivepress.workflow.plan import Plan

__all__ = ["Kind", "Measured", "finetune_kind"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A trial that is built: ``values`` in the order of the objectives, and ``facts`` to keep with it."""

    plan: Plan
    values: tuple[float, ...]
    facts: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """``level`` names its studies and ``letter`` their trials; ``objectives``: what is measured on the validation split
    → whether more of it is better. ``prunes``: whether the evaluations of a fine-tune measure the objective.

    ``ranked``: finished trials, the best first. ``choose``: of candidates with their values (one of each seed) the
    winner; None where none has all seeds.
    """

    level: str
    letter: str
    objectives: Mapping[str, bool]
    prunes: bool
    measure: Callable[[Searched, Recipe, SearchReporter, TrialWatch | None], Measured]
    ranked: Callable[[Sequence[TrialRecord]], list[TrialRecord]]
    choose: Callable[[Mapping[str, Sequence[Sequence[float]]], int], str | None]

    @property
    def directions(self) -> list[Direction]:
        return ["maximize" if higher else "minimize" for higher in self.objectives.values()]


def finetune_kind(searched: Searched) -> Kind:
    """Fine-tunes, by the validation metric of the checkpoint that ships."""
    sign = -1 if searched.higher else 1

    def choose(values: Mapping[str, Sequence[Sequence[float]]], seeds: int) -> str | None:
        firsts = {name: [each[0] for each in given] for name, given in values.items()}
        return best_mean(firsts, seeds=seeds, higher=searched.higher)

    return Kind(
        level="finetune",
        letter="s",
        objectives={f"validation {searched.metric}": searched.higher},
        prunes=True,
        measure=_measure,
        ranked=lambda trials: sorted(trials, key=lambda trial: sign * trial.values[0]),
        choose=choose,
    )


def _measure(searched: Searched, recipe: Recipe, reporter: SearchReporter, watch: TrialWatch | None) -> Measured:
    plan, value, step = finetune_trial(searched, recipe, reporter, watch)
    return Measured(plan=plan, values=(value,), facts={"step": step})
