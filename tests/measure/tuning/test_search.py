"""The search of session settings: what wins, what is refused, what it costs. Trials are made up, the rules are not."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping

import pytest

from olivepress.catalog.provider import PROVIDERS
from olivepress.catalog.session_axes import Axis, Hardware, Options
from olivepress.core.errors import JobError
from olivepress.measure.tuning.search import CONFIRMING_ROUNDS, ROUNDS, Search, SearchResult, search
from olivepress.measure.tuning.trial import TrialResult
from olivepress.runtimes.session_space import alternatives, with_options

CPU = "CPUExecutionProvider"
TOKENS = ((1, 2, 3), (4, 5, 6, 7))
THREADS = PROVIDERS[CPU].axes["threads"]
CONFIG = json.dumps({"model": {"decoder": {"session_options": {"log_id": "x", "provider_options": []}}}})


class Bench:
    """Trials that take a second each. ``speed`` is that of a setting over the shipped one: (decode, prefill)."""

    def __init__(
        self,
        speed: Callable[[Options, str], tuple[float, float]] = lambda options, axis: (1.0, 1.0),
        *,
        noise: float = 0.01,
        seed: int = 0,
        change: Callable[[Options, TrialResult], TrialResult] = lambda options, seen: seen,
    ) -> None:
        self.speed, self.noise, self.change = speed, noise, change
        self.random, self.clock, self.ran = random.Random(seed), 0.0, list[tuple[str, str, int]]()

    def run(self, options: Options, axis: str, number: int, left_s: float) -> TrialResult:
        self.ran.append((options.text, axis, number))
        if left_s < 1.0:
            self.clock += left_s
            raise JobError(f"the trial process ran past its limit of {left_s:g} s")
        self.clock += 1.0
        decode, prefill = self.speed(options, axis)
        asked = options.session
        second = 1 if asked.get("session.execution_mode") == "parallel" else 0
        seen = TrialResult(
            tokens=TOKENS,
            decode_tps=100 * decode * (1 + self.random.gauss(0, self.noise)),
            prefill_tps=500 * prefill * (1 + self.random.gauss(0, self.noise)),
            threads=int(asked.get("intra_op_num_threads", 1)) + second,
            pinned=1 if "session.intra_op_thread_affinities" in asked else 0,
        )
        return self.change(options, seen)

    def search(
        self, *, budget: float = 1000.0, axes: Mapping[str, Axis] = PROVIDERS[CPU].axes, cpus: int = 2
    ) -> SearchResult:
        return search(
            Search(
                axes=axes,
                hardware=Hardware(cpus=tuple(range(cpus)), physical_cores=cpus, threads=1),
                provider=CPU,
                budget_s=budget,
                run=self.run,
                spent=lambda: self.clock,
            )
        )


def two_threads_are_faster(options: Options, axis: str) -> tuple[float, float]:
    return (1.5, 1.8) if options.session.get("intra_op_num_threads") == 2 else (1.0, 1.0)


def test_what_is_faster_wins_and_is_confirmed_in_fresh_rounds() -> None:
    found = Bench(two_threads_are_faster).search()
    assert found.winner is not None and found.winner.session["intra_op_num_threads"] == 2
    assert found.confirmed is not None and found.confirmed.score.n == CONFIRMING_ROUNDS
    assert found.confirmed.decode_ratio.value == pytest.approx(1.5, rel=0.03)
    assert found.confirmed.prefill_ratio.value == pytest.approx(1.8, rel=0.03)
    assert found.confirmed.score.value == pytest.approx((1.5 * 1.8) ** 0.5, rel=0.03)
    (threads,) = [one for one in found.alternatives if one.axis == "threads"]
    assert threads.verdict == "better" and threads.score.ci_low is not None and threads.score.ci_low > 1.3
    assert {one.axis for one in found.alternatives} == set(PROVIDERS[CPU].axes) and not found.not_searched
    assert all(one.against == Options(session={"intra_op_num_threads": 2}) for one in found.alternatives[1:])


def test_settings_that_are_alike_stay_as_shipped() -> None:
    """A/A over the whole search, 40 times with 3 % of noise: the confirmation lets nothing through."""
    winners = [Bench(noise=0.03, seed=seed).search().winner for seed in range(40)]
    assert winners == [None] * 40


def test_a_setting_that_changes_tokens_is_refused_however_fast_it_is() -> None:
    def speed(options: Options, axis: str) -> tuple[float, float]:
        return (9.0, 9.0) if "graph_optimization_level" in options.session else (1.0, 1.0)

    def change(options: Options, seen: TrialResult) -> TrialResult:
        if options.session.get("graph_optimization_level") == "ORT_ENABLE_BASIC":
            return seen.model_copy(update={"tokens": (TOKENS[0], (4, 5, 9, 7))})
        return seen

    bench = Bench(speed, change=change)
    found = bench.search()
    refused = [one for one in found.alternatives if one.verdict == "refused"]
    assert [one.options.session["graph_optimization_level"] for one in refused] == ["ORT_ENABLE_BASIC"]
    assert refused[0].reason == "changed the greedy tokens: answer 2 of 2, token 3"
    assert refused[0].score.value is None and refused[0].score.reason == refused[0].reason
    assert found.winner == Options(session={"graph_optimization_level": "ORT_ENABLE_EXTENDED"})
    assert sum("ORT_ENABLE_BASIC" in text for text, _, _ in bench.ran) == 1  # not run again


def test_tokens_that_change_in_a_late_round_are_refused_as_well() -> None:
    def change(options: Options, seen: TrialResult) -> TrialResult:
        late = options.session and len(bench.ran) > 2 + 2 * ROUNDS + CONFIRMING_ROUNDS
        return seen.model_copy(update={"tokens": (TOKENS[0], (4, 5, 6))}) if late else seen

    bench = Bench(two_threads_are_faster, change=change)
    found = bench.search(axes={"threads": THREADS})
    assert found.winner is None and found.confirmed is not None and found.confirmed.verdict == "refused"
    assert "not confirmed: changed the greedy tokens: answer 2 of 2, token 4" in found.reason


def test_a_setting_that_is_taken_and_ignored_is_refused() -> None:
    def change(options: Options, seen: TrialResult) -> TrialResult:
        return seen.model_copy(update={"threads": 1, "pinned": 0})

    found = Bench(lambda options, axis: (2.0, 2.0) if options.session else (1.0, 1.0), change=change).search(
        axes={name: PROVIDERS[CPU].axes[name] for name in ("threads", "execution mode")}
    )
    assert [one.verdict for one in found.alternatives] == ["refused", "refused"] and found.winner is None
    assert found.alternatives[0].reason == "no effect: it requests +1 threads, the session started +0"
    unknown = Bench(change=lambda o, s: TrialResult(unknown=("ep.x",)) if o.session else s).search(
        axes={"threads": THREADS}
    )
    assert unknown.alternatives[0].reason == "ep.x: this ONNX Runtime has no such option"


def test_what_makes_one_of_the_two_slower_is_not_taken() -> None:
    found = Bench(lambda options, axis: (0.9, 2.0) if options.session else (1.0, 1.0)).search(axes={"threads": THREADS})
    (one,) = found.alternatives
    assert one.score.value is not None and one.score.value > 1.2
    assert (one.verdict, one.reason, found.winner) == ("not better", "decode got slower", None)


def test_luck_in_the_search_is_not_shipped() -> None:
    def speed(options: Options, axis: str) -> tuple[float, float]:
        return (1.2, 1.2) if options.session and axis != "confirmation" else (1.0, 1.0)

    found = Bench(speed).search(axes={"threads": THREADS})
    assert found.alternatives[0].verdict == "better" and found.winner is None
    assert "better in the search, not in fresh rounds" in found.reason


@pytest.mark.parametrize("budget", [0.5, 1.5, 20.0, 60.0, 90.0, 150.0])
def test_the_budget_is_honoured(budget: float) -> None:
    bench = Bench(two_threads_are_faster)
    if budget < 2:
        with pytest.raises(JobError, match="the time budget ran out"):
            bench.search(budget=budget)
        assert bench.clock <= budget
        return
    found = bench.search(budget=budget)
    assert bench.clock <= budget
    searched = {one.axis for one in found.alternatives}
    assert searched | set(found.not_searched) >= set(PROVIDERS[CPU].axes) - {
        "spinning",
        "affinity",
    }  # those need two threads
    assert not searched & set(found.not_searched)
    assert set(found.not_searched.values()) <= {"the time budget ran out"}
    # What is searched leaves room for the confirmation, so that it was not searched for nothing.
    assert (found.winner is None) == (not searched) and (not searched) == (budget < 50)
    assert found.winner is not None or found.reason == "the time budget ran out before the first alternative"


def test_a_budget_that_ends_inside_a_race_says_so() -> None:
    slow = Bench(two_threads_are_faster)

    def run(options: Options, axis: str, number: int, left_s: float) -> TrialResult:
        slow.clock += 30.0 if axis == "threads" and options.session else 0.0
        return slow.run(options, axis, number, max(60.0 - slow.clock, 0.0))

    hardware = Hardware(cpus=(0, 1), physical_cores=2, threads=1)
    found = search(
        Search(axes={"threads": THREADS}, hardware=hardware, provider=CPU, budget_s=60.0, run=run,
               spent=lambda: slow.clock)
    )  # fmt: skip
    assert found.winner is None and found.alternatives[0].verdict == "not measured"
    assert found.alternatives[0].reason == "the time budget ran out" and slow.clock <= 60.0 + 30.0


def test_an_artifact_that_says_two_things_cannot_be_tuned() -> None:
    bench = Bench(change=lambda options, seen: seen.model_copy(update={"tokens": ((len(bench.ran),),)}))
    with pytest.raises(JobError, match="does not generate the same tokens twice"):
        bench.search()


def test_a_hopeless_alternative_is_not_run_to_the_end() -> None:
    bench = Bench(lambda options, axis: (0.5, 0.5) if options.session else (1.0, 1.0))
    found = bench.search(axes={"threads": THREADS})
    assert found.alternatives[0].score.n == 3 and found.alternatives[0].verdict == "not better"


@pytest.mark.parametrize("provider", sorted(name for name, record in PROVIDERS.items() if record.axes))
def test_every_alternative_can_be_written(provider: str) -> None:
    """Each option of each provider's table goes into the file and comes out of it, on machines of several sizes."""
    name = PROVIDERS[provider].genai_name
    providers = [] if provider == CPU else [{name: {"kept": "1"}}]
    text = json.dumps({"model": {"decoder": {"session_options": {"log_id": "x", "provider_options": providers}}}})
    written = 0
    for cpus in (1, 2, 3, 8, 64):
        hardware = Hardware(cpus=tuple(range(cpus)), physical_cores=max(cpus // 2, 1), threads=max(cpus // 2, 1))
        for best in (Options(), Options(session={"intra_op_num_threads": cpus})):
            for axis in alternatives(provider).values():
                for options in axis(best, hardware):
                    found = json.loads(with_options(text, options))["model"]["decoder"]["session_options"]
                    assert {key: found[key] for key in options.session} == options.session and found["log_id"] == "x"
                    if provider != CPU:
                        assert found["provider_options"] == [{name: {"kept": "1", **options.provider}}]
                    assert Options.model_validate_json(options.model_dump_json()) == options
                    written += 1
    assert written > 10


def test_threads_and_affinity_fit_the_machine() -> None:
    wide = Hardware(cpus=tuple(range(4, 10)), physical_cores=3, threads=3)
    assert [o.session["intra_op_num_threads"] for o in THREADS(Options(), wide)] == [1, 2, 4, 5, 6]
    four = Options(session={"intra_op_num_threads": 4})
    (pinned,) = PROVIDERS[CPU].axes["affinity"](four, wide)
    assert pinned.session["session.intra_op_thread_affinities"] == "6;7;8"  # counted from 1, without the caller's
    alone = Hardware(cpus=(0,), physical_cores=1, threads=1)
    assert all(
        not PROVIDERS[CPU].axes[name](Options(), alone)
        for name in ("threads", "spinning", "affinity", "execution mode")
    )


@pytest.mark.parametrize(
    ("session", "says"),
    [
        ({"execution_mode": "ORT_PARALLEL"}, "execution_mode='ORT_PARALLEL' is not a session option of genai"),
        ({"intra_op_num_threads": "2"}, "intra_op_num_threads='2' is not a session option"),
        ({"session.intra_op.allow_spinning": 0}, "allow_spinning=0 is not a session option"),
        ({"enable_mem_pattern": 1}, "enable_mem_pattern=1 is not a session option"),
    ],
)
def test_what_genai_would_take_and_ignore_is_not_written(session: dict[str, bool | int | str], says: str) -> None:
    with pytest.raises(JobError, match="is not a session option of genai") as caught:
        with_options(CONFIG, Options(session=session))
    assert says in caught.value.message


def test_what_cannot_be_tuned_is_said_in_words() -> None:
    with pytest.raises(JobError, match="QNNExecutionProvider has no settings to tune"):
        alternatives("QNNExecutionProvider")
    with pytest.raises(JobError, match="a pipeline of several graphs"):
        with_options('{"model": {"decoder": {"pipeline": []}}}', Options(session={"intra_op_num_threads": 2}))
    with pytest.raises(JobError, match="no single provider"):
        with_options(CONFIG, Options(provider={"use_tf32": "0"}))
    with pytest.raises(JobError, match="has no decoder"):
        with_options("{}", Options(session={"intra_op_num_threads": 2}))
    assert with_options("not JSON", Options()) == "not JSON"  # as shipped is byte for byte as shipped
