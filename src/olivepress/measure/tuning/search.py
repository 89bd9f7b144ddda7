"""Search of session settings: axis by axis, alternatives interleaved with the best so far, confirmed at the end.

Each trial is a process of its own. On one axis the best settings and all alternatives run once in every round, every
second round backwards, so that noise hits all alike; an alternative is better when the 95 % interval of its paired
ratio lies above 1 and neither of the two rates got worse. That is wrong now and then (about 3 % for each alternative),
so what the search ends with is held against the shipped settings in fresh rounds, by the exact signed-rank interval
(99 %) and the noise floor of ``trust.compare_rounds``: only that decides, and only its figures are told.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from olivepress.catalog.provider import CPU
from olivepress.catalog.session_axes import AFFINITY, INTER, INTRA, MODE, Axis, Hardware, Options
from olivepress.core.errors import JobError, OlivepressError, SetupError
from olivepress.core.progress import StageProgress
from olivepress.measure.tuning.record import Alternative, median_of
from olivepress.measure.tuning.trial import Seen
from olivepress.report.noise import compare_rounds, noise_floor

__all__ = ["CONFIRMING_ROUNDS", "ROUNDS", "Found", "Run", "Search", "race", "search"]

ROUNDS, CONFIRMING_ROUNDS = 5, 10
EARLY = 3  # rounds after which an alternative whose interval lies below 1 is not run again
MARGIN = 1.5  # trials of one setting take longer than those of another, and other load comes and goes
BUDGET = "the time budget ran out"

Run = Callable[[Options, str, int, float], Seen]  # (settings, axis, round, seconds that are left) → what was seen


@dataclass(frozen=True, kw_only=True)
class Found:
    """``winner`` None: the shipped settings stay, ``why`` says why."""

    winner: Options | None
    why: str
    alternatives: tuple[Alternative, ...]
    confirmed: Alternative | None
    not_searched: Mapping[str, str]
    answers: int
    answer_tokens: int


@dataclass(kw_only=True)
class _Racer:
    """One setting on one axis. ``rates`` round → (decode, prefill) in tokens/s."""

    options: Options
    rates: dict[int, tuple[float, float]] = field(default_factory=dict)
    seen: Seen | None = None
    refused: str | None = None
    out: bool = False

    def ratios(self, best: _Racer) -> tuple[list[float], list[float], list[float]]:
        """Score, decode, prefill against ``best``, round by round."""
        rounds = sorted(set(self.rates) & set(best.rates))
        pairs = [(self.rates[r][0] / best.rates[r][0], self.rates[r][1] / best.rates[r][1]) for r in rounds]
        return [math.sqrt(d * p) for d, p in pairs], [d for d, _ in pairs], [p for _, p in pairs]

    def scores(self) -> dict[int, float]:
        return {number: math.sqrt(decode * prefill) for number, (decode, prefill) in self.rates.items()}


@dataclass(kw_only=True)
class Search:
    """Everything that a search needs. ``run`` makes one trial, ``spent`` tells the seconds that went into it so far."""

    axes: Mapping[str, Axis]
    hardware: Hardware
    provider: str
    budget_s: float
    run: Run
    spent: Callable[[], float]
    tell: StageProgress = lambda *_: None
    trials: int = 0
    expected: Seen | None = None

    def left(self) -> float:
        return self.budget_s - self.spent()

    def affords(self, trials: int) -> bool:
        """Whether that many more trials, and the confirmation after them, fit into the budget."""
        each = MARGIN * self.spent() / max(self.trials, 1)
        return (trials + 2 * CONFIRMING_ROUNDS) * each <= self.left()

    def trial(self, racer: _Racer, axis: str, number: int) -> None:
        """Run it once; what disqualifies it is noted, a trial that the budget cut is not. Raises SetupError."""
        self.tell(axis, min(int(self.spent()), int(self.budget_s)), int(self.budget_s))
        if self.left() <= 0:
            racer.refused = BUDGET
            return
        try:
            seen = self.run(racer.options, axis, number, self.left())
        except OlivepressError as error:
            if isinstance(error, SetupError):
                raise
            racer.refused = BUDGET if self.left() <= 0 else error.message
            return
        self.trials += 1
        racer.seen = seen
        racer.refused = self.fault(racer.options, seen)
        if racer.refused is None:
            racer.rates[number] = (seen.decode_tps, seen.prefill_tps)

    def fault(self, options: Options, seen: Seen) -> str | None:
        """Why a setting may not be used: it changed tokens, or it was taken and made nothing of."""
        if seen.unknown:
            return f"{seen.unknown[0]}: this ONNX Runtime has no such option"
        if self.expected is None:
            return None
        if why := _difference(self.expected.tokens, seen.tokens):
            return why
        return _without_effect(options, seen, self.expected, self.hardware) if self.provider == CPU.name else None


def search(plan: Search) -> Found:
    """Find settings that are faster and say the same. JobError when the shipped settings do not run, or do not
    generate the same tokens twice."""
    shipped = _Racer(options=Options())
    _baseline(plan, shipped)
    assert plan.expected is not None
    best, told, missed = Options(), list[Alternative](), dict[str, str]()
    for name, axis in plan.axes.items():
        rivals = [options for options in axis(best, plan.hardware) if options != best]
        if not rivals:
            continue
        if not plan.affords(ROUNDS * (len(rivals) + 1)):
            missed[name] = BUDGET
            continue
        results = race(plan, name, best, rivals)
        told += results
        best = _best_of(results, best)
    if told or not missed:
        winner, why, confirmed = _confirm(plan, best, missed)
    else:
        winner, why, confirmed = None, f"{BUDGET} before the first alternative", None
    return Found(
        winner=winner,
        why=why,
        alternatives=tuple(told),
        confirmed=confirmed,
        not_searched=missed,
        answers=len(plan.expected.tokens),
        answer_tokens=sum(map(len, plan.expected.tokens)),
    )


def _baseline(plan: Search, shipped: _Racer) -> None:
    """What everything is held against, generated twice."""
    for number in range(2):
        plan.trial(shipped, "shipped", number)
        if shipped.refused:
            again = "; it does not generate the same tokens twice" if plan.expected else ""
            raise JobError(
                f"with the shipped settings: {shipped.refused}{again}", next_step="olivepress bench says why"
            )
        plan.expected = shipped.seen


def race(plan: Search, axis: str, best: Options, rivals: Sequence[Options]) -> list[Alternative]:
    """Every rival beside ``best`` for at most ``ROUNDS`` rounds; one record each, in the order given."""
    champion, racers = _Racer(options=best), [_Racer(options=options) for options in rivals]
    for number in range(ROUNDS):
        alive = [racer for racer in racers if not racer.out]
        if not alive:
            break
        line = [champion, *alive]
        for racer in line if number % 2 == 0 else line[::-1]:
            if racer.refused is None:
                plan.trial(racer, axis, number)
        if champion.refused:
            break
        for racer in alive:
            racer.out = racer.refused is not None or (number + 1 >= EARLY and _hopeless(racer, champion))
    return [_record(axis, racer, champion) for racer in racers]


def _hopeless(racer: _Racer, champion: _Racer) -> bool:
    found = median_of(racer.ratios(champion)[0], "1", BUDGET)
    return found.ci_high is not None and found.ci_high < 1.0


def _record(axis: str, racer: _Racer, champion: _Racer) -> Alternative:
    """What the rounds say of one alternative."""
    why = racer.refused or champion.refused or BUDGET
    score, decode, prefill = (median_of(values, "1", why) for values in racer.ratios(champion))
    reason: str | None = None
    if racer.refused == BUDGET or (champion.refused and not racer.refused):
        verdict, reason = "not measured", why
    elif racer.refused:
        verdict, reason = "refused", racer.refused
    else:
        slower = [name for name, found in (("decode", decode), ("prefill", prefill)) if (found.ci_high or 1.0) < 1.0]
        wins = score.ci_low is not None and score.ci_low > 1.0
        verdict = "better" if wins and not slower else "not better"
        reason = f"{slower[0]} got slower" if wins and slower else None
    rates = sorted(racer.rates.items())
    return Alternative(
        axis=axis,
        options=racer.options,
        against=champion.options,
        verdict=verdict,  # type: ignore[arg-type]
        reason=reason,
        score=score,
        decode_ratio=decode,
        prefill_ratio=prefill,
        decode_tps=median_of([pair[0] for _, pair in rates], "tokens/s", why),
        prefill_tps=median_of([pair[1] for _, pair in rates], "tokens/s", why),
        threads=racer.seen.threads if racer.seen else None,
        pinned=racer.seen.pinned if racer.seen else None,
        cores_busy=round(racer.seen.cores_busy, 2) if racer.seen else None,
    )


def _best_of(results: Sequence[Alternative], best: Options) -> Options:
    better = [one for one in results if one.verdict == "better"]
    return max(better, key=lambda one: one.score.value or 0.0).options if better else best


def _confirm(plan: Search, best: Options, missed: Mapping[str, str]) -> tuple[Options | None, str, Alternative | None]:
    """(winner, why, record): the search's best against the shipped settings, in rounds that chose nothing."""
    if best == Options():
        why = "no alternative was better" + (f"; not searched: {', '.join(missed)}" if missed else "")
        return None, why, None
    shipped, racer = _Racer(options=Options()), _Racer(options=best)
    for number in range(CONFIRMING_ROUNDS):
        line = [shipped, racer]
        for one in line if number % 2 == 0 else line[::-1]:
            if shipped.refused is None and racer.refused is None:
                plan.trial(one, "confirmation", number)
    record = _record("confirmation", racer, shipped)
    if refused := shipped.refused or racer.refused:
        return None, f"{best.text}: not confirmed: {refused}", record
    floor = noise_floor(list(shipped.scores().values())).value or 0.0
    found = compare_rounds(shipped.scores(), racer.scores(), floor=floor)
    said = f"{100 * found.ratio:+.1f} % ({100 * found.ci_low:+.1f} to {100 * found.ci_high:+.1f}, 99 %)"
    if found.verdict != "faster" or record.verdict != "better":
        why = f"{best.text}: better in the search, not in fresh rounds: {said}, noise floor {100 * floor:.1f} %"
        return None, why, record.model_copy(update={"verdict": "not better", "reason": record.reason or said})
    return best, f"{said} over the shipped settings, n={found.rounds} rounds", record


def _difference(expected: Sequence[Sequence[int]], found: Sequence[Sequence[int]]) -> str | None:
    """Where the greedy tokens are not those of the shipped settings; None when they are all the same."""
    if len(expected) != len(found):
        return f"{len(found)} answers instead of {len(expected)}"
    for number, (ours, theirs) in enumerate(zip(expected, found, strict=True), start=1):
        if tuple(ours) != tuple(theirs):
            at = next(
                (i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), min(len(ours), len(theirs))
            )
            return f"changed the greedy tokens: answer {number} of {len(expected)}, token {at + 1}"
    return None


def _without_effect(options: Options, seen: Seen, shipped: Seen, hardware: Hardware) -> str | None:
    """Whether threads were asked for that the session did not start, or processors that it does not keep to."""
    pools = _pool(options, hardware.threads) - (hardware.threads - 1)
    started = seen.threads - shipped.threads
    if {INTRA, INTER, MODE} & set(options.session) and started != pools:
        return f"taken and ignored: it asks for {pools:+d} threads, the session started {started:+d}"
    if AFFINITY in options.session and seen.pinned == 0:
        return "taken and ignored: no thread is kept to its processor"
    return None


def _pool(options: Options, shipped_threads: int) -> int:
    """Threads of both pools beside the calling one: ONNX Runtime starts the second pool in parallel mode only."""
    session = options.session
    second = int(session.get(INTER, 1)) - 1 if session.get(MODE) == "parallel" else 0
    return int(session.get(INTRA, shipped_threads)) - 1 + second
