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

from olivepress.core.errors import JobError, UsageError
from olivepress.data.build import build_dataset
from olivepress.pipeline.search.common import check_same, default_params, study_facts
from olivepress.pipeline.search.joint import joint_kind, joint_search
from olivepress.pipeline.search.kind import Kind, finetune_kind
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.stages import Stage, following_of, run_stage
from olivepress.pipeline.search.trial import (
    Searched,
    check_workers,
    score_test_rows,
    trial_recipe,
)
from olivepress.pipeline.search.warm_start import Known, known_points
from olivepress.pipeline.search.winner import check_can_write
from olivepress.recipe.search import Search
from olivepress.run.cleanup import base_name
from olivepress.study.objective import TrialWatch, make_pruner
from olivepress.study.proposals import next_of_grid, propose
from olivepress.study.results import StudyRecord, study_record
from olivepress.study.space import Params, contains, encode, same, suggest
from olivepress.study.storage import Direction, Storage, Study, create, latest, numbered, open_storage
from olivepress.study.trials import Claim, Point, add_known, enqueue, failed_trials, finished_trials, spent
from olivepress.study.verdict import Verdict, compare_scores
from olivepress.workflow.find_recipe import data_of, find_recipe
from olivepress.workflow.plan import make_plan

__all__ = ["FinetuneSearch", "Found", "kind_of", "load_searched", "search_finetune"]

DEFAULT = "default"
_MOST_SEEDS = 40  # finalists and comparison of one study: those of the comparison are fresh in every study


@dataclass(frozen=True, kw_only=True)
class FinetuneSearch:
    """A search that runs: what is searched, its database and the number of its study."""

    searched: Searched
    storage: Storage
    number: int
    reporter: SearchReporter

    @property
    def search(self) -> Search:
        return self.searched.search

    @property
    def kind(self) -> Kind:
        return kind_of(self.searched)

    def study(self, stage: str = "", facts: Mapping[str, Any] | None = None) -> Study:
        """The study of a stage, begun at its first use."""
        name = numbered(self.searched.recipe.name, self.kind.level, self.number, stage)
        directions: list[Direction] = ["maximize"]
        if stage != "fresh":
            directions = self.kind.directions
        return create(self.storage, name, directions, dict(facts or {}))

    def record(self, stage: str = "") -> StudyRecord:
        """The study of a stage as it is now."""
        return study_record(self.study(stage), list(self.kind.objectives))

    def run_name(self, stage: str, number: int) -> str:
        return f"{self.searched.recipe.name}.{self.kind.letter}{self.number}-{stage}-{number}"


@dataclass(frozen=True, kw_only=True)
class Found:
    """``winner`` None: the default itself is the best, so there is nothing to compare and ``verdict`` is None too.

    ``stages``: the trials, the finalists, and the comparison where there was one. ``measured``: default and winner →
    the means of their validation objectives in the comparison.
    """

    searched: Searched
    stages: Mapping[str, StudyRecord]
    winner: Params | None
    verdict: Verdict | None
    measured: Mapping[str, Sequence[float]] = field(default_factory=dict)


def kind_of(searched: Searched) -> Kind:
    """By what its trials are judged."""
    return finetune_kind(searched) if searched.search.joint is None else joint_kind(searched)


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


def search_finetune(searched: Searched, *, reporter: SearchReporter, new: bool = False) -> Found:
    """Search until the budget is spent, then decide. Safe to interrupt: the same call goes on.

    ``new`` begins another study beside the last one, whose trials are then a warm start. SetupError for a study of
    another space, or a database that cannot be used; JobError when trials fail one after the other.
    """
    check_workers(searched)
    found = begin(searched, reporter=reporter, new=new)
    run_stage(_trials(found), reporter)
    winner = _finals(found)
    verdict: Verdict | None = None
    measured: dict[str, Sequence[float]] = {}
    if same(winner) != same(default_params(searched)):
        verdict, measured = _fresh(found, winner)
    stages = {"trials": found.record(), "finalists": found.record("full")}
    if verdict is not None:
        stages["comparison"] = study_record(found.study("fresh"), [searched.test_metric])
    return Found(
        searched=searched, stages=stages, winner=winner if verdict else None, verdict=verdict, measured=measured
    )


def begin(searched: Searched, *, reporter: SearchReporter, new: bool = False) -> FinetuneSearch:
    """The search that is to go on, or a new one with its first points."""
    storage = open_storage()
    facts = study_facts(searched)
    name, kind = searched.recipe.name, kind_of(searched)
    number = latest(storage, name, kind.level)
    if number and not new:
        check_same(create(storage, numbered(name, kind.level, number), [], {}), facts, searched)
        return FinetuneSearch(searched=searched, storage=storage, number=number, reporter=reporter)
    found = FinetuneSearch(searched=searched, storage=storage, number=number + 1, reporter=reporter)
    create(
        storage,
        numbered(name, kind.level, found.number),
        kind.directions,
        facts,
        begin=lambda study: _first_points(study, searched),
    )
    return found


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


def _trials(found: FinetuneSearch) -> Stage:
    """Short trials, as the sampler proposes them."""
    searched, search = found.searched, found.search
    finetune = searched.recipe.finetune
    study = found.study()
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

    def make(claim: Claim) -> tuple[Sequence[float], Mapping[str, Any]]:
        recipe = trial_recipe(searched, claim.params, name=claim.run, length=search.length)
        watch = TrialWatch(claim, searched.metric, prunes=True) if found.kind.prunes else None
        measured = found.kind.measure(searched, recipe, found.reporter, watch)
        return measured.values, measured.facts

    return Stage(
        study=study,
        title="trial",
        total=search.trials,
        following=following,
        is_over=is_over,
        run_name=lambda number: found.run_name("trial", number),
        make=make,
        position=lambda _: spent(study.get_trials(deepcopy=False))[0],
        draw=lambda trial: suggest(trial, search, finetune),
    )


def _finals(found: FinetuneSearch) -> Params:
    """The best trials and the default at full length with several seeds: the params of the best mean."""
    searched, search = found.searched, found.search
    candidates = [default_params(searched), *_best_trials(found)]
    base = searched.recipe.finetune.seed
    seeds = [(base + number) % 2**32 for number in range(search.seeds)]
    points = [Point(params=params, facts={"seed": seed}) for seed in seeds for params in candidates]
    study = found.study("full")
    run_stage(_full_length(found, study, "full", points), found.reporter)
    settings = {same(params): params for params in candidates}
    values: dict[str, list[Sequence[float]]] = {name: [] for name in settings}
    for trial in finished_trials(study):  # with a larger budget others are the best: earlier finalists count too
        params = _as_params(trial.user_attrs["params"])
        settings.setdefault(same(params), params)
        values.setdefault(same(params), []).append(trial.values)
    best = found.kind.choose(values, len(seeds))
    if best is None:
        raise JobError(
            f"{study.study_name}: no finalist has finished with all {len(seeds)} seeds{_last_reason(found, 'full')}",
            next_step="olivepress runs list, then the same command with --new",
        )
    return settings[best]


def _best_trials(found: FinetuneSearch) -> list[Params]:
    """The best of the short trials, without the default."""
    params = [_as_params(trial.params) for trial in found.kind.ranked(found.record().finished)]
    others = [each for each in params if same(each) != same(default_params(found.searched))]
    return list(others[: found.search.finalists])


def _fresh(found: FinetuneSearch, winner: Params) -> tuple[Verdict, dict[str, Sequence[float]]]:
    """Winner and default at full length with seeds of their own, by their answers to the test split; and the means of
    what was measured of them on the validation split."""
    searched, search, metric = found.searched, found.search, found.searched.test_metric
    base = searched.recipe.finetune.seed + search.seeds + _MOST_SEEDS * (found.number - 1)
    seeds = [(base + number) % 2**32 for number in range(search.seeds)]
    contenders: dict[str, Params] = {DEFAULT: default_params(searched), "winner": winner}
    points = [
        Point(params=params, facts={"seed": seed, "metric": metric}) for seed in seeds for params in contenders.values()
    ]
    study = found.study("fresh")
    run_stage(_full_length(found, study, "fresh", points), found.reporter)
    results: dict[tuple[str, int], Mapping[str, Any]] = {
        (same(trial.user_attrs["params"]), trial.user_attrs["facts"]["seed"]): trial.user_attrs
        for trial in finished_trials(study)
        if trial.user_attrs["facts"].get("metric") == metric
    }
    pairs = [seed for seed in seeds if all((same(params), seed) in results for params in contenders.values())]
    if len(pairs) < len(seeds):
        raise JobError(
            f"{study.study_name}: {len(seeds) - len(pairs)} of {len(seeds)} seeds have no result of both"
            f"{_last_reason(found, 'fresh')}",
            next_step="the same command tries again what failed; a pruned one needs other settings: --new",
        )
    of_name = {name: [results[same(params), seed] for seed in pairs] for name, params in contenders.items()}
    scores = {name: [result["scores"] for result in each] for name, each in of_name.items()}
    # Trials of an earlier olivepress have one value.
    means: dict[str, Sequence[float]] = {}
    for name, each in of_name.items():
        values = [result.get("measured", [result["validation"]]) for result in each]
        means[name] = [sum(column) / len(column) for column in zip(*values, strict=True)]
    return compare_scores(metric, scores[DEFAULT], scores["winner"]), means


def _last_reason(found: FinetuneSearch, stage: str) -> str:
    """Why the last trial of a stage that has no values has none."""
    reasons = [trial.reason for trial in found.record(stage).trials if trial.state in ("pruned", "failed", "killed")]
    return f", the last: {reasons[-1]}" if reasons else ""


def _full_length(found: FinetuneSearch, study: Study, name: str, points: Sequence[Point]) -> Stage:
    searched = found.searched

    def make(claim: Claim) -> tuple[Sequence[float], Mapping[str, Any]]:
        recipe = trial_recipe(searched, claim.params, name=claim.run, seed=int(claim.facts["seed"]))
        measured = found.kind.measure(searched, recipe, found.reporter, None)
        if name != "fresh":
            return measured.values, measured.facts
        scores = score_test_rows(searched, measured.plan, found.reporter)
        facts = {"validation": measured.values[0], **measured.facts, "measured": measured.values, "scores": scores}
        return [sum(scores.values()) / len(scores)], facts

    return Stage(
        study=study,
        title="finalist" if name == "full" else "comparison",
        total=len(points),
        following=following_of(points, again=_to_repeat(study, fresh=name == "fresh")),
        is_over=lambda _: False,
        run_name=lambda number: found.run_name(name, number),
        make=make,
        position=lambda claim: _position(points, claim),
    )


def _position(points: Sequence[Point], claim: Claim) -> int:
    """Which of the points a trial is, from 1; the last for one of an earlier budget that is repeated."""
    text = Point(params=claim.params, facts=claim.facts).text
    return next((number for number, point in enumerate(points, 1) if point.text == text), len(points))


def _to_repeat(study: Study, *, fresh: bool) -> frozenset[int]:
    """Failed trials of earlier calls whose settings are not to blame, as another seed of them has finished: a full disk
    must not decide a search. Both settings of the comparison have finished before."""
    good = {same(trial.user_attrs["params"]) for trial in finished_trials(study)}
    return frozenset(
        trial.number for trial in failed_trials(study) if fresh or same(trial.user_attrs["params"]) in good
    )


def _as_params(stored: Mapping[str, Any]) -> Params:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in stored.items()}
