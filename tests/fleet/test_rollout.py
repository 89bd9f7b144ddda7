"""Rings and their gate: promote, hold with the number that would decide, stop; one machine, one class, no report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from olivepress.fleet.answers import AnswerCounts, answers_metrics
from olivepress.fleet.changes import answers_change, far_behind, machine_metrics, relative_change
from olivepress.fleet.machines import Machine
from olivepress.fleet.measured import Measured
from olivepress.fleet.rollout import Ring, judge_rings
from olivepress.fleet.verify import Reported
from olivepress.report.registry import METRICS, gated

RNG = np.random.default_rng(5)


def reported(name: str, metrics: Mapping[str, float], **facts: Any) -> Reported:
    fields: dict[str, Any] = {
        "machine": name, "key": "K", "release": 1, "created_at": "2026-11-20T08:00:00+00:00", "processor": "p",
        "workload": "128x32", "questions": "q", "labels": (), "metrics": metrics,
    }  # fmt: skip
    return Reported(**(fields | facts))


def machines(
    count: int,
    ring: str = "canary",
    *,
    change: float = 0.0,
    spread: float = 0.01,
    device_class: str = "kiosk",
    rate: float = 20.0,
    silent: int = 0,
    **facts: Any,
) -> list[Measured]:
    """Machines whose decode rate changes by ``change`` ± ``spread`` with the release; the last are silent."""
    measured = []
    for number in range(count):
        machine = Machine(name=f"{device_class}-{ring}-{number}", device_class=device_class, ring=ring, key="k")
        before = {"decode_tps": rate * float(RNG.uniform(0.7, 1.3)), "noise_floor": 0.01}
        after = {**before, "decode_tps": before["decode_tps"] * (1 + change + float(RNG.normal(0, spread)))}
        measured.append(
            Measured(
                machine=machine,
                before=reported(machine.name, before),
                after=None if number >= count - silent else reported(machine.name, after, **facts),
            )
        )
    return measured


def judged(measured: Sequence[Measured], answers: AnswerCounts | None = None, *, first: bool = False) -> list[Ring]:
    return list(judge_rings(measured, answers or AnswerCounts(), first_release=first))


def test_an_equal_release_goes_on_ring_by_ring() -> None:
    canary, early, broad = machines(30), machines(60, "early"), machines(90, "broad")
    silent_early, silent_broad = machines(60, "early", silent=60), machines(90, "broad", silent=90)
    decisions = [
        [ring.decision for ring in judged(these)]
        for these in (
            [*canary, *silent_early, *silent_broad],
            [*canary, *early, *silent_broad],
            [*canary, *early, *broad],
        )
    ]
    assert decisions == [
        ["promote", "not open", "not open"],
        ["promote", "promote", "not open"],
        ["promote", "promote", "promote"],
    ]


def test_a_slower_release_stops_at_the_canary() -> None:
    (canary, early, _) = judged([*machines(30, change=-0.10), *machines(30, "early", change=-0.10)])
    assert (canary.decision, early.decision) == ("stop", "not open")
    (reason,) = canary.reasons
    assert reason.startswith("Decode -1") and reason.endswith("n=30 machines: worse")
    assert early.reasons == ("30 machines of it reported already",)


def test_the_interval_is_that_of_the_ordered_changes() -> None:
    """By hand: 30 machines, 99 %: between the 8th and the 23rd of the changes in order."""
    from scipy.stats import binom

    before = np.full(30, 20.0)
    factors = np.linspace(0.90, 1.01, 30)
    change = relative_change("decode_tps", before, before * factors, 0.01)
    assert binom.cdf(8, 30, 0.5) > 0.005 >= binom.cdf(7, 30, 0.5)
    low, high = factors[8 - 1] - 1, factors[23 - 1] - 1
    assert (change.ci_low, change.ci_high) == (pytest.approx(low), pytest.approx(high))
    assert change.change == pytest.approx(np.sqrt(factors[14] * factors[15]) - 1)


def test_one_class_of_many_does_not_stop_a_release_by_chance() -> None:
    """17 of 20 machines lose: in one class of 200 that is bound to happen, in the only class it is a loss."""
    name = "class 000"
    others = [one for number in range(1, 200) for one in machines(20, device_class=f"class {number:03d}")]
    by_chance = [*machines(17, change=-0.10, device_class=name), *machines(20, change=0.10, device_class=name)[17:]]
    assert judged(by_chance)[0].decision == "stop"
    (ring, *_) = judged([*by_chance, *others])
    assert ring.decision == "promote" and "not enough machines to say" in ring.reasons[-1]
    assert [scope.confidence for scope in ring.scopes] == [0.99] + 200 * [pytest.approx(1 - 0.01 / 200)]
    (ring, *_) = judged([*machines(20, change=-0.10, device_class=name), *others])
    assert ring.decision == "stop" and ring.reasons[0].startswith("class 000: Decode -")
    assert "99.995 % interval), n=20 machines: worse" in ring.reasons[0]


def test_too_few_machines_hold_and_say_how_many_would_do() -> None:
    (canary, *_) = judged(machines(3))
    assert canary.decision == "hold"
    assert canary.reasons[0].endswith("n=3 machines: not enough to say; about 8 would decide")


def test_the_number_that_would_decide_does() -> None:
    """A loss of 1 % with a wide spread is open; twice the machines that it names exclude the limit of 5 %."""
    rng = np.random.default_rng(1)
    ones = np.ones(4000)
    after = 1 - 0.01 + rng.normal(0, 0.08, 4000)
    few = relative_change("decode_tps", ones[:20], after[:20], 0.01)
    assert few.call == "cannot tell" and few.needed is not None and 20 < few.needed < 2000
    more = relative_change("decode_tps", ones[: 2 * few.needed], after[: 2 * few.needed], 0.01)
    assert more.call == "not worse"


def test_a_small_loss_within_the_noise_stops_nothing_however_many_machines_show_it() -> None:
    rng = np.random.default_rng(2)
    after = 1 - 0.006 + rng.normal(0, 0.005, 5000)
    change = relative_change("decode_tps", np.ones(5000), after, 0.0)
    assert change.ci_high is not None and change.ci_high < 0  # shown to be slower, by 0.6 %
    assert change.call == "not worse"
    assert relative_change("decode_tps", np.ones(5000), after - 0.02, 0.05).call == "not worse"  # the floor is measured
    assert relative_change("decode_tps", np.ones(5000), after - 0.02, 0.01).call == "worse"


def test_silence_holds_the_rollout() -> None:
    """A release that breaks machines is not seen in what the others measure."""
    (canary, *_) = judged(machines(30, silent=4))
    assert (canary.decision, canary.reasons[0]) == ("hold", "not reported: 4 of 30 machines; 90 % must have reported")
    assert judged(machines(30, silent=3))[0].decision == "promote"


def test_one_silent_machine_holds_a_small_ring_and_no_other() -> None:
    assert [judged(machines(count, silent=1))[0].reasons[:1] for count in (9, 10)] == [
        ("not reported: 1 of 9 machines; 90 % must have reported",), ("no metric is worse on 9 machines",),
    ]  # fmt: skip
    only_one = machines(1, device_class="gateway", silent=1)
    assert judged([*machines(57), *only_one])[0].reasons == (
        "gateway: not reported: 1 of 1 machine; 50 % must have reported",
    )


def test_a_class_that_falls_silent_holds_it() -> None:
    """Three gateways that the release broke are 5 % of the machines."""
    quiet = machines(3, device_class="gateway", silent=2)
    (canary, *_) = judged([*machines(57), *quiet])
    assert canary.decision == "hold"
    assert canary.reasons[0] == "gateway: not reported: 2 of 3 machines; 50 % must have reported"
    assert judged([*machines(57), *machines(3, device_class="gateway", silent=1)])[0].decision == "promote"


def test_answers_that_did_not_travel_along_hold_it() -> None:
    """Accuracy was measured of both releases, and nothing says on which questions."""
    (canary, *_) = judged(with_share(machines(30)))
    assert (canary.decision, canary.reasons) == (
        "hold", ("Exact match: not enough to say, the two releases have no answers to the same questions",),
    )  # fmt: skip


def test_accuracy_that_is_not_measured_any_more_holds_it() -> None:
    before = machines(30)
    measured = [replace(each, after=old.after) for old, each in zip(before, with_share(before), strict=True)]
    (canary, *_) = judged(measured)
    assert (canary.decision, canary.reasons) == (
        "hold", ("Exact match was measured before and not any more, or not in the same way, on 30 machines",),
    )  # fmt: skip


def test_one_class_alone_stops_it() -> None:
    """The fleet as a whole is as fast as before, gateways are not."""
    measured = [*machines(60), *machines(12, device_class="gateway", change=-0.2)]
    (canary, *_) = judged(measured)
    assert canary.decision == "stop"
    assert [reason.partition(":")[0] for reason in canary.reasons] == ["gateway"]
    assert {change.call for change in canary.scopes[0].changes} == {"not worse"}


def test_a_class_that_is_too_small_is_named_and_does_not_hold() -> None:
    (canary, *_) = judged([*machines(40), *machines(2, device_class="gateway")])
    assert canary.decision == "promote"
    assert canary.reasons[1] == "not enough machines to say for these classes by themselves: gateway"


def lying(honest: Measured, factor: float) -> Measured:
    """The same machine, which says that its rate changed by ``factor``."""
    assert honest.before is not None
    metrics = {**honest.before.metrics, "decode_tps": honest.before.metrics["decode_tps"] * factor}
    return replace(honest, after=reported(honest.machine.name, metrics))


@pytest.mark.parametrize("count", [9, 12, 20])
@pytest.mark.parametrize("loss", [0.03, 0.5])
def test_one_machine_that_lies_does_not_hide_what_became_of_its_class(count: int, loss: float) -> None:
    """Of few machines the interval reaches to the farthest one."""
    gateways = machines(count, device_class="gateway", change=-loss, spread=0.002)
    assert judged([*machines(300), *gateways])[0].decision == "stop"
    (canary, *_) = judged([*machines(300), *gateways[1:], lying(gateways[0], 3.0)])
    assert canary.decision == ("stop" if count == 20 else "hold")
    text = "worse" if count == 20 else "worse but for the machine that gained most"
    assert canary.reasons[0].startswith("gateway: Decode -") and canary.reasons[0].endswith(f"machines: {text}")


@pytest.mark.parametrize("loss", [0.03, 0.3])
def test_one_machine_that_lies_in_a_small_ring_makes_it_hold_at_most(loss: float) -> None:
    for count, decisions in ((11, ("hold", "hold")), (12, ("promote", "stop"))):
        good, bad = machines(count), machines(count, change=-loss, spread=0.002)
        assert [judged(these)[0].decision for these in (good, bad)] == ["promote", "stop"]
        told = judged([*good[1:], lying(good[0], 0.3)])[0], judged([*bad[1:], lying(bad[0], 3.0)])[0]
        assert tuple(ring.decision for ring in told) == decisions


def test_a_number_that_no_device_can_measure_is_none() -> None:
    """Its ratio to what a machine has is too large to be counted with."""
    measured = list[Measured]()
    for number, each in enumerate(machines(8)):
        assert each.before is not None and each.after is not None
        before, after = (1e-290, 1e10) if number == 0 else (1e9, 1e9)
        measured.append(
            replace(
                each,
                before=replace(each.before, metrics={**each.before.metrics, "peak_memory_bytes": before}),
                after=replace(each.after, metrics={**each.after.metrics, "peak_memory_bytes": after}),
            )
        )
    (canary, *_) = judged(measured)
    (memory,) = [change for change in canary.scopes[0].changes if change.metric == "peak_memory_bytes"]
    assert memory.n == 7 and canary.decision == "hold"


def test_one_machine_that_lies_decides_nothing() -> None:
    honest = machines(30)
    for factor in (1e-6, 1e6):
        liar = machines(1, device_class="kiosk", rate=20.0)[0]
        assert liar.before is not None
        false = reported(liar.machine.name, {"decode_tps": liar.before.metrics["decode_tps"] * factor})
        lying = Measured(machine=liar.machine, before=liar.before, after=false)
        first, second = judged(honest)[0], judged([*honest, lying])[0]
        assert (first.decision, second.decision) == ("promote", "promote")
        assert second.scopes[0].changes[0].change == pytest.approx(first.scopes[0].changes[0].change, abs=0.005)


def test_machines_of_later_rings_do_not_decide_for_a_ring() -> None:
    """Ten thousand of them report first, and badly: the canary's own machines decide."""
    (canary, early, broad) = judged([*machines(30), *machines(300, "broad", change=-0.3)])
    assert (canary.decision, early.decision, broad.decision) == ("promote", "promote", "stop")
    assert canary.scopes[0].machines == 30
    assert early.reasons[0] == "no metric is worse on 30 machines"


def test_a_metric_that_is_not_measured_any_more_holds() -> None:
    measured = machines(30)
    without = [
        Measured(machine=each.machine, before=each.before, after=reported(each.machine.name, {})) for each in measured
    ]
    (canary, *_) = judged([*measured[:20], *without[20:]])
    assert canary.decision == "hold"
    assert canary.reasons[0] == ("Decode was measured before and not any more, or not in the same way, on 10 machines")
    assert judged([*measured[:29], *without[29:]])[0].decision == "promote"


def test_the_first_release_needs_reports_alone() -> None:
    measured = [Measured(machine=each.machine, before=None, after=each.after) for each in machines(30, silent=2)]
    (canary, *_) = judged(measured, first=True)
    assert (canary.decision, canary.reasons) == ("promote", ("the first release: there is none to be worse than",))
    silent = [Measured(machine=each.machine, before=None, after=None) for each in machines(30)]
    assert judged(silent, first=True)[0].decision == "hold"


def test_new_machines_that_never_had_the_release_before_cannot_be_compared() -> None:
    measured = [Measured(machine=each.machine, before=None, after=each.after) for each in machines(30)]
    (canary, *_) = judged(measured)
    assert (canary.decision, canary.reasons) == ("hold", ("no machine measured this release and the one before",))


def test_memory_is_judged_by_its_threshold() -> None:
    before = np.linspace(1e9, 2e9, 20)
    calls = [relative_change("peak_memory_bytes", before, before * factor, 0.0).call for factor in (1.2, 1.04, 0.8)]
    assert calls == ["worse", "not worse", "better"]


def answered(machines: int, lost: int, of: int, *, liars: int = 0) -> AnswerCounts:
    """Canaries that lose the same questions; the last are liars who answer all of them wrongly."""
    answers = AnswerCounts()
    for number in range(machines):
        machine = Machine(name=f"m{number}", device_class="kiosk", ring="canary", key="k")
        after = np.ones(of, dtype=np.float32)
        after[: of if number >= machines - liars else lost] = 0
        answers.add(machine, "exact_match", "ids", np.ones(of, dtype=np.float32), after)
    return answers


def test_answers_are_counted_by_question_and_not_by_machine() -> None:
    """A thousand machines that answer forty questions alike know no more than three of them."""
    few, many = (
        answers_change("exact_match", answered(n, 2, 40).changes("exact_match", ["canary"])) for n in (3, 1000)
    )
    assert few == many
    assert (few.n, few.counted, few.call) == (40, "questions", "cannot tell")
    assert few.change == pytest.approx(-0.05)
    assert few.needed is not None and few.needed > 40


def test_the_answers_of_two_machines_are_not_enough() -> None:
    change = answers_change("exact_match", answered(2, 40, 40).changes("exact_match", ["canary"]))
    assert (change.call, change.n, change.counted, change.needed) == ("cannot tell", 2, "machines", 3)
    (canary, *_) = judged(with_share(machines(30)), answered(2, 40, 40))
    assert "Exact match -100.0 points, n=2 machines: not enough to say; about 3 would decide" in canary.reasons


def with_share(measured: Sequence[Measured], after: float = 1.0) -> list[Measured]:
    """The same machines, with a share of right answers in both reports."""

    def added(report: Reported | None, share: float) -> Reported | None:
        return report and replace(report, metrics={**report.metrics, "exact_match": share})

    return [replace(each, before=added(each.before, 1.0), after=added(each.after, after)) for each in measured]


@pytest.mark.parametrize("count", [3, 8, 30])
def test_one_machine_that_answers_wrongly_stops_nothing_and_hides_nothing(count: int) -> None:
    """Alone it says that all is lost, and with it the others still show what they lose."""
    good = answers_change("exact_match", answered(count, 0, 400, liars=1).changes("exact_match", ["canary"]))
    assert (good.call, good.change) == ("not worse", 0.0)
    bad = answered(count - 1, 60, 400)
    liar = Machine(name="liar", device_class="kiosk", ring="canary", key="k")
    bad.add(liar, "exact_match", "ids", np.zeros(400, dtype=np.float32), np.ones(400, dtype=np.float32))
    change = answers_change("exact_match", bad.changes("exact_match", ["canary"]))
    assert (change.call, change.change) == ("worse", -0.15)


def test_one_machine_that_leaves_a_metric_out_holds_nothing() -> None:
    measured = machines(10)
    silent = replace(measured[0], after=reported(measured[0].machine.name, {"noise_floor": 0.01}))
    assert judged([silent, *measured[1:]])[0].decision == "promote"


def test_another_workload_or_processor_is_not_compared() -> None:
    """As compare --gate refuses it; the metric is there, and says something else."""
    for facts in ({"workload": "512x32"}, {"processor": "other"}):
        (canary, *_) = judged(machines(30, change=-0.3, **facts))
        assert canary.decision == "hold"
        assert canary.reasons[0].endswith("or not in the same way, on 30 machines")
    moved = machines(30, change=-0.3, processor="other")[:1]
    assert judged([*machines(29), *moved])[0].decision == "promote"


def test_a_few_that_become_far_worse_are_not_hidden_by_the_median() -> None:
    """One machine in ten is half as fast since the release: the median of the changes is 0."""
    measured = [*machines(90), *machines(10, change=-0.5, device_class="k")]
    one_class = [replace(each, machine=replace(each.machine, device_class="kiosk")) for each in measured]
    (canary, *_) = judged(one_class)
    assert canary.scopes[0].changes[0].call == "not worse"
    assert canary.decision == "hold"
    (reason,) = canary.reasons
    assert reason.startswith("Decode became far worse than on the others on 10 of 100 machines: k-canary-")
    assert judged([*one_class[:90], *one_class[90:94]])[0].decision == "promote"


def test_as_many_that_gain_by_chance_as_lose_are_none() -> None:
    quiet = np.zeros(80)
    assert far_behind(np.concatenate([quiet, np.full(10, 0.5), np.full(10, -0.5)])).tolist() == []
    assert far_behind(np.concatenate([quiet, np.full(9, 0.4), [0.6], np.zeros(10)])).tolist() == [89, *range(80, 89)]
    assert far_behind(np.asarray([0.0] * 6 + [0.9])).tolist() == far_behind(np.zeros(0)).tolist() == []


def test_a_hold_by_chance_is_rare() -> None:
    """Changes with heavy tails, seeded: none of 300 releases that change nothing has more than a few far behind."""
    rng = np.random.default_rng(12)
    assert sum(len(far_behind(0.03 * rng.standard_t(3, 300))) > 0 for _ in range(300)) == 0


def test_every_metric_of_the_gate_is_judged_here() -> None:
    """But for the size, which is known before a bundle is sent."""
    size = [name for name in gated() if METRICS[name].group == "size"]
    assert sorted([*machine_metrics(), *answers_metrics(), *size]) == sorted(gated())


def test_wrong_answers_stop_it() -> None:
    (canary, *_) = judged(with_share(machines(30), 0.85), answered(30, 60, 400))
    assert canary.decision == "stop"
    assert canary.reasons[0].startswith("Exact match -15.0 points (-")
    assert canary.reasons[0].endswith("n=400 questions: worse")


def test_only_the_questions_that_most_machines_answered_are_put_together() -> None:
    answers = AnswerCounts()
    ones, zeros = np.ones(10, dtype=np.float32), np.zeros(10, dtype=np.float32)
    for number in range(3):
        machine = Machine(name=f"m{number}", device_class="kiosk", ring="canary", key="k")
        answers.add(machine, "exact_match", "other" if number == 0 else "ids", ones, zeros if number == 0 else ones)
    answered = answers.changes("exact_match", ["canary"])
    assert answered is not None and (answered.machines, answered.changes.tolist()) == (2, [0.0] * 10)
    assert answers.changes("exact_match", ["early"]) is None
    assert answers.changes("exact_match", ["canary"], "laptop") is None


def test_a_ring_without_machines_is_passed() -> None:
    (canary, early, broad) = judged([*machines(30), *machines(20, "broad", silent=20)])
    assert (canary.decision, early.decision, broad.decision) == ("promote", "promote", "not open")
    assert judged(machines(20, "broad"))[0].reasons == ("no machine is in it",)


def test_false_alarms_are_rare() -> None:
    """A thousand rollouts of the same artifact to 30 canaries, seeded: fewer than 1 % are stopped."""
    rng = np.random.default_rng(11)
    calls = [relative_change("decode_tps", np.ones(30), 1 + rng.normal(0, 0.03, 30), 0.01).call for _ in range(1000)]
    assert calls.count("worse") <= 10
    assert calls.count("not worse") > 900
