"""The last two stages of a search of fine-tunes: the best trials at full length, and the winner against the default."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.core.errors import JobError
from olivepress.pipeline.search.common import DEFAULT, default_params
from olivepress.pipeline.search.finetune_search import FinetuneSearch
from olivepress.pipeline.search.stages import Stage, following_of, run_stage
from olivepress.pipeline.search.trial import score_test_rows, trial_recipe
from olivepress.study.space import Params, same
from olivepress.study.storage import Study
from olivepress.study.trials import Claim, Point, failed_trials, finished_trials
from olivepress.study.verdict import Verdict, compare_scores

__all__ = ["best_finalist", "compare_with_default"]

_MOST_SEEDS = 40  # finalists and comparison of one study: those of the comparison are fresh in every study


def best_finalist(ongoing: FinetuneSearch) -> Params:
    """The best trials and the default at full length with several seeds: the params of the best mean."""
    searched, search = ongoing.searched, ongoing.search
    candidates = [default_params(searched), *_best_trials(ongoing)]
    base = searched.recipe.finetune.seed
    seeds = [(base + number) % 2**32 for number in range(search.seeds)]
    points = [Point(params=params, facts={"seed": seed}) for seed in seeds for params in candidates]
    study = ongoing.study("full")
    run_stage(_full_length(ongoing, study, "full", points), ongoing.reporter)
    settings = {same(params): params for params in candidates}
    values: dict[str, list[Sequence[float]]] = {name: [] for name in settings}
    for trial in finished_trials(study):  # with a larger budget others are the best: earlier finalists count too
        params = _as_params(trial.user_attrs["params"])
        settings.setdefault(same(params), params)
        values.setdefault(same(params), []).append(trial.values)
    best = ongoing.kind.choose(values, len(seeds))
    if best is None:
        raise JobError(
            f"{study.study_name}: no finalist has finished with all {len(seeds)} seeds{_last_reason(ongoing, 'full')}",
            next_step="olivepress runs list, then the same command with --new",
        )
    return settings[best]


def _best_trials(ongoing: FinetuneSearch) -> list[Params]:
    """The best of the short trials, without the default."""
    params = [_as_params(trial.params) for trial in ongoing.kind.ranked(ongoing.record().finished)]
    others = [each for each in params if same(each) != same(default_params(ongoing.searched))]
    return list(others[: ongoing.search.finalists])


def compare_with_default(ongoing: FinetuneSearch, winner: Params) -> tuple[Verdict, dict[str, Sequence[float]]]:
    """Winner and default at full length with seeds of their own, by their answers to the test split; and the means of
    what was measured of them on the validation split."""
    searched, search, metric = ongoing.searched, ongoing.search, ongoing.searched.test_metric
    base = searched.recipe.finetune.seed + search.seeds + _MOST_SEEDS * (ongoing.number - 1)
    seeds = [(base + number) % 2**32 for number in range(search.seeds)]
    contenders: dict[str, Params] = {DEFAULT: default_params(searched), "winner": winner}
    points = [
        Point(params=params, facts={"seed": seed, "metric": metric}) for seed in seeds for params in contenders.values()
    ]
    study = ongoing.study("fresh")
    run_stage(_full_length(ongoing, study, "fresh", points), ongoing.reporter)
    results: dict[tuple[str, int], Mapping[str, Any]] = {
        (same(trial.user_attrs["params"]), trial.user_attrs["facts"]["seed"]): trial.user_attrs
        for trial in finished_trials(study)
        if trial.user_attrs["facts"].get("metric") == metric
    }
    pairs = [seed for seed in seeds if all((same(params), seed) in results for params in contenders.values())]
    if len(pairs) < len(seeds):
        raise JobError(
            f"{study.study_name}: {len(seeds) - len(pairs)} of {len(seeds)} seeds have no result of both"
            f"{_last_reason(ongoing, 'fresh')}",
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


def _last_reason(ongoing: FinetuneSearch, stage: str) -> str:
    """Why the last trial of a stage that has no values has none."""
    reasons = [trial.reason for trial in ongoing.record(stage).trials if trial.state in ("pruned", "failed", "killed")]
    return f", the last: {reasons[-1]}" if reasons else ""


def _full_length(ongoing: FinetuneSearch, study: Study, name: str, points: Sequence[Point]) -> Stage:
    searched = ongoing.searched

    def make(claim: Claim) -> tuple[Sequence[float], Mapping[str, Any]]:
        recipe = trial_recipe(searched, claim.params, name=claim.run, seed=int(claim.facts["seed"]))
        measured = ongoing.kind.measure(searched, recipe, ongoing.reporter, None)
        if name != "fresh":
            return measured.values, measured.facts
        scores = score_test_rows(searched, measured.plan, ongoing.reporter)
        facts = {"validation": measured.values[0], **measured.facts, "measured": measured.values, "scores": scores}
        return [sum(scores.values()) / len(scores)], facts

    return Stage(
        study=study,
        title="finalist" if name == "full" else "comparison",
        total=len(points),
        following=following_of(points, again=_to_repeat(study, fresh=name == "fresh")),
        is_over=lambda _: False,
        run_name=lambda number: ongoing.run_name(name, number),
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
