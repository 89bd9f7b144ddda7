"""Promotions in MLflow's registry, read back by MLflow's own client."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from mlflow import MlflowClient

from olivepress.core.errors import JobError, ReportError, UsageError
from olivepress.core.layout import REGISTRY_LOCK, promotion_log
from olivepress.core.process import exclusive
from olivepress.pipeline.promote import audit_all, promote_recipe, rollback_recipe
from olivepress.recipe.schema import load_recipe
from olivepress.registry.lineage import lineage
from olivepress.registry.promote import Promotion
from tests.registry.project import JOB, NAME, NOW, TARGET, recipe_with, right, write_good, write_measured

pytestmark = pytest.mark.usefixtures("registry_file")
Command = Callable[..., CompletedProcess[str]]


def promote(**more: Any) -> Promotion:
    return promote_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW, **more)


def rollback(by: str | None = None) -> Any:
    return rollback_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, by=by, now=NOW)


class Clock(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> datetime:  # type: ignore[override]
        return NOW


def client() -> MlflowClient:
    return MlflowClient("sqlite:///mlflow.db", registry_uri="sqlite:///mlflow.db")


def aliases() -> dict[str, int]:
    return {name: int(version) for name, version in client().get_registered_model(NAME).aliases.items()}


def lines() -> list[dict[str, Any]]:
    return [json.loads(line) for line in promotion_log(NAME).read_text().splitlines()]


def test_the_first_artifact_becomes_the_champion() -> None:
    artifact = write_good()
    promotion = promote(by="Ada")
    assert promotion.verdict == "pass" and promotion.line is not None and promotion.line.version == 1
    assert aliases() == {"champion": 1}
    version = client().get_model_version_by_alias(NAME, "champion")
    assert version.source == f"olivepress://artifact/{artifact.sha256}"
    assert version.tags["olivepress.artifact_sha256"] == artifact.sha256
    assert version.tags["olivepress.gate.parent"] == "pass" and version.tags["olivepress.promote.by"] == "Ada"
    (line,) = lines()
    assert (line["number"], line["action"], line["by"], line["replaces"]) == (1, "promote", "Ada", None)
    assert line["gates"]["champion"] == "not required" and list(line["reports"]) == ["x86_64-test-2c"]
    assert line["at"] == "2026-11-25T00:00:00+00:00" and line["previous"] == "0" * 64


def test_a_better_challenger_is_promoted_a_worse_refused_and_an_equal_one_of_few_answers_inconclusive() -> None:
    write_good(answers=right(0.9))
    promote()
    write_good("better", answers=right(0.95))
    assert promote().verdict == "pass" and aliases() == {"champion": 2}
    write_good("worse", answers=right(0.89))
    refused = promote()
    assert refused.verdict == "fail" and refused.line is None
    assert {gate.name for gate in refused.gates if gate.outcome == "fail"} == {"champion"}
    assert aliases() == {"champion": 2} and len(lines()) == 2
    write_good("equal", answers=right(0.95, n=80))
    unclear = promote()
    assert unclear.verdict == "inconclusive" and unclear.line is not None and unclear.line.action == "challenge"
    assert {gate.name: gate.n is not None for gate in unclear.gates if gate.outcome == "inconclusive"} == {
        "champion": True,
        "parent": True,
    }
    assert aliases() == {"champion": 2, "challenger": 3}
    again = promote()
    assert again.verdict == "inconclusive" and again.line is None and len(lines()) == 3
    write_good("equal", answers=right(0.95))
    assert promote().verdict == "pass" and aliases() == {"champion": 3}  # no challenger any more


def test_the_champion_is_compared_by_the_reports_that_it_was_promoted_with() -> None:
    """Those of the next artifact take their place in benchmarks/results."""
    write_good(answers=right(0.98))
    promote()
    write_good("next", answers=right(0.9))
    (gate,) = (each for each in promote(dry_run=True).gates if each.name == "champion")
    assert gate.outcome == "fail" and "-8.0 points" in gate.evidence[0] and "version 1" in gate.evidence[0]


def test_a_dry_run_changes_nothing(registry_file: Path) -> None:
    write_good()
    before = registry_file.read_bytes()
    assert promote(dry_run=True).verdict == "pass"
    assert registry_file.read_bytes() == before and not Path("registry").exists()


def test_a_dry_run_makes_no_registry() -> None:
    write_good()
    Path("mlflow.db").unlink()
    assert promote(dry_run=True).verdict == "pass" and not Path("mlflow.db").exists()


def test_the_same_artifact_is_promoted_once() -> None:
    write_good()
    promote()
    again = promote()
    assert again.already and again.line is None and len(lines()) == 1
    assert again.verdict is None and again.gates == ()  # nothing was judged, and nothing says that it passed


def test_the_champion_is_judged_again_by_a_dry_run(olivepress_here: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olivepress.pipeline.promote.datetime", Clock)
    write_good(answers=right(0.9))
    assert olivepress_here("promote", "lamps", "--target", TARGET).returncode == 0
    write_measured("few-shot", right(0.4), artifact_sha256="9" * 64, runtime="pytorch", precision="fp32")
    done = olivepress_here("promote", "lamps", "--target", TARGET)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0 and "baseline" not in text
    assert f"{NAME}: this artifact is the champion already (version 1); nothing was changed, and no gate was" in text
    assert json.loads(olivepress_here("promote", "lamps", "--target", TARGET, "--json").stdout)["verdict"] is None
    done = olivepress_here("promote", "lamps", "--target", TARGET, "--dry-run")
    text = " ".join(done.stdout.split())
    assert done.returncode == 10 and "baseline fail" in text and "judged again: fail" in text and len(lines()) == 1


@pytest.mark.parametrize("what", ["report", "answers", "artifact"])
def test_what_is_kept_is_what_was_judged(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bench or a run that ends while the gates judge."""
    from olivepress.pipeline import promote as module

    write_good(answers=right(0.9))
    judged = module.judge_all

    def meanwhile(case: Any) -> Any:
        gates = judged(case)
        (report,) = Path("benchmarks/results").glob(f"*/lamps/{JOB}.json")
        if what == "report":
            write_good(answers=right(0.5))
        elif what == "answers":
            next(report.parent.glob(f"{JOB}.*.examples.jsonl")).unlink()
        else:
            write_good("\0other weights")
        return gates

    monkeypatch.setattr(module, "judge_all", meanwhile)
    with pytest.raises(JobError, match="was written again while the gates judged it; nothing was promoted"):
        promote()
    assert not promotion_log(NAME).exists() and client().search_registered_models() == []
    assert not list(Path("registry").glob("*/*"))


def test_nobody_is_named_who_was_not_given() -> None:
    write_good()
    promote()
    assert lines()[0]["by"] is None
    text = promotion_log(NAME).read_text() + str(client().get_model_version(NAME, "1"))
    import getpass
    import platform

    for word in (getpass.getuser(), platform.node(), str(Path.cwd())):
        assert word not in text


def test_rollback_goes_back_one_champion_at_a_time() -> None:
    for number, weights in enumerate(("a", "b", "c"), start=1):
        write_good(weights, answers=right(0.9 + number / 100))
        promote()
    assert rollback("Ada").line.version == 2 and aliases() == {"champion": 2}
    assert rollback().line.version == 1
    with pytest.raises(UsageError, match="no champion before"):
        rollback()
    assert [line["action"] for line in lines()] == ["promote"] * 3 + ["rollback"] * 2
    assert lines()[3]["by"] == "Ada" and lines()[3]["replaces"] == 3
    promote()  # version 3 once more, compared with version 1
    assert aliases() == {"champion": 3} and lines()[-1]["version"] == 3
    assert rollback().line.version == 1


def test_after_a_rollback_registry_log_and_lineage_agree_and_the_files_are_named() -> None:
    first = write_good("a", answers=right(0.9))
    promote()
    second = write_good("b", answers=right(0.95))
    promote()
    done = rollback()
    assert client().get_model_version_by_alias(NAME, "champion").tags["olivepress.artifact_sha256"] == first.sha256
    (seen,) = audit_all()
    assert (seen.champion, seen.problems) == (1, ()) and lineage("champion").sha256 == first.sha256
    assert done.notes == (
        f"runs/lamps/{JOB} has the files of another artifact ({second.sha256[:12]}): olivepress lineage "
        f"{first.sha256[:12]} names the run that made this one, olivepress reproduce RUN makes it again",
    )
    promote()
    write_good("a", answers=right(0.9))
    assert rollback().notes == (f"runs/lamps/{JOB} has its files",)


def test_a_rollback_to_a_champion_whose_records_were_removed_or_changed(olivepress_here: Command) -> None:
    for number, weights in enumerate(("a", "b", "c"), start=1):
        write_good(weights, answers=right(0.9 + number / 100))
        promote()
    first, second, _ = sorted(Path("registry", NAME).glob("*-*"))
    (second / "gates.json").write_text("[]")
    done = olivepress_here("rollback", "lamps", "--target", TARGET)
    assert done.returncode == 12 and "was changed; line 2 of" in done.stderr and done.stderr.count("\n") == 1
    assert aliases() == {"champion": 3} and len(lines()) == 3
    shutil.rmtree(second)
    shutil.rmtree(Path("runs/lamps", JOB))
    text = " ".join(olivepress_here("rollback", "lamps", "--target", TARGET).stdout.split())
    assert "version 2 is the champion again" in text and f"runs/lamps/{JOB} has no artifact" in text
    assert f"{second.as_posix()} is not here: the next artifact cannot be compared with version 2" in text
    assert olivepress_here("rollback", "lamps", "--target", TARGET).returncode == 0
    done = olivepress_here("rollback", "lamps", "--target", TARGET)
    assert done.returncode == 2 and "no champion before, nothing to go back to" in done.stderr
    assert done.stderr.count("\n") == 1 and aliases() == {"champion": 1} and first.is_dir()


def test_a_tag_that_somebody_set_decides_nothing() -> None:
    write_good(answers=right(0.9))
    promote()
    write_good("worse", answers=right(0.5))
    for key in ("best", "olivepress.best", "olivepress.gate.champion", "champion"):
        client().set_registered_model_tag(NAME, key, "pass")
        client().set_model_version_tag(NAME, "1", key, "pass")
    assert promote().verdict == "fail" and aliases() == {"champion": 1}


def test_a_champion_that_was_deleted_in_the_registry() -> None:
    write_good("a", answers=right(0.9))
    promote()
    write_good("b", answers=right(0.95))
    promote()
    client().delete_model_version(NAME, "2")
    write_good("c", answers=right(0.9))
    refused = promote()  # still not as good as what was in production
    assert refused.verdict == "fail" and {g.name for g in refused.gates if g.outcome == "fail"} == {"champion"}
    write_good("c", answers=right(0.96))
    promotion = promote()
    assert promotion.line is not None and promotion.line.version == 3 and aliases() == {"champion": 3}
    assert any("version 2, the champion, was deleted" in note for note in promotion.notes)
    back = rollback()
    assert back.line.version == 1 and back.skipped == (2,)


def test_an_alias_that_a_server_left_behind_when_its_version_was_deleted() -> None:
    """https://github.com/mlflow/mlflow/pull/24825: the alias stays and leads nowhere."""
    import sqlite3

    write_good("a", answers=right(0.9))
    promote()
    client().delete_model_version(NAME, "1")
    with sqlite3.connect("mlflow.db") as database:
        columns = [row[1] for row in database.execute("pragma table_info(registered_model_aliases)")]
        known = {"name": NAME, "alias": "champion", "version": 1, "workspace": "default"}
        marks = ", ".join("?" * len(columns))
        database.execute("delete from registered_model_aliases")
        database.execute(f"insert into registered_model_aliases values ({marks})", [known[each] for each in columns])
    database.close()
    left = client().get_registered_model(NAME).aliases
    assert {name: str(version) for name, version in left.items()} == {"champion": "1"}, "a number or text, by MLflow"
    write_good("b", answers=right(0.91))
    promotion = promote()
    assert promotion.line is not None and (promotion.line.version, promotion.line.replaces) == (2, None)
    assert aliases() == {"champion": 2}


def test_an_alias_that_was_moved_by_hand_is_not_built_upon() -> None:
    write_good("a", answers=right(0.9))
    promote()
    write_good("b", answers=right(0.95))
    promote()
    client().set_registered_model_alias(NAME, "champion", "1")
    write_good("c", answers=right(0.97))
    with pytest.raises(ReportError, match="champion is at version 1, its audit log has it at version 2"):
        promote()


def test_a_registry_that_knows_nothing_of_the_log(here: Path, empty_database: Path) -> None:
    import shutil

    from tests.registry.conftest import forget_model_registries

    write_good()
    promote()
    shutil.copy(empty_database, here / "mlflow.db")
    forget_model_registries()
    write_good("b", answers=right(0.95))
    with pytest.raises(ReportError, match="has 1 line, and the registry knows none of them"):
        promote()


def test_who_comes_second_is_told() -> None:
    write_good()
    with exclusive(REGISTRY_LOCK), pytest.raises(JobError, match="another promotion is running in this project"):
        promote()
    assert not promotion_log(NAME).exists()


def test_a_champion_that_changed_while_the_gates_were_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.pipeline import promote as module

    write_good("a", answers=right(0.9))
    judged = module.judge_all

    def meanwhile(case: Any) -> Any:
        monkeypatch.setattr(module, "judge_all", judged)
        write_good("b", answers=right(0.95))
        promote(by="Bob")
        return judged(case)

    monkeypatch.setattr(module, "judge_all", meanwhile)
    with pytest.raises(JobError, match="version 1 became the champion by Bob meanwhile; nothing was promoted"):
        promote()
    assert len(lines()) == 1 and aliases() == {"champion": 1}


def test_two_recipes_with_targets_of_one_name_are_two_models() -> None:
    write_good()
    promote()
    assert [each.name for each in client().search_registered_models()] == [NAME]


def test_the_command_prints_a_table_and_its_exit_code_is_the_outcome(
    olivepress_here: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olivepress.pipeline.promote.datetime", Clock)
    write_good(answers=right(0.9))
    done = olivepress_here("promote", "lamps", "--target", TARGET, "--by", "Ada Lovelace")
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{NAME}: version 1 is the champion (there was none before)" in done.stdout
    assert all(len(line) <= 80 for line in done.stdout.splitlines())
    write_good("b", answers=right(0.8))
    done = olivepress_here("promote", "lamps", "--target", TARGET, "--json")
    assert done.returncode == 10
    record = json.loads(done.stdout)
    assert record["verdict"] == "fail" and record["compared_with_version"] == 1 and record["line"] is None
    assert olivepress_here("rollback", "lamps", "--target", TARGET).returncode == 2
    for wrong in (["--target", "npu"], ["--target", TARGET, "--by", "a\nb"]):
        done = olivepress_here("promote", "lamps", *wrong)
        assert done.returncode == 2 and done.stderr.count("\n") == 1 and "next:" in done.stderr


def test_a_recipe_of_several_adapters_is_refused() -> None:
    member = {"data": {"demo": "phrase-tone"}}
    recipe = recipe_with(adapter_mode="multi", data=None, adapters={"tone": member}, budget={})
    with pytest.raises(UsageError, match="a package cannot be promoted"):
        promote_recipe(recipe, TARGET)
