"""Each gate has a case in which it fails and every other gate does not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from olivepress.compare.load import load
from olivepress.core.artifact import Check
from olivepress.core.layout import device_report, job_dir
from olivepress.pipeline.promote import gather
from olivepress.recipe.schema import Recipe, load_recipe
from olivepress.registry.case import Champion
from olivepress.registry.gate import GateResult
from olivepress.registry.gates import gates, judge_all
from olivepress.registry.licence_terms import conflicts
from olivepress.report.device_report import DatasetUsed, Placement, measured
from olivepress.stats.intervals import wilson
from tests.registry.judged import ranks, requires, sha256, write_card, write_log, write_safety, write_votes
from tests.registry.project import (
    JOB,
    NOW,
    TARGET,
    measure_artifact,
    recipe_with,
    right,
    write_good,
    write_measured,
)
from tests.report.factory import MACHINE
from tests.ui.project import DATA_VERSION, write_artifact

pytestmark = pytest.mark.usefixtures("here")
REPORT = device_report(MACHINE.id, "lamps", JOB)
ATTIC = MACHINE.model_copy(update={"id": "x86_64-attic-1c"})


def judge(recipe: Recipe | None = None, **more: Any) -> dict[str, GateResult]:
    known = {"champion": None, "require_signature": False, "now": NOW} | more
    case = gather(recipe or load_recipe(Path("recipes/lamps.yaml")), TARGET, **known)
    return {result.name: result for result in judge_all(case)}


def not_held(results: dict[str, GateResult]) -> dict[str, str]:
    return {name: each.outcome for name, each in results.items() if each.outcome in ("fail", "inconclusive")}


def test_a_good_artifact_passes_every_gate() -> None:
    write_good()
    results = judge()
    assert set(results) == set(gates()) and len(results) >= 12
    assert not_held(results) == {}
    assert {name for name, each in results.items() if each.outcome == "not required"} == {
        "canaries",
        "card",
        "champion",
        "format",
        "monitor",
        "people",
        "placement",
        "safety",
        "signature",
    }


def _no_baseline() -> dict[str, Any]:
    device_report(MACHINE.id, "lamps", "few-shot").unlink()
    return {}


def _baseline_of_other_data() -> dict[str, Any]:
    other = DatasetUsed(name="lamps", version="cd" * 32, split="test", n=600, of=600)
    write_measured("few-shot", right(0.4), runtime="pytorch", precision="fp32", dataset=other)
    return {}


def _baseline_of_another_base() -> dict[str, Any]:
    write_measured("base", right(0.2), runtime="pytorch", precision="fp32", artifact_sha256="9" * 64)
    return {}


def _worse_than_champion() -> dict[str, Any]:
    return {"champion": champion(right(1.0))}


def _worse_than_an_earlier_champion() -> dict[str, Any]:
    earlier = replace(champion(right(1.0), "older"), artifact_sha256="e" * 64)
    return {"champion": champion(right(0.9, flipped=[3, 599])), "earlier": (earlier,)}


def _worse_than_parent() -> dict[str, Any]:
    parent = load([device_report(MACHINE.id, "lamps", "merge")])[0].report
    write_measured("merge", right(1.0), artifact_sha256=parent.artifact_sha256, runtime="pytorch", precision="fp32")
    return {}


def _gain_lost() -> dict[str, Any]:
    remeasure(metrics={"gain_retained": measured("gain_retained", 0.6, n=600, interval=(0.5, 0.7))})
    return {}


def _too_large() -> dict[str, Any]:
    remeasure(metrics={"size_on_disk_bytes": measured("size_on_disk_bytes", 2e7, n=1)})
    return {}


def _stale() -> dict[str, Any]:
    return {"now": NOW + timedelta(days=200)}


def _machine_missing() -> dict[str, Any]:
    return {"recipe": recipe_with(promote={"machines": [MACHINE.id, "kitchen"], "allow": ["synthetic data"]})}


def _cpu_took_nodes() -> dict[str, Any]:
    placement = Placement(
        asked="QNNExecutionProvider",
        nodes={"QNNExecutionProvider": 3, "CPUExecutionProvider": 7},
        fallback=True,
        fallback_ops=("MatMulNBits",),
    )
    artifact = rewrite(execution_provider="QNNExecutionProvider")
    measure_artifact(artifact, right(0.9), placement=placement, execution_provider="QNNExecutionProvider")
    return {}


def _check_failed() -> dict[str, Any]:
    checks = (Check(name="kl_divergence", passed=False, value=0.5, limit=0.1, detail="nats a token"),)
    measure_artifact(rewrite(checks=checks), right(0.9))
    return {}


def _invalid_json() -> dict[str, Any]:
    def shares(hits: int) -> dict[str, Any]:
        return {"json_valid": measured("json_valid", hits / 600, n=600, interval=wilson(hits, 600))}

    parent = load([device_report(MACHINE.id, "lamps", "merge")])[0].report
    write_measured("merge", right(0.9), artifact_sha256=parent.artifact_sha256, runtime="pytorch", metrics=shares(600))
    remeasure(metrics=shares(500))
    return {}


def _no_licence() -> dict[str, Any]:
    promote = {"allow": ["synthetic data"], "licences": {"data": "CC-BY-NC-4.0"}}
    return {"recipe": recipe_with(promote=promote)}


def _licence_of_the_adapter() -> dict[str, Any]:
    folder = Path("adapters", "other")
    folder.mkdir(parents=True)
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (folder / name).write_text("{}")
    (folder / "README.md").write_text("---\nlicense: cc-by-nc-4.0\n---\n")
    finetune = {"method": "dpo", "start_from": "adapters/other"}
    return {"recipe": recipe_with(finetune=finetune, promote={"allow": ["synthetic data"]})}


def _synthetic() -> dict[str, Any]:
    return {"recipe": recipe_with(promote={})}


def _made_from_random_weights() -> dict[str, Any]:
    """Its manifest was written before flags were inherited."""
    parent = load([device_report(MACHINE.id, "lamps", "merge")])[0].report.artifact_sha256
    finetune = write_artifact("finetune", files={"adapter/x": "a"}, parent=None, parent_sha256=None)
    merge = write_artifact(
        "merge", files={"model/x": "m \0weights"}, parent="finetune", parent_sha256=finetune.sha256, random_weights=True
    )
    assert merge.sha256 == parent
    return {}


def _file_changed() -> dict[str, Any]:
    (job_dir("lamps", JOB) / "model.onnx").write_text("\0Weights")
    return {}


def _unsigned() -> dict[str, Any]:
    return {"require_signature": True}


def _unsafe() -> dict[str, Any]:
    write_safety({"toxic": 25})
    return {}


def _safety_not_asked() -> dict[str, Any]:
    return requires(require=["safety"])


def _memorized() -> dict[str, Any]:
    write_safety(canaries=ranks(1))
    return {}


def _people_prefer_the_champion() -> dict[str, Any]:
    equal = champion(right(0.9, flipped=[3, 599]))
    write_votes(2, 15, equal)
    return {"champion": equal}


def _nobody_was_asked() -> dict[str, Any]:
    return requires(require=["people"]) | {"champion": champion(right(0.9, flipped=[3, 599]))}


def _no_card() -> dict[str, Any]:
    return requires(require=["card"])


def _card_of_another() -> dict[str, Any]:
    write_card("---\nlicense: mit\n---\nArtifact: sha256 `000000000000`\n")
    return requires(require=["card"])


def _refuses_in_use() -> dict[str, Any]:
    write_log(["I can't help with that."] * 60, sha256())
    return requires(logs=["use.jsonl"])


def _compare_ships_another() -> dict[str, Any]:
    """Accuracy comes first without a budget: all answers of the other artifact are right."""
    merge = load([device_report(MACHINE.id, "lamps", "merge")])[0].report.artifact_sha256
    other = write_artifact("export-cpu-fp32", files={"model.onnx": "\0fp32"}, parent="merge", parent_sha256=merge)
    write_measured("export-cpu-fp32", right(1.0), artifact_sha256=other.sha256, precision="fp32", synthetic_data=True)
    return {"recipe": recipe_with(budget={}, promote={"allow": ["synthetic data"], "require": ["best"]})}


def _log_missing() -> dict[str, Any]:
    return requires(logs=["logs/kitchen.jsonl"])


BROKEN: dict[str, list[Callable[[], dict[str, Any]]]] = {
    "baseline": [_no_baseline, _baseline_of_other_data, _baseline_of_another_base],
    "champion": [_worse_than_champion, _worse_than_an_earlier_champion],
    "parent": [_worse_than_parent],
    "gain": [_gain_lost],
    "budget": [_too_large],
    "reports": [_stale, _machine_missing],
    "placement": [_cpu_took_nodes],
    "parity": [_check_failed],
    "format": [_invalid_json],
    "licences": [_no_licence, _licence_of_the_adapter],
    "provenance": [_synthetic, _made_from_random_weights],
    "files": [_file_changed],
    "signature": [_unsigned],
    "safety": [_unsafe, _safety_not_asked],
    "canaries": [_memorized],
    "people": [_people_prefer_the_champion, _nobody_was_asked],
    "card": [_no_card, _card_of_another],
    "best": [_compare_ships_another],
    "monitor": [_refuses_in_use, _log_missing],
}


@pytest.mark.parametrize(("name", "change"), [(name, each) for name, several in BROKEN.items() for each in several])
def test_only_this_gate_fails(name: str, change: Callable[[], dict[str, Any]]) -> None:
    write_good()
    results = judge(**change())
    assert not_held(results) == {name: "fail"}
    assert results[name].evidence and results[name].next_step


def test_what_compare_ships_is_shown_where_it_is_not_required() -> None:
    write_good()
    assert judge()["best"].evidence == (f"{MACHINE.id}: compare ships it",)
    changed = _compare_ships_another()["recipe"].promote.model_copy(update={"require": ()})
    recipe = recipe_with(budget={}).model_copy(update={"promote": changed})
    result = judge(recipe)["best"]
    assert result.outcome == "not required" and result.evidence == (f"{MACHINE.id}: compare ships export-cpu-fp32",)


def test_every_gate_has_a_case_that_fails() -> None:
    assert set(gates()) == set(BROKEN)


def champion(answers: list[bool], job: str = "old") -> Champion:
    """A champion of another artifact that answered so."""
    path = device_report(MACHINE.id, "lamps", job)
    write_measured(job, answers, artifact_sha256="f" * 64)
    return Champion(version=1, artifact_sha256="f" * 64, reports=tuple(load([path])))


def champion_on(version: str, answers: list[bool], rows: str = "row") -> Champion:
    """One that was measured on another version of the data."""
    data = DatasetUsed(name="lamps", version=version * 64, split="test", n=len(answers), of=len(answers))
    write_measured("old", answers, artifact_sha256="f" * 64, dataset=data, rows=rows)
    return Champion(
        version=1, artifact_sha256="f" * 64, reports=tuple(load([device_report(MACHINE.id, "lamps", "old")]))
    )


def test_a_champion_on_another_version_of_the_data_is_compared_on_the_rows_that_both_have() -> None:
    """The next round has more rows: of 500 of the 600 test rows the champion has answers too."""
    write_good()
    equal = judge(champion=champion_on("5", right(1.0, n=500)))["champion"]
    assert (
        equal.outcome == "pass" and "n=500, on the test rows that its data (555555555555) has too" in equal.evidence[0]
    )
    write_measured(JOB, right(0.7), artifact_sha256=load([REPORT])[0].report.artifact_sha256, synthetic_data=True)
    worse = judge(champion=champion_on("5", right(1.0, n=500)))["champion"]
    assert worse.outcome == "fail" and "-16.0 points" in worse.evidence[0]  # 420 of 500 rows


def test_a_champion_without_a_row_in_common_cannot_be_compared() -> None:
    write_good()
    result = judge(champion=champion_on("5", right(0.9), rows="other"))["champion"]
    assert result.outcome == "inconclusive" and "no test row in common" in result.evidence[0]
    assert "olivepress data mix" in result.next_step


def remeasure(**changes: Any) -> None:
    present = load([REPORT])[0].report
    metrics = dict(present.metrics) | changes.pop("metrics", {})
    write_measured(
        JOB, right(0.9), artifact_sha256=present.artifact_sha256, synthetic_data=True, metrics=metrics, **changes
    )


def rewrite(**changes: Any) -> Any:
    merge = load([device_report(MACHINE.id, "lamps", "merge")])[0].report.artifact_sha256
    files = {"genai_config.json": "{}\n", "model.onnx": "\0weights"}
    return write_artifact(JOB, files=files, parent="merge", parent_sha256=merge, **changes)


def test_an_equal_artifact_with_few_answers_is_inconclusive_with_the_number_that_decides() -> None:
    few = right(0.9, n=60)
    write_good()
    present = load([REPORT])[0].report
    measure_artifact_of(present.artifact_sha256, few)
    result = judge(champion=champion(few))["champion"]
    assert result.outcome == "inconclusive"
    # 60 pairs and none differs: Tango's interval reaches 3.84 / (60 + 3.84).
    assert "-6.0 to +6.0" in result.evidence[0] and result.n == 487
    assert "add test rows: 487 are needed, the test split has 60" in result.next_step
    enough = right(0.9, n=487)
    measure_artifact_of(present.artifact_sha256, enough)
    assert judge(champion=champion(enough))["champion"].outcome == "pass"


def test_what_is_inconclusive_names_the_number_that_decides() -> None:
    """An interval is narrower by the root of the number of examples; Wilson's of 540 of 600 begins at 0.87339."""
    write_good()
    remeasure(metrics={"gain_retained": measured("gain_retained", 0.875, n=600, interval=(0.75, 0.9375))})
    result = judge(recipe_with(budget={"all": {"min_gain_retained": 0.8125}}))["gain"]
    assert (result.outcome, result.n) == ("inconclusive", 2400)  # 600 * (0.125 / 0.0625)^2
    write_good()
    result = judge(recipe_with(budget={"all": {"min_exact_match": 0.89}}))["budget"]
    assert (result.outcome, result.n) == ("inconclusive", 4248)  # 600 * (0.026608 / 0.01)^2
    remeasure(metrics={"ttft_ms": measured("ttft_ms", 9.0, n=10, interval=(8.0, 11.0))})
    result = judge(recipe_with(budget={"all": {"max_ttft_ms": 10.0}}))["budget"]
    assert (result.outcome, result.n) == ("inconclusive", None)  # its n are rounds


def test_a_budget_must_hold_on_every_required_machine() -> None:
    write_good()
    budget = {"all": {"max_ttft_ms": 10.0}}
    recipe = recipe_with(budget=budget, promote={"machines": [MACHINE.id, ATTIC.id], "allow": ["synthetic data"]})
    quick = {"ttft_ms": measured("ttft_ms", 8.0, n=10, interval=(7.0, 9.0))}
    slow = {"ttft_ms": measured("ttft_ms", 14.0, n=10, interval=(12.0, 16.0))}
    remeasure(metrics=quick)
    measure_artifact_of(sha256(), right(0.9), machine=ATTIC, metrics=quick)
    assert judge(recipe)["budget"].outcome == "pass"
    measure_artifact_of(sha256(), right(0.9), machine=ATTIC, metrics=slow)
    results = judge(recipe)
    assert not_held(results) == {"budget": "fail"}
    (evidence,) = results["budget"].evidence
    assert evidence.startswith(f"{ATTIC.id}: ")


def test_a_useful_artifact_with_few_answers_names_the_fewest_that_show_anything() -> None:
    write_good(answers=right(1.0, n=24))
    result = judge(recipe_with(budget={}))["gain"]
    assert (result.outcome, result.n) == ("inconclusive", 30)


def measure_artifact_of(sha256: str, answers: list[bool], **changes: Any) -> None:
    kept = measured("gain_retained", 0.99, n=len(answers), interval=(0.95, 1.02))
    metrics = {"gain_retained": kept} | changes.pop("metrics", {})
    changes |= {"artifact_sha256": sha256, "synthetic_data": True, "metrics": metrics}
    write_measured(JOB, answers, **changes)


def test_a_baseline_of_another_base_is_named_and_without_the_base_nothing_is_known() -> None:
    write_good()
    _baseline_of_another_base()
    result = judge()["baseline"]
    assert "base.json does not count: of another base model (999999999999)" in result.evidence[1]
    write_good()
    Path("models", "tiny-phi").unlink()
    result = judge()["baseline"]
    assert result.outcome == "inconclusive" and "embedded:tiny-phi are not here" in result.evidence[0]


def test_many_promotions_do_not_lose_more_than_the_margin_together() -> None:
    """Each is 3 of 600 answers worse, half a point of the two that may be lost; the fourth is four points from the
    first: 600 pairs of which 24 differ have the interval -5.9 to -2.7 (Tango's, by scipy's root finder)."""
    write_good(answers=right(0.86))
    parent = load([device_report(MACHINE.id, "lamps", "merge")])[0].report
    write_measured("merge", right(0.86), artifact_sha256=parent.artifact_sha256, runtime="pytorch", precision="fp32")
    line = [replace(champion(right(share), f"old-{share}"), version=n) for n, share in enumerate((0.9, 0.88, 0.865), 1)]
    line = [replace(each, artifact_sha256=f"{each.version}" * 64) for each in line]
    assert judge(champion=line[-1])["champion"].outcome == "pass"
    result = judge(champion=line[-1], earlier=tuple(line[:-1]))["champion"]
    assert result.outcome == "fail"
    assert "-4.0 points (-5.9 to -2.7) compared with the best champion before (version 1)" in result.evidence[0]
    other_data = DatasetUsed(name="lamps", version="cd" * 32, split="test", n=600, of=600)
    write_measured("old-0.9", right(0.9), artifact_sha256="f" * 64, dataset=other_data)
    first = replace(line[0], reports=tuple(load([device_report(MACHINE.id, "lamps", "old-0.9")])))
    result = judge(champion=line[-1], earlier=(first, line[1]))["champion"]  # version 2 is the best on this data
    assert result.outcome != "fail" and "version 2" in result.evidence[0]


def test_a_stale_report_of_a_machine_that_is_not_required_is_listed() -> None:
    write_good()
    measure_artifact_of(sha256(), right(0.5), machine=ATTIC, created_at="2026-05-01T00:00:00+00:00")
    results = judge(recipe=recipe_with(promote={"allow": ["synthetic data"], "max_report_days": 30}))
    assert not_held(results) == {}
    listed = [text for text in results["reports"].evidence if ATTIC.id in text]
    assert len(listed) == 1 and "before the artifact was made" in listed[0]
    required = {"allow": ["synthetic data"], "machines": [ATTIC.id]}
    assert judge(recipe=recipe_with(promote=required))["reports"].outcome == "fail"


def test_a_report_of_another_artifact_does_not_count_and_is_named() -> None:
    write_good()
    write_measured(JOB, right(0.9), artifact_sha256="9" * 64)
    result = judge()["reports"]
    assert result.outcome == "fail"
    assert any("of another artifact (sha256 999999999999)" in text for text in result.evidence)


def test_a_report_that_was_changed_by_hand_does_not_count() -> None:
    write_good()
    REPORT.write_text(REPORT.read_text().replace('"exact_match"', '"exact_match" ', 1).replace("0.9", "0.8", 1))
    result = judge()["reports"]
    assert result.outcome == "fail" and any("report_sha256" in text for text in result.evidence)


def test_a_gate_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.registry import gates as package

    (tmp_path / "office_hours.py").write_text(
        "from olivepress.core.errors import DataError\n"
        "def judge(case):\n    raise DataError('the calendar is not here', next_step='bring it')\n"
    )
    monkeypatch.setattr(package, "__path__", [*package.__path__, str(tmp_path)])
    write_good()
    results = judge()
    assert not_held(results) == {"office hours": "fail"}
    assert results["office hours"].evidence == ("the calendar is not here",)


def test_a_report_of_another_split_does_not_count() -> None:
    write_good()
    trained_on = DatasetUsed(name="lamps", version=DATA_VERSION, split="train", n=600, of=600)
    remeasure(dataset=trained_on)
    write_measured("base", right(0.2), runtime="pytorch", precision="fp32", dataset=trained_on)
    results = judge()
    assert any("measured on the split train, not on test" in text for text in results["reports"].evidence)
    assert results["reports"].outcome == results["baseline"].outcome == "fail"


def test_valid_json_is_not_enough_where_the_recipe_has_a_schema() -> None:
    write_good()
    valid = {"json_valid": measured("json_valid", 1.0, n=600, interval=wilson(600, 600))}
    parent = load([device_report(MACHINE.id, "lamps", "merge")])[0].report
    write_measured("merge", right(0.9), artifact_sha256=parent.artifact_sha256, runtime="pytorch", metrics=valid)
    remeasure(metrics=valid)
    recipe = load_recipe(Path("recipes/lamps.yaml"))
    assert recipe.data is not None and judge()["format"].outcome == "pass"
    with_schema = recipe.model_copy(update={"data": recipe.data.model_copy(update={"json_schema": "lamp.json"})})
    result = judge(with_schema)["format"]
    assert result.outcome == "fail" and "no answer was checked with it" in result.evidence[0]


@pytest.mark.parametrize(
    ("data", "expected"), [("GPL-3.0-or-later", []), ("CC-BY-SA-4.0", ["base gpl-3.0", "data cc-by-sa-4.0", "each"])]
)
def test_one_share_alike_licence_written_in_two_ways_is_no_conflict(data: str, expected: list[str]) -> None:
    found = conflicts({"base": "GPL-3.0-only", "data": data}, "commercial")
    assert len(found) == bool(expected) and all(text in found[0] for text in expected)
