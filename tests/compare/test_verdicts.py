"""Planted better, worse and equal cases get the right verdict; what is not comparable is refused, not averaged."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.compare.load import Loaded, load
from olivepress.compare.verdicts import Pair, judge
from olivepress.report.device_report import DatasetUsed, Measurement, ProcessSample, measured, write_report
from olivepress.report.examples import Scores
from olivepress.report.machine import Conditions
from tests.report.factory import MACHINE, make_report

IDS = tuple(f"e{i:04d}" for i in range(400))


def loaded(right: int = 300, *, shift: int = 0, rate: float = 100.0, **changes: Any) -> Loaded:
    """``right`` of 400 examples right, from the ``shift``-th on; ten rounds around ``rate`` tokens/s."""
    scores = np.zeros(len(IDS), dtype=np.float32)
    scores[shift : shift + right] = 1.0
    noise = [0.2, -0.1, 0.3, -0.3, 0.1, 0.0, -0.2, 0.25, -0.15, 0.05]
    metrics = {
        "exact_match": measured("exact_match", right / 400, n=400),
        "f1_token": measured("f1_token", right / 400, n=400),
        "decode_tps": measured("decode_tps", rate, n=30),
        "ttft_ms": measured("ttft_ms", 1e3 / rate, n=30),
        "noise_floor": measured("noise_floor", 0.01, n=10),
        "size_on_disk_bytes": measured("size_on_disk_bytes", 1e6, n=1),
    }
    report = make_report(**({"metrics": metrics, "bench_session": "s"} | changes))
    rounds = {number: rate * (1 + value / 100) for number, value in enumerate(noise)}
    by_round = {"decode_tps": rounds, "ttft_ms": {number: 1e3 / value for number, value in rounds.items()}}
    values = {"exact_match": scores, "f1_token": scores}
    return Loaded(report=report, by_round=by_round, scores=Scores(ids=IDS, values=values))


def verdict(a: Loaded, b: Loaded, metric: str) -> Any:
    (found,) = judge([Pair(a=a, b=b, name_a="a", name_b="b")], [metric])
    return found


@pytest.mark.parametrize("metric", ["exact_match", "f1_token"])
def test_planted_accuracy(metric: str) -> None:
    assert verdict(loaded(300), loaded(340), metric).call == "better"
    assert verdict(loaded(300), loaded(260), metric).call == "worse"
    assert verdict(loaded(300), loaded(300), metric).call == "cannot tell"
    # Ten lost and ten gained: equal means, and the flips are counted.
    found = verdict(loaded(300), loaded(300, shift=10), metric)
    assert (found.call, found.lost, found.gained, found.n) == ("cannot tell", 10, 10, 400)


def test_planted_speed() -> None:
    assert verdict(loaded(), loaded(rate=110), "decode_tps").call == "better"
    assert verdict(loaded(), loaded(rate=90), "decode_tps").call == "worse"
    assert verdict(loaded(), loaded(rate=90), "ttft_ms").call == "worse"
    assert verdict(loaded(), loaded(rate=110), "ttft_ms").call == "better"
    found = verdict(loaded(), loaded(rate=100.5), "decode_tps")  # real, but below the noise floor
    assert found.call == "cannot tell" and found.detectable == pytest.approx(0.01, abs=0.002)
    few = replace(loaded(rate=150), by_round={"decode_tps": {0: 150.0}})
    assert verdict(loaded(), few, "decode_tps").call == "cannot tell"


def test_bytes_and_intervals() -> None:
    small = loaded(metrics={"size_on_disk_bytes": measured("size_on_disk_bytes", 5e5, n=1)})
    assert verdict(loaded(), small, "size_on_disk_bytes").call == "better"
    assert verdict(loaded(), loaded(), "size_on_disk_bytes").call == "cannot tell"

    def kl(value: float, low: float, high: float) -> Loaded:
        return loaded(metrics={"kl_divergence": measured("kl_divergence", value, n=9, interval=(low, high))})

    assert verdict(kl(0.1, 0.09, 0.11), kl(0.2, 0.19, 0.21), "kl_divergence").call == "worse"
    assert verdict(kl(0.2, 0.19, 0.21), kl(0.1, 0.09, 0.11), "kl_divergence").call == "better"
    assert verdict(kl(0.1, 0.09, 0.11), kl(0.12, 0.105, 0.13), "kl_divergence").call == "cannot tell"


def test_holm_is_over_all_pairs_and_metrics() -> None:
    """One true p of 0.02 among many equal pairs is chance."""
    a, b = loaded(300), loaded(300)
    changed = np.array(b.scores.values["exact_match"])  # type: ignore[union-attr]
    changed[390:398] = 1.0
    changed[0] = 0.0
    near = replace(b, scores=Scores(ids=IDS, values={"exact_match": changed, "f1_token": changed}))
    alone = verdict(a, near, "exact_match")
    assert alone.p_value == pytest.approx(20 / 512) and alone.call == "better"
    pairs = [Pair(a=a, b=near, name_a="a", name_b="near")]
    pairs += [Pair(a=a, b=b, name_a="a", name_b=f"b{i}") for i in range(4)]
    among = judge(pairs, ["exact_match"])
    assert among[0].p_value == alone.p_value and among[0].call == "cannot tell"
    assert among[0].p_holm == pytest.approx(5 * 20 / 512)


@pytest.mark.parametrize(
    ("changes", "metric", "says"),
    [
        (
            {"dataset": DatasetUsed(name="lamps", version="cd" * 32, split="test", n=4, of=4)},
            "exact_match",
            "different data",
        ),
        ({"dataset": None}, "exact_match", "without a dataset"),
        ({"machine": MACHINE.model_copy(update={"id": "other"})}, "decode_tps", "different machines"),
        ({"emulated": True}, "decode_tps", "emulated"),
        ({"headline_workload": "64x2"}, "decode_tps", "different workloads"),
        ({"headline_workload": "64x2"}, "ttft_ms", "different workloads"),
    ],
)
def test_what_means_something_else_is_refused(changes: dict[str, Any], metric: str, says: str) -> None:
    found = verdict(loaded(), loaded(340, rate=200, **changes), metric)
    assert found.call == "not comparable" and says in found.notes[0] and found.difference is None


def test_a_null_is_not_comparable_and_says_whose() -> None:
    nothing = loaded(metrics={"exact_match": Measurement(unit="ratio", reason="no dataset was given")})
    found = verdict(loaded(), nothing, "exact_match")
    assert found.call == "not comparable" and found.notes == ("not measured of b",)
    assert judge([Pair(a=nothing, b=nothing, name_a="a", name_b="b")], ["exact_match", "decode_tps"]) == []
    behind = replace(loaded(), scores=None)
    assert "no common examples" in verdict(loaded(), behind, "exact_match").notes[0]


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bench_session": "other"}, "not measured in one session"),
        ({"settings": {"intra_op_num_threads": 4}}, "threads: the default and 4"),
        ({"machine": MACHINE.model_copy(update={"packages": {"onnxruntime": "9"}})}, "onnxruntime none and 9"),
        ({"machine": MACHINE.model_copy(update={"drivers": {"nvidia": "1"}})}, "different drivers"),
    ],
)
def test_what_may_matter_is_noted_next_to_the_verdict(changes: dict[str, Any], says: str) -> None:
    found = verdict(loaded(), loaded(rate=110, **changes), "decode_tps")
    assert found.call == "better" and any(says in note for note in found.notes)


def test_what_disturbed_a_measurement_is_noted_next_to_the_verdict(tmp_path: Path) -> None:
    busy = Conditions(seconds=1.0, other_load=0.4, steal=0.06, throttled=2)
    process = ProcessSample(
        workload="32x2", round=0, order=0, load_ms=1, peak_memory_bytes=1, harness_step_ns=1, conditions=busy
    )
    write_report(make_report(processes=(process,)), tmp_path / "busy.json")
    (read,) = load([tmp_path / "busy.json"])
    disturbed = replace(loaded(rate=110), disturbances=read.disturbances)
    notes = verdict(loaded(), disturbed, "decode_tps").notes
    assert "other programs used 40 % of the cores during the measurement" in notes
    assert "the hypervisor took 6 % of the cores during the measurement" in notes
    assert "the processor throttled 2 times because of heat" in notes
    assert not set(read.disturbances) & set(verdict(loaded(), disturbed, "exact_match").notes)


def test_pairs_are_by_id_and_only_common_ones() -> None:
    a, b = loaded(300), loaded(340)
    assert b.scores is not None
    half = Scores(ids=IDS[200:], values={name: scores[200:] for name, scores in b.scores.values.items()})
    found = verdict(a, replace(b, scores=half), "exact_match")
    assert (found.n, found.gained, found.lost) == (200, 40, 0)
    found = verdict(a, replace(b, scores=half), "f1_token")
    assert found.n == 200 and found.difference == pytest.approx(0.2)
