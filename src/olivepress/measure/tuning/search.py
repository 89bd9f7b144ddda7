"""Search of session settings: axis by axis, alternatives interleaved with the best so far, confirmed at the end.

Each trial is a process of its own. On one axis the best settings and all alternatives run once in every round, every
second round in reverse order, so that noise affects all of them alike. An alternative is better when the 95 % interval
of its paired ratio lies above 1 and neither of the two rates got worse. That is wrong in about 3 % of cases per
alternative, so the result of the search is compared with the shipped settings in fresh rounds, by the exact signed-rank
interval (99 %) and the noise floor of ``report.noise.compare_rounds``: only that comparison decides and is reported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from olivepress.catalog.provider import CPU
from olivepress.catalog.session_axes import AFFINITY, INTER, INTRA, MODE, Axis, Hardware, Options
from olivepress.core.errors import JobError, OlivepressError, SetupError
from olivepress.core.progress import StageProgress
from olivepress.measure.tuning.record import Alternative, median_of
from olivepress.measure.tuning.trial import TrialResult
from olivepress.report.device_report import Measurement
from olivepress.report.noise import compare_rounds, noise_floor

__all__ = ["CONFIRMING_ROUNDS", "ROUNDS", "RunTrial", "Search", "SearchResult", "race", "search"]

ROUNDS, CONFIRMING_ROUNDS = 5, 10
EARLY = 3  # rounds after which an alternative whose interval lies below 1 is not run again
MARGIN = 1.5  # trials of one setting take longer than those of another, and other load comes and goes
BUDGET = "the time budget ran out"

Verdict = Literal["better", "not better", "refused", "not measured"]

RunTrial = Callable[[Options, str, int, float], TrialResult]
"""(settings, axis, round, seconds left) → the result of one trial."""


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """``winner`` None: the shipped settings stay, for the ``reason`` given. Otherwise ``reason`` states the gain.

    ``not_searched``: axis → reason. ``answers`` and ``answer_tokens`` count the greedy answers that every trial had to
    reproduce.
    """

    winner: Options | None
    reason: str
    alternatives: tuple[Alternative, ...]
    confirmed: Alternative | None
    not_searched: Mapping[str, str]
    answers: int
    answer_tokens: int


@dataclass(kw_only=True)
class _Candidate:
    """One setting on one axis. ``rates``: round → (decode, prefill) in tokens/s. ``refused``: the reason, if any."""

    options: Options
    rates: dict[int, tuple[float, float]] = field(default_factory=dict)
    last: TrialResult | None = None
    refused: str | None = None
    out: bool = False

    def ratios(self, best: _Candidate) -> tuple[list[float], list[float], list[float]]:
        """Score, decode and prefill as ratios to ``best``, round by round."""
        rounds = sorted(set(self.rates) & set(best.rates))
        pairs = [(self.rates[r][0] / best.rates[r][0], self.rates[r][1] / best.rates[r][1]) for r in rounds]
        return [math.sqrt(d * p) for d, p in pairs], [d for d, _ in pairs], [p for _, p in pairs]

    def scores(self) -> dict[int, float]:
        """Round → geometric mean of the two rates."""
        return {number: math.sqrt(decode * prefill) for number, (decode, prefill) in self.rates.items()}


@dataclass(kw_only=True)
class Search:
    """The inputs and the state of a search. ``run`` runs one trial, ``spent`` returns the seconds spent so far."""

    axes: Mapping[str, Axis]
    hardware: Hardware
    provider: str
    budget_s: float
    run: RunTrial
    spent: Callable[[], float]
    on_progress: StageProgress = lambda *_: None
    trials: int = 0
    expected: TrialResult | None = None

    def left(self) -> float:
        """Seconds of the budget that are left."""
        return self.budget_s - self.spent()

    def affords(self, trials: int) -> bool:
        """Whether that many more trials, and the confirmation after them, fit into the budget."""
        each = MARGIN * self.spent() / max(self.trials, 1)
        return (trials + 2 * CONFIRMING_ROUNDS) * each <= self.left()

    def trial(self, candidate: _Candidate, axis: str, number: int) -> None:
        """Run the candidate once and record its rates, or the reason to refuse it. Raises SetupError."""
        self.on_progress(axis, min(int(self.spent()), int(self.budget_s)), int(self.budget_s))
        if self.left() <= 0:
            candidate.refused = BUDGET
            return
        try:
            result = self.run(candidate.options, axis, number, self.left())
        except OlivepressError as error:
            if isinstance(error, SetupError):
                raise
            candidate.refused = BUDGET if self.left() <= 0 else error.message
            return
        self.trials += 1
        candidate.last = result
        candidate.refused = self.problem(candidate.options, result)
        if candidate.refused is None:
            candidate.rates[number] = (result.decode_tps, result.prefill_tps)

    def problem(self, options: Options, result: TrialResult) -> str | None:
        """The reason why a setting may not be used: it changed the generated tokens, or it had no effect."""
        if result.unknown:
            return f"{result.unknown[0]}: this ONNX Runtime has no such option"
        if self.expected is None:
            return None
        if reason := _difference(self.expected.tokens, result.tokens):
            return reason
        return _without_effect(options, result, self.expected, self.hardware) if self.provider == CPU.name else None


def search(plan: Search) -> SearchResult:
    """Find settings that are faster and generate the same tokens.

    JobError when the shipped settings do not run, or do not generate the same tokens twice.
    """
    shipped = _Candidate(options=Options())
    _baseline(plan, shipped)
    assert plan.expected is not None
    best, alternatives, not_searched = Options(), list[Alternative](), dict[str, str]()
    for name, axis in plan.axes.items():
        rivals = [options for options in axis(best, plan.hardware) if options != best]
        if not rivals:
            continue
        if not plan.affords(ROUNDS * (len(rivals) + 1)):
            not_searched[name] = BUDGET
            continue
        results = race(plan, name, best, rivals)
        alternatives += results
        best = _best_of(results, best)
    if alternatives or not not_searched:
        winner, reason, confirmed = _confirm(plan, best, not_searched)
    else:
        winner, reason, confirmed = None, f"{BUDGET} before the first alternative", None
    return SearchResult(
        winner=winner,
        reason=reason,
        alternatives=tuple(alternatives),
        confirmed=confirmed,
        not_searched=not_searched,
        answers=len(plan.expected.tokens),
        answer_tokens=sum(map(len, plan.expected.tokens)),
    )


def _baseline(plan: Search, shipped: _Candidate) -> None:
    """Run the shipped settings twice; all later trials must generate their tokens."""
    for number in range(2):
        plan.trial(shipped, "shipped", number)
        if shipped.refused:
            again = "; it does not generate the same tokens twice" if plan.expected else ""
            raise JobError(
                f"with the shipped settings: {shipped.refused}{again}", next_step="olivepress bench shows the error"
            )
        plan.expected = shipped.last


def race(plan: Search, axis: str, best: Options, rivals: Sequence[Options]) -> list[Alternative]:
    """Run every rival and ``best`` for at most ``ROUNDS`` rounds; one record per rival, in the given order."""
    champion, candidates = _Candidate(options=best), [_Candidate(options=options) for options in rivals]
    for number in range(ROUNDS):
        remaining = [candidate for candidate in candidates if not candidate.out]
        if not remaining:
            break
        order = [champion, *remaining]
        for candidate in order if number % 2 == 0 else order[::-1]:
            if candidate.refused is None:
                plan.trial(candidate, axis, number)
        if champion.refused:
            break
        for candidate in remaining:
            late = number + 1 >= EARLY
            candidate.out = candidate.refused is not None or (late and _is_slower(candidate, champion))
    return [_record(axis, candidate, champion) for candidate in candidates]


def _is_slower(candidate: _Candidate, champion: _Candidate) -> bool:
    score = median_of(candidate.ratios(champion)[0], "1", BUDGET)
    return score.ci_high is not None and score.ci_high < 1.0


def _record(axis: str, candidate: _Candidate, champion: _Candidate) -> Alternative:
    """The record of one alternative: its verdict and its figures next to those of ``champion``."""
    missing = candidate.refused or champion.refused or BUDGET
    score, decode, prefill = (median_of(values, "1", missing) for values in candidate.ratios(champion))
    verdict, reason = _verdict(candidate, champion, score, {"decode": decode, "prefill": prefill})
    rates, last = sorted(candidate.rates.items()), candidate.last
    return Alternative(
        axis=axis,
        options=candidate.options,
        against=champion.options,
        verdict=verdict,
        reason=reason,
        score=score,
        decode_ratio=decode,
        prefill_ratio=prefill,
        decode_tps=median_of([pair[0] for _, pair in rates], "tokens/s", missing),
        prefill_tps=median_of([pair[1] for _, pair in rates], "tokens/s", missing),
        threads=last.threads if last else None,
        pinned=last.pinned if last else None,
        cores_busy=round(last.cores_busy, 2) if last else None,
    )


def _verdict(
    candidate: _Candidate, champion: _Candidate, score: Measurement, rates: Mapping[str, Measurement]
) -> tuple[Verdict, str | None]:
    """(verdict, its reason) of one alternative; ``rates`` are its decode and prefill ratios."""
    if candidate.refused == BUDGET or (champion.refused and not candidate.refused):
        return "not measured", candidate.refused or champion.refused
    if candidate.refused:
        return "refused", candidate.refused
    if score.ci_low is None or score.ci_low <= 1.0:
        return "not better", None
    slower = [name for name, ratio in rates.items() if (ratio.ci_high or 1.0) < 1.0]
    return ("not better", f"{slower[0]} got slower") if slower else ("better", None)


def _best_of(results: Sequence[Alternative], best: Options) -> Options:
    better = [alternative for alternative in results if alternative.verdict == "better"]
    fastest = max(better, key=lambda alternative: alternative.score.value or 0.0, default=None)
    return fastest.options if fastest else best


def _confirm(
    plan: Search, best: Options, not_searched: Mapping[str, str]
) -> tuple[Options | None, str, Alternative | None]:
    """(winner, reason, record): the search's best against the shipped settings, in fresh rounds."""
    if best == Options():
        skipped = f"; not searched: {', '.join(not_searched)}" if not_searched else ""
        return None, f"no alternative was better{skipped}", None
    shipped, candidate = _Candidate(options=Options()), _Candidate(options=best)
    for number in range(CONFIRMING_ROUNDS):
        order = [shipped, candidate]
        for each in order if number % 2 == 0 else order[::-1]:
            if shipped.refused is None and candidate.refused is None:
                plan.trial(each, "confirmation", number)
    record = _record("confirmation", candidate, shipped)
    if refused := shipped.refused or candidate.refused:
        return None, f"{best.text}: not confirmed: {refused}", record
    floor = noise_floor(list(shipped.scores().values())).value or 0.0
    compared = compare_rounds(shipped.scores(), candidate.scores(), floor=floor)
    gain = f"{100 * compared.ratio:+.1f} % ({100 * compared.ci_low:+.1f} to {100 * compared.ci_high:+.1f}, 99 %)"
    if compared.verdict != "faster" or record.verdict != "better":
        reason = f"{best.text}: better in the search, not in fresh rounds: {gain}, noise floor {100 * floor:.1f} %"
        return None, reason, record.model_copy(update={"verdict": "not better", "reason": record.reason or gain})
    return best, f"{gain} over the shipped settings, n={compared.rounds} rounds", record


def _difference(expected: Sequence[Sequence[int]], generated: Sequence[Sequence[int]]) -> str | None:
    """The first place where the greedy tokens differ from those of the shipped settings; None when they are equal."""
    if len(expected) != len(generated):
        return f"{len(generated)} answers instead of {len(expected)}"
    for number, (old, new) in enumerate(zip(expected, generated, strict=True), start=1):
        if tuple(old) != tuple(new):
            pairs = enumerate(zip(old, new, strict=False))
            position = next((i for i, (a, b) in pairs if a != b), min(len(old), len(new)))
            return f"changed the greedy tokens: answer {number} of {len(expected)}, token {position + 1}"
    return None


def _without_effect(options: Options, result: TrialResult, shipped: TrialResult, hardware: Hardware) -> str | None:
    """The reason when threads were requested that the session did not start, or processors that it does not keep to."""
    pools = _pool(options, hardware.threads) - (hardware.threads - 1)
    started = result.threads - shipped.threads
    if {INTRA, INTER, MODE} & set(options.session) and started != pools:
        return f"no effect: it requests {pools:+d} threads, the session started {started:+d}"
    if AFFINITY in options.session and result.pinned == 0:
        return "no effect: no thread is bound to its processor"
    return None


def _pool(options: Options, shipped_threads: int) -> int:
    """Threads of both pools without the calling thread; ONNX Runtime starts the second pool in parallel mode only."""
    session = options.session
    second = int(session.get(INTER, 1)) - 1 if session.get(MODE) == "parallel" else 0
    return int(session.get(INTRA, shipped_threads)) - 1 + second
