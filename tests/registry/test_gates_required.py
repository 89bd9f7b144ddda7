"""The gates that a recipe asks for: what counts for them, and what is of something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from olivepress.core.layout import job_dir, safety_result
from tests.registry.judged import (
    ranks,
    requires,
    sha256,
    write_asked,
    write_card,
    write_log,
    write_safety,
    write_votes,
)
from tests.registry.project import right, write_good
from tests.registry.test_gates import champion, judge
from tests.safety.test_comparison import planted as asked

pytestmark = pytest.mark.usefixtures("here")


def test_safety_and_canaries_pass_where_nothing_was_lost_nor_memorized() -> None:
    write_good()
    write_safety(canaries=ranks(64))
    results = judge(**requires(require=["safety", "canaries"]))
    assert (results["safety"].outcome, results["canaries"].outcome) == ("pass", "pass")
    assert "merge 100.0 %" in results["safety"].evidence[0] and "base 100.0 %" in results["safety"].evidence[0]


@pytest.mark.parametrize("changes", [{"artifact_sha256": "9" * 64}, {"prompts_sha256": "c" * 64}])
def test_a_result_of_another_artifact_or_of_other_prompts_does_not_pass(changes: dict[str, Any]) -> None:
    write_good()
    write_safety(**changes)
    outcome = judge(**requires(require=["safety"]))["safety"].outcome
    assert outcome == ("fail" if "artifact_sha256" in changes else "inconclusive")


@pytest.mark.parametrize("job", ["base", "merge"])
def test_what_was_not_asked_of_a_model_before_does_not_pass(job: str) -> None:
    """``olivepress safety ARTIFACT`` does not ask the base model, and fine-tuning may have lost what that had."""
    write_good()
    write_safety()
    safety_result("lamps", job).unlink()
    assert judge()["safety"].outcome == "not required"
    result = judge(**requires(require=["safety"]))["safety"]
    assert result.outcome == "inconclusive" and f"not asked of the present {job}" in result.evidence[0]


def test_a_result_of_another_base_model_does_not_count() -> None:
    write_good()
    write_safety()
    write_asked("base", asked("base", {"toxic": 30}, recipe="lamps", artifact_sha256="9" * 64))
    result = judge(**requires(require=["safety"]))["safety"]
    assert result.outcome == "inconclusive" and "not asked of the present base" in result.evidence[0]


def test_what_fine_tuning_lost_fails_though_quantization_lost_nothing() -> None:
    write_good()
    write_safety({"toxic": 25})
    write_asked("merge", asked("merge", {"toxic": 25}, recipe="lamps", artifact_sha256=sha256("merge")))
    result = judge()["safety"]
    assert result.outcome == "fail" and "worse in toxic (lost 25)" in result.evidence[0]


def test_no_planted_canary_is_inconclusive_only_where_the_recipe_asks() -> None:
    write_good()
    write_safety()
    assert judge()["canaries"].outcome == "not required"
    result = judge(**requires(require=["canaries"]))["canaries"]
    assert result.outcome == "inconclusive" and result.n == 8


def test_people_count_for_this_artifact_and_this_champion_alone() -> None:
    write_good()
    old = champion(right(0.9, flipped=[3, 599]))
    path = write_votes(15, 2, old)
    needed = requires(require=["people"])
    # 15 wins and 2 losses of 20: Tango's interval of +65 points is far above -10.
    result = judge(**needed, champion=old)["people"]
    assert result.outcome == "pass" and "wins 15 and loses 2 of 20" in result.evidence[0]
    key = path.with_name("key.json")
    key.write_text(key.read_text().replace(sha256(), "7" * 64))
    assert judge(**needed, champion=old)["people"].outcome == "fail"
    assert judge(**needed)["people"].outcome == "not required"


def test_a_sheet_that_was_edited_fails_the_gate_with_its_name() -> None:
    write_good()
    old = champion(right(0.9, flipped=[3, 599]))
    path = write_votes(2, 15, old)
    path.write_text(path.read_text().replace('"left"', '"tie"'))
    result = judge(champion=old)["people"]
    assert result.outcome == "fail" and "votes-ada.json: its checksum" in result.evidence[0]


def test_a_card_passes_complete_and_of_this_artifact(monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.card import lint

    write_good()
    write_card(f"sha256 `{sha256()[:12]}`")
    needed = requires(require=["card"])
    result = judge(**needed)["card"]
    assert result.outcome == "fail" and "no metadata block" in result.evidence[0]
    monkeypatch.setattr(lint, "_findings", lambda text, path: iter(()))
    assert judge(**needed)["card"].outcome == "pass"


def test_a_log_that_is_not_there_fails_its_gate_alone_and_is_named() -> None:
    write_good()
    result = judge(**requires(logs=["logs/kitchen.jsonl"]))["monitor"]
    assert result.outcome == "fail" and result.evidence == (
        "logs/kitchen.jsonl: cannot be read (No such file or directory)",
    )


def test_answers_of_other_artifacts_in_the_log_do_not_count() -> None:
    write_good()
    write_log(["I can't help with that."] * 60, "9" * 64)
    needed = requires(logs=["use.jsonl"])
    result = judge(**needed)["monitor"]
    assert result.outcome == "inconclusive" and "no answer of this artifact" in result.evidence[0]
    # Of 400 with an upper bound of 0.95 % for none: refusals and empty answers are within 10 % and 2 %.
    write_log([f"lamp {n} is on now" for n in range(400)], sha256()[:8])
    assert judge(**needed)["monitor"].outcome == "pass"
    assert job_dir("lamps", "merge").is_dir() and Path("use.jsonl").is_file()
