"""``olivepress search finetune``: short trials of many settings, the best at full length, the winner against the
default.

Three studies in ``studies.db``, one after the other: ``RECIPE/finetune.N`` with the short trials, ``…/full`` with the
finalists and the default at full length, each with several seeds, and ``…/fresh`` with the winner and the default once
more, with seeds that nothing was chosen by. All of it can be interrupted, and shared by several processes. A joint
search does the same with exported artifacts, in ``RECIPE/joint.N`` (``joint``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from olivepress.core.errors import UsageError
from olivepress.data.build import build_dataset
from olivepress.pipeline.search.common import DEFAULT, check_same, default_params, study_facts
from olivepress.pipeline.search.finalists import best_finalist, compare_with_default
from olivepress.pipeline.search.finetune_search import FinetuneSearch, kind_of
from olivepress.pipeline.search.joint import joint_search
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.stages import Stage, run_stage
from olivepress.pipeline.search.trial import Searched, check_workers, trial_recipe
from olivepress.pipeline.search.warm_start import Known, known_points
from olivepress.pipeline.search.winner import check_can_write
from olivepress.run.cleanup import base_name
from olivepress.study.objective import TrialWatch, make_pruner
from olivepress.study.proposals import next_of_grid, propose
from olivepress.study.results import StudyRecord, study_record
from olivepress.study.space import Params, contains, encode, same, suggest
from olivepress.study.storage import Study, create, latest, numbered, open_storage, storage_errors
from olivepress.study.trials import Claim, Point, add_known, enqueue, spent
from olivepress.study.verdict import Verdict
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.plan import make_plan

__all__ = ["SearchDecision", "load_searched", "search_finetune"]


@dataclass(frozen=True, kw_only=True)
class SearchDecision:
    """``winner`` None: the default itself is the best, so there is nothing to compare and ``verdict`` is None too.

    ``stages``: the trials, the finalists, and the comparison where there was one. ``measured``: default and winner →
    the means of their validation objectives in the comparison.
    """

    searched: Searched
    stages: Mapping[str, StudyRecord]
    winner: Params | None
    verdict: Verdict | None
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)


def load_searched(model: str, *, data: str | None = None, joint: bool = False, trust_targets: bool = False) -> Searched:
    """The recipe that is searched, its plan checked; ``joint``: with exported artifacts.

    UsageError for one of several adapters, or without ``search``.
    """
    recipe, own_targets = find_recipe(model, data=data)
    if recipe.search is None:
        raise UsageError(
            f"recipe {recipe.name} has no key 'search', which names the settings to try",
            next_step="add search: {learning_rate: {low: 1.0e-5, high: 1.0e-3, log: true}, trials: 24} to it",
        )
    dataset = build_dataset(data_of(recipe, "search finetune"))
    plan = make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    if not dataset.splits["test"]:
        raise UsageError(
            f"recipe {recipe.name}: no test rows, by which the winner is compared with the default",
            next_step="set data.test_fraction",
        )
    searched = Searched(
        recipe=recipe,
        dataset=dataset,
        search=joint_search(recipe.search, plan) if joint else recipe.search.model_copy(update={"joint": None}),
        base_model=base_name(plan),
        own_targets=own_targets,
        trust_targets=trust_targets,
    )
    check_can_write(searched)
    return searched


def search_finetune(searched: Searched, *, reporter: SearchReporter, new: bool = False) -> SearchDecision:
    """Search until the budget is spent, then decide. Safe to interrupt: the same call goes on.

    ``new`` begins another study beside the last one, whose trials are then a warm start. SetupError for a study of
    another space, or a database that cannot be used; JobError when trials fail one after the other.
    """
    check_workers(searched)
    ongoing = begin(searched, reporter=reporter, new=new)
    run_stage(_trials(ongoing), reporter)
    winner = best_finalist(ongoing)
    verdict: Verdict | None = None
    measured: dict[str, Sequence[float]] = {}
    if same(winner) != same(default_params(searched)):
        verdict, measured = compare_with_default(ongoing, winner)
    stages = {"trials": ongoing.record(), "finalists": ongoing.record("full")}
    if verdict is not None:
        stages["comparison"] = study_record(ongoing.study("fresh"), [searched.test_metric])
    return SearchDecision(
        searched=searched, stages=stages, winner=winner if verdict else None, verdict=verdict, measured=measured
    )


def begin(searched: Searched, *, reporter: SearchReporter, new: bool = False) -> FinetuneSearch:
    """The search that is to go on, or a new one with its first points."""
    storage = open_storage()
    facts = study_facts(searched)
    name, kind = searched.recipe.name, kind_of(searched)
    number = latest(storage, name, kind.level)
    if new or not number:
        number += 1
    study = create(
        storage,
        numbered(name, kind.level, number),
        kind.directions,
        facts,
        begin=lambda study: _first_points(study, searched),
    )
    check_same(study, facts, searched)
    return FinetuneSearch(searched=searched, storage=storage, number=number, reporter=reporter)


def _first_points(study: Study, searched: Searched) -> None:
    """The default, then what tracked runs know: a short run's value counts as it is, settings of others are tried."""
    search, finetune = searched.search, searched.recipe.finetune
    points = [Known(params=default_params(searched), origin=DEFAULT), *known_points(searched)]
    seen = set[str]()
    for known in points:
        if not contains(search, finetune, known.params) or same(known.params) in seen:
            continue
        seen.add(same(known.params))
        drawn = encode(search, finetune, known.params)
        point = Point(params=known.params, drawn=drawn, origin=known.origin)
        if known.value is None:
            enqueue(study, point)
            continue
        add_known(study, point, known.value, lambda trial: suggest(trial, search, finetune))


def _trials(ongoing: FinetuneSearch) -> Stage:
    """Short trials, as the sampler proposes them."""
    searched, search = ongoing.searched, ongoing.search
    finetune = searched.recipe.finetune
    study = ongoing.study()
    study.pruner = make_pruner(search)

    def following(study: Study) -> Point | None:
        if search.sampler == "grid":
            params = next_of_grid(study, search, finetune)
            return None if params is None else Point(params=params, drawn=encode(search, finetune, params))
        proposed = propose(study, search, finetune)
        return None if proposed is None else Point(params=proposed[1], drawn=proposed[0])

    def is_over(study: Study) -> bool:
        trials, seconds = spent(study.get_trials(deepcopy=False))
        late = search.minutes is not None and seconds >= 60 * search.minutes
        return late or (search.trials is not None and trials >= search.trials)

    def position(_: Claim) -> int:
        with storage_errors():
            return spent(study.get_trials(deepcopy=False))[0]

    def make(claim: Claim) -> tuple[Sequence[float], Mapping[str, Any]]:
        recipe = trial_recipe(searched, claim.params, name=claim.run, length=search.length)
        watch = TrialWatch(claim, searched.metric, prunes=True) if ongoing.kind.prunes else None
        measured = ongoing.kind.measure(searched, recipe, ongoing.reporter, watch)
        return measured.values, measured.facts

    return Stage(
        study=study,
        title="trial",
        total=search.trials,
        following=following,
        is_over=is_over,
        run_name=lambda number: ongoing.run_name("trial", number),
        make=make,
        position=position,
        draw=lambda trial: suggest(trial, search, finetune),
    )
