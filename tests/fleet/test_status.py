"""``fleet status``: classes, outliers, coverage, the page and the exit codes, from files to the last line."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fleet_simulation import bundle_file

from olivepress.core.errors import UsageError
from olivepress.fleet.classes import summarize
from olivepress.fleet.machines import Machine
from olivepress.fleet.measured import Measured
from olivepress.fleet.records import the_only_fleet
from olivepress.fleet.verify import Reported
from tests.fleet.conftest import BUNDLE, Desk, new_fleet, rows
from tests.fleet.test_rollout import reported

Command = Callable[..., subprocess.CompletedProcess[str]]


def of_class(values: dict[str, float], metric: str = "decode_tps", silent: int = 0) -> Any:
    names = [*values, *(f"silent{number}" for number in range(silent))]
    reports = {name: reported(name, {metric: value}) for name, value in values.items()}
    (device_class,) = summarize([measured(name, "broad", reports.get(name)) for name in names], ["broad"])
    return device_class


def measured(name: str, ring: str, after: Reported | None = None) -> Measured:
    return Measured(machine=Machine(name=name, device_class="kiosk", ring=ring, key="k"), before=None, after=after)


def test_median_and_spread_have_intervals() -> None:
    rng = np.random.default_rng(3)
    values = {f"m{number:03d}": float(value) for number, value in enumerate(rng.normal(20, 1, 200))}
    (summary,) = of_class(values).metrics
    ordered = sorted(values.values())
    assert summary.median.value == pytest.approx(np.median(ordered))
    assert (summary.median.ci_low, summary.median.ci_high) == (ordered[85], ordered[114])  # binomial ranks of 200
    assert summary.quantiles["p10"].value == pytest.approx(np.quantile(ordered, 0.1))
    assert summary.quantiles["p90"].ci_low < summary.quantiles["p90"].value < summary.quantiles["p90"].ci_high


def test_not_enough_machines_to_say() -> None:
    (summary,) = of_class({f"m{number}": 20.0 + number for number in range(5)}).metrics
    assert (summary.median.value, summary.median.ci_low, summary.median.needed) == (22.0, None, 6)
    assert summary.quantiles["p10"].needed == 36
    assert summary.outliers == ()


def test_outliers_are_named_the_farthest_first() -> None:
    rng = np.random.default_rng(4)
    values = {f"m{number:03d}": float(value) for number, value in enumerate(rng.normal(20, 0.5, 60))}
    (summary,) = of_class(values | {"slow": 10.0, "hot": 5.0, "fast": 35.0}).metrics
    assert [(each.machine, each.is_worse) for each in summary.outliers][:3] == [
        ("hot", True), ("slow", True), ("fast", False),
    ]  # fmt: skip
    assert {each.machine for each in summary.outliers} == {"hot", "slow", "fast"}


def test_where_nearly_all_agree_a_hair_is_no_outlier() -> None:
    """Accuracy: fifty machines answer alike, one misses a question of four hundred, one every fifth."""
    values = {f"m{number:03d}": 0.9 for number in range(50)} | {"close": 0.8975, "broken": 0.72}
    (summary,) = of_class(values, "exact_match").metrics
    assert [each.machine for each in summary.outliers] == ["broken"]


def test_values_of_zero_do_not_break_it() -> None:
    values = {f"m{number:03d}": 0.0 for number in range(20)} | {"drifting": 0.4}
    (summary,) = of_class(values, "drift").metrics
    assert [each.machine for each in summary.outliers] == ["drifting"]
    assert of_class({}, silent=3).metrics == ()


def test_coverage_names_who_is_missing() -> None:
    device_class = of_class({"a": 1.0, "b": 2.0}, silent=2)
    assert (device_class.machines, device_class.reported) == (4, 2)
    assert (device_class.due, device_class.missing) == (4, ("silent0", "silent1"))


def test_who_is_not_due_yet_is_not_missing() -> None:
    machines = [measured(f"m{number}", ring) for number, ring in enumerate(("canary", "early", "broad"))]
    (device_class,) = summarize(machines, ["canary"])
    assert (device_class.machines, device_class.due, device_class.missing) == (3, 1, ("m0",))


def send_all(desk: Desk, count: int, factor: float = 1.0, **changes: Any) -> None:
    for number in range(count):
        desk.send(f"k{number:03d}", decode_tps=factor * (20.0 + number % 7), **changes)
    assert desk.receive().refused == ()


def test_a_rollout_from_the_first_release_to_a_regression(desk: Desk, olivepress_here: Command) -> None:
    new_fleet(rows(10, 10, 0))
    send_all(desk, 20)
    status = olivepress_here("fleet", "status")
    assert (status.returncode, status.stdout.splitlines()[-2]) == (
        0, "promote: every ring has the release, and none is worse",
    )  # fmt: skip
    desk.release("d")
    send_all(desk, 10)
    status = olivepress_here("fleet", "status", "--json")
    facts = json.loads(status.stdout)
    assert (status.returncode, facts["decision"], facts["ring"]) == (11, "hold", "canary")
    assert any("questions: not enough to say" in reason for reason in facts["rings"][0]["reasons"])
    desk.release("e")
    send_all(desk, 10, 0.8)
    status = olivepress_here("fleet", "status")
    assert status.returncode == 10
    assert "stop: do not give the release to any more machines" in status.stdout
    assert re.search(r"Decode -20\.0 % \(-20\.0 to -20\.0, 99 % interval\), n=10 machines: worse", status.stdout)


def test_a_release_that_was_stopped_is_no_measure_for_the_next_one(desk: Desk, olivepress_here: Command) -> None:
    """Half as fast, then a little less slow: worse than what the machines had, not better than what was stopped."""
    new_fleet(rows(10, 10, 0))
    send_all(desk, 20)
    desk.release("d")
    send_all(desk, 10, 0.5)
    bundle_file(BUNDLE, "e")
    done = olivepress_here("fleet", "init", "shop", str(BUNDLE))
    assert "release 2 was stopped: nothing is compared with it" in done.stdout
    desk.release("e")
    send_all(desk, 10, 0.6)
    facts = json.loads(olivepress_here("fleet", "status", "--json").stdout)
    assert [release["number"] for release in facts["before"]] == [1]
    assert (facts["decision"], facts["open_to"]) == ("stop", [])
    assert any(reason.startswith("Decode -40.0 %") for reason in facts["rings"][0]["reasons"])


def test_each_machine_is_compared_with_what_it_had(desk: Desk) -> None:
    """The second release never came beyond the canary: the other rings are compared with the first."""
    new_fleet(rows(10, 10, 0))
    send_all(desk, 20, questions=400)
    desk.release("d")
    send_all(desk, 10, 1.2, questions=400)
    assert desk.status().decision == "promote"
    desk.release("e")
    send_all(desk, 20, 1.2, questions=400)
    canary, early, _ = desk.status().rings
    (decode,) = [change for change in canary.scopes[0].changes if change.metric == "decode_tps"]
    assert (decode.n, decode.change) == (10, pytest.approx(0.0))
    (decode,) = [change for change in early.scopes[0].changes if change.metric == "decode_tps"]
    assert decode.n == 20 and decode.ci_high == pytest.approx(0.2)


def test_two_classes_on_one_page(desk: Desk, olivepress_here: Command) -> None:
    text = rows(10, 0, 0) + rows(10, 0, 0, "<b>laptop").partition("\n")[2].replace("<0", "l0")
    new_fleet(text)
    for number in range(10):
        desk.send(f"k{number:03d}", decode_tps=20.0 + number)
        desk.send(f"l{number:03d}", decode_tps=200.0 if number == 9 else 50.0 + number)
    assert desk.receive().refused == ()
    status = olivepress_here("fleet", "status")
    page = Path("fleets", "shop", "report.html").read_text(encoding="utf-8")
    assert "outliers: l009 (TTFT 10 ms), l009 (Decode 200 tok/s)" in status.stdout
    assert "&lt;b&gt;laptop" in page and "<b>laptop" not in page
    assert page.count("<svg") == 6  # each for a desk and for a phone
    assert "http-equiv" in page and "<script" not in page and "src=" not in page
    assert "24.5 tok/s<small>21 tok/s to 28 tok/s</small>" in page  # 10 machines: the 2nd to the 9th
    assert "<small>not enough machines to say, 36 needed</small>" in page


def test_which_fleet(desk: Desk, olivepress_here: Command) -> None:
    assert the_only_fleet() == "shop"
    bundle_file(Path("other.zip"))
    result = olivepress_here("fleet", "init", "other", "other.zip", "--machines", "list.csv", "--json")
    assert json.loads(result.stdout) == {
        "fleet": "other", "release": 1, "machines": 3, "added": ["k000", "k001", "k002"],
        "keys_to_carry": ["k000", "k001", "k002"],
    }  # fmt: skip
    with pytest.raises(UsageError, match="there are 2 fleets here") as error:
        the_only_fleet()
    assert error.value.next_step == "--fleet other"
    missing = olivepress_here("fleet", "status", "--fleet", "third")
    assert missing.returncode == 2 and "no such fleet" in missing.stderr


def test_init_says_what_to_carry(desk: Desk, olivepress_here: Command) -> None:
    result = olivepress_here("fleet", "init", "shop", str(BUNDLE))
    lines = result.stdout.splitlines()
    assert lines[0] == "fleets/shop: 3 machines, 0 new"
    assert "3 secret keys in fleets/shop/secrets: carry each to its machine" in result.stdout


def test_nothing_reported_yet(desk: Desk, olivepress_here: Command) -> None:
    result = olivepress_here("fleet", "status")
    assert result.returncode == 11
    assert "not reported: 1 of 1 machine; 90 % must have reported" in result.stdout
    assert Path("fleets", "shop", "report.html").is_file()
