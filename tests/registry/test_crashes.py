"""Whatever dies in the middle of a promotion: the registry is the old or the new state, and the log agrees."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import JobError, SetupError
from olivepress.core.layout import REGISTRY, promotion_log
from olivepress.pipeline.promote import promote_recipe, rollback_recipe
from olivepress.recipe.schema import load_recipe
from olivepress.registry import moves
from olivepress.registry import promote as promote_module
from olivepress.registry.audit import audit
from olivepress.registry.audit_log import read_log
from olivepress.registry.mlflow_registry import PENDING
from tests.conftest import ROOT
from tests.registry.memory_registry import WRITES, MemoryRegistry, Steps
from tests.registry.project import NAME, NOW, TARGET, right, write_good

pytestmark = pytest.mark.usefixtures("here")


class Killed(BaseException):
    """Nothing that the code could catch by mistake."""


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> MemoryRegistry:
    Path("mlflow.db").touch()  # it is asked for before a dry run
    found = MemoryRegistry()
    monkeypatch.setattr("olivepress.pipeline.promote.MlflowRegistry", lambda _: found)
    return found


def promote() -> Any:
    return promote_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW)


def rollback() -> Any:
    return rollback_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW)


def dying(registry: MemoryRegistry, steps: Steps, action: Any) -> bool:
    """Run the action, which dies at a step; whether it was over before that."""
    with pytest.MonkeyPatch.context() as patch:
        for name in WRITES:
            patch.setattr(registry, name, steps.wrap(getattr(registry, name)))
        patch.setattr(moves, "append", steps.wrap(moves.append))
        patch.setattr(promote_module, "keep_records", steps.wrap(promote_module.keep_records))
        try:
            action()
        except (Killed, SetupError):
            return False
    return True


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("error", [Killed(), SetupError("registry x: connection refused", next_step="start it")])
@pytest.mark.parametrize("what", ["promote", "challenge", "rollback"])
def test_it_dies_at_every_step(
    what: str, error: BaseException, shared: bool, registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shared:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://registry.test")
    write_good("a", answers=right(0.9))
    promote()
    action, alias, old = promote, "champion", 1
    if what == "rollback":
        write_good("b", answers=right(0.91))
        promote()
        action, old = rollback, 2
    elif what == "challenge":
        alias, old = "challenger", None
    last, over = 0, False
    while not over:
        last += 1
        model, log = registry.models[NAME], promotion_log(NAME).read_bytes()
        if what != "rollback":
            answers = right(0.9) if what == "promote" else right(1.0, n=80)
            write_good(f"new {last}", answers=answers)
        over = dying(registry, Steps(last, error), action)
        has = registry.models[NAME].aliases.get(alias)
        fresh = max(registry.models[NAME].versions)
        new = 1 if what == "rollback" else fresh
        assert has in (old, new), last
        seen = audit(registry, NAME)  # type: ignore[arg-type]
        assert not seen.problems, (last, seen)
        again(what)
        check_agreement(registry, alias, new if what == "rollback" else max(registry.models[NAME].versions))
        registry.models[NAME] = model  # the next round begins as this one did
        promotion_log(NAME).write_bytes(log)
        registry.locks.clear()
        for folder in (REGISTRY / NAME).glob("*-*"):
            if int(folder.name[:4]) > len(log.splitlines()):
                remove(folder)
    assert last > 12  # before and after each of at least six writes


def again(what: str) -> None:
    """What a person does: the same command once more. Where a rollback was finished, it would go back further."""
    if what != "rollback":
        promote()
        return
    with contextlib.suppress(Exception):
        rollback()


def check_agreement(registry: MemoryRegistry, alias: str, version: int) -> None:
    model, log = registry.models[NAME], read_log(promotion_log(NAME))
    assert not log.problem and PENDING not in model.tags and model.tags["olivepress.head"] == log.head
    assert model.aliases[alias] == version == log.lines[-1].version
    assert not any(each.is_new for each in model.versions.values())
    named = {line.version for line in log.lines}
    assert named == set(model.versions), "a version that no line names"
    folders = sorted(int(folder.name[:4]) for folder in (REGISTRY / NAME).glob("*-*"))
    assert folders == [line.number for line in log.lines if line.records_sha256]
    assert not registry.locks
    seen = audit(registry, NAME)  # type: ignore[arg-type]
    assert not seen.problems and not seen.notes


def remove(folder: Path) -> None:
    import shutil

    shutil.rmtree(folder)


def test_a_line_that_a_loss_of_power_cut_is_completed(registry: MemoryRegistry) -> None:
    write_good("a", answers=right(0.9))
    promote()
    write_good("b", answers=right(0.91))
    original = moves.append

    def torn(log: Any, text: str) -> None:
        original(log, text)
        data = log.path.read_bytes()
        log.path.write_bytes(data[:-40])
        raise Killed

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(moves, "append", torn)
        promote()
    seen = audit(registry, NAME)  # type: ignore[arg-type]
    assert not seen.problems and "interrupted" in seen.notes[0]
    assert any("finished the promote of version 2" in note for note in promote().notes)
    check_agreement(registry, "champion", 2)


def test_a_dry_run_says_that_a_promotion_was_interrupted(registry: MemoryRegistry) -> None:
    write_good("a", answers=right(0.9))
    assert not dying(registry, Steps(9, Killed()), promote)
    assert PENDING in registry.models[NAME].tags
    with pytest.raises(JobError, match="a promotion was interrupted"):
        promote_recipe(load_recipe(Path("recipes/lamps.yaml")), TARGET, now=NOW, dry_run=True)


def test_a_lock_that_a_killed_process_left_is_taken_over_and_that_of_others_is_not(
    registry: MemoryRegistry, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://registry.test")
    write_good()
    assert not dying(registry, Steps(3, Killed()), promote)
    assert list(registry.locks) == [f"{NAME}--lock"]
    assert promote().verdict == "pass" and not registry.locks
    registry.locks[f"{NAME}--lock"] = "somebody else"
    write_good("b", answers=right(0.91))
    with pytest.raises(JobError, match="another promotion is running: the registered model"):
        promote()
    assert registry.models[NAME].aliases == {"champion": 1}


def test_killed_a_hundred_times_at_random(here: Path) -> None:
    check_counts(run_module("kills", "100", "stand-in"), 100)


@pytest.mark.slow
@pytest.mark.timeout(3600)  # a minute on an idle machine
def test_killed_a_hundred_times_at_random_with_mlflow(registry_file: Path) -> None:
    check_counts(run_module("kills", "120"), 120)


def test_of_two_at_once_one_wins_and_the_other_is_told(here: Path) -> None:
    counts = run_module("races", "8")
    assert sum(counts.values()) == 8 and counts.get("refused", 0) >= 1, counts


def check_counts(counts: dict[str, int], times: int) -> None:
    """There were enough of every kind."""
    assert counts["kills"] == times
    assert counts["in the middle"] >= 10 and counts["old"] >= 5 and counts["new"] >= 5, counts


def run_module(name: str, *arguments: str) -> dict[str, int]:
    """In processes of their own: ``kills`` and ``races``."""
    command = [sys.executable, "-m", f"tests.registry.{name}", *arguments]
    environment = {"PYTHONPATH": f"{ROOT}:{ROOT / 'src'}", "OLIVEPRESS_TRACKING": "off"}
    import os

    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environment}, timeout=3500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    counts: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return counts
