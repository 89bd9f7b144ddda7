"""The audit finds every cut and every change of the log, and says where it is."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from olivepress.core.errors import ReportError, UsageError
from olivepress.core.layout import REGISTRY, promotion_log
from olivepress.registry.audit import Audited, audit, models_here
from olivepress.registry.mlflow_registry import HEAD, PENDING
from tests.registry.memory_registry import MemoryRegistry
from tests.registry.project import NAME, right, write_good
from tests.registry.test_crashes import promote, registry, rollback

__all__ = ["registry"]
pytestmark = pytest.mark.usefixtures("here")
Lines = list[str]


@pytest.fixture
def promoted(registry: MemoryRegistry) -> MemoryRegistry:
    """Three promotions and a rollback."""
    for number, weights in enumerate(("a", "b", "c")):
        write_good(weights, answers=right(0.9 + number / 100))
        promote()
    rollback()
    return registry


def audited(registry: MemoryRegistry) -> Audited:
    return audit(registry, NAME)  # type: ignore[arg-type]


def test_a_log_that_nobody_touched_is_whole(promoted: MemoryRegistry) -> None:
    found = audited(promoted)
    assert (found.lines, found.champion, found.problems, found.notes) == (4, 2, (), ())
    previous = "0" * 64
    for text in promotion_log(NAME).read_text().splitlines():  # by hand
        assert json.loads(text)["previous"] == previous
        previous = hashlib.sha256(text.encode()).hexdigest()


def changed(lines: Lines) -> Lines:
    lines[1] = lines[1].replace('"by": null', '"by": "Eve"')
    return lines


def rewritten(lines: Lines) -> Lines:
    """With all hashes after the change computed again."""
    lines[1] = lines[1].replace('"by": null', '"by": "Eve"')
    for number in range(2, len(lines)):
        line = json.loads(lines[number])
        line["previous"] = hashlib.sha256(lines[number - 1].encode()).hexdigest()
        lines[number] = json.dumps(line, sort_keys=True)
    return lines


def added(lines: Lines) -> Lines:
    line = json.loads(lines[-1]) | {"number": 5, "previous": hashlib.sha256(lines[-1].encode()).hexdigest()}
    return [*lines, json.dumps(line, sort_keys=True)]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (changed, "line 3 does not follow the line before: line 2 was changed"),
        (rewritten, "was rewritten; its line 4 is not the one that the registry knows"),
        (added, "lines were added after line 4, the last that the registry knows"),
        (lambda lines: lines[:-1], "was cut after line 3; the registry knows 4 lines"),
        (lambda lines: lines[:1], "was cut after line 1; the registry knows 4 lines"),
        (lambda lines: [], "was cut after line 0; the registry knows 4 lines"),
        (lambda lines: lines[1:], "line 1 has the number 2: lines were removed, inserted or moved"),
        (lambda lines: [lines[0], *lines[2:]], "line 2 has the number 3: lines were removed"),
        (lambda lines: [lines[0], lines[2], lines[1], lines[3]], "line 2 has the number 3"),
        (lambda lines: [*lines[:2], "{}", *lines[2:]], "line 3 is not a line of an audit log"),
        (lambda lines: [*lines[:2], "[" * 100_000, *lines[2:]], "line 3 is not a line of an audit log"),
    ],
)
def test_what_was_done_to_the_log(change: Callable[[Lines], Lines], expected: str, promoted: MemoryRegistry) -> None:
    path = promotion_log(NAME)
    lines = change(path.read_text().splitlines())
    path.write_text("".join(f"{line}\n" for line in lines))
    assert any(expected in problem for problem in audited(promoted).problems), audited(promoted).problems
    with pytest.raises(ReportError, match="next: "):  # nothing is built upon it
        rollback()


def test_the_last_line_was_cut_in_the_middle(promoted: MemoryRegistry) -> None:
    path = promotion_log(NAME)
    path.write_bytes(path.read_bytes()[:-30])
    assert "line 4 was not written completely" in audited(promoted).problems[0]


def test_the_log_was_removed(promoted: MemoryRegistry) -> None:
    promotion_log(NAME).unlink()
    assert models_here(promoted) == [NAME]  # type: ignore[arg-type]
    assert "was cut after line 0; the registry knows 4 lines" in audited(promoted).problems[0]


def test_the_alias_was_moved(promoted: MemoryRegistry) -> None:
    promoted.set_alias(NAME, "champion", 3)
    assert audited(promoted).problems == ("the alias champion is at version 3; the log has it at version 2",)


def test_the_challenger_was_moved(promoted: MemoryRegistry) -> None:
    promoted.set_alias(NAME, "challenger", 1)
    assert audited(promoted).problems == ("the alias challenger is at version 1; the log has it at no version",)
    promoted.delete_alias(NAME, "challenger")
    write_good("d", answers=right(1.0, n=80))  # too few to tell
    assert promote().verdict == "inconclusive" and audited(promoted).problems == ()
    promoted.set_alias(NAME, "challenger", 3)
    assert audited(promoted).problems == ("the alias challenger is at version 3; the log has it at version 4",)
    promoted.delete_alias(NAME, "challenger")
    assert audited(promoted).problems == ("the alias challenger is at no version; the log has it at version 4",)
    promoted.delete_version(NAME, 4)
    assert audited(promoted).problems == () and audited(promoted).notes == ("deleted in the registry: version 4",)


def test_the_champion_was_deleted(promoted: MemoryRegistry) -> None:
    promoted.delete_version(NAME, 2)
    assert audited(promoted).problems == () and audited(promoted).notes == ("deleted in the registry: version 2",)


def test_what_it_was_decided_from_was_changed_or_removed(promoted: MemoryRegistry) -> None:
    first, second, _ = sorted((REGISTRY / NAME).glob("*-*"))
    (first / "gates.json").write_text("[]")
    shutil.rmtree(second)
    problems = audited(promoted).problems
    assert len(problems) == 2
    assert problems[0].startswith("line 1: registry/") and "was changed" in problems[0]
    assert problems[1].startswith("line 2: registry/") and "is missing" in problems[1]


def test_the_command(promoted: MemoryRegistry, olivepress_here: Callable[..., CompletedProcess[str]]) -> None:
    done = olivepress_here("audit")
    assert (done.returncode, done.stdout) == (0, f"{NAME}: 4 lines, champion version 2: whole\n")
    path = promotion_log(NAME)
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
    done = olivepress_here("audit")
    assert done.returncode == 12 and "was cut after line 3" in done.stdout and done.stderr.count("\n") == 1
    assert json.loads(olivepress_here("audit", "--json").stdout)[0]["problems"]
    Path("mlflow.db").unlink()
    assert "its registry sqlite:///mlflow.db is not here" in olivepress_here("audit").stderr


def test_nothing_was_promoted_yet(here: Path, olivepress_here: Callable[..., CompletedProcess[str]]) -> None:
    done = olivepress_here("audit")
    assert done.returncode == 0 and "no promotions are recorded here" in done.stdout
    assert not (here / "mlflow.db").exists()


def test_a_file_beside_the_reports_is_found_whatever_it_is_called(promoted: MemoryRegistry) -> None:
    second = sorted((REGISTRY / NAME).glob("*-*"))[1]
    report = next(second.glob("reports/0/*.json"))
    (second / "reports" / "00").mkdir()
    shutil.copy(report, second / "reports" / "00" / "manifest.json")
    assert "was changed" in audited(promoted).problems[0]
    write_good("d", answers=right(0.97))
    with pytest.raises(ReportError, match=r"was changed; line 2 of registry.* was decided from it"):
        promote()


def test_an_interruption_hides_nothing_else(promoted: MemoryRegistry) -> None:
    path = promotion_log(NAME)
    texts = path.read_text().splitlines()
    promoted.set_tag(NAME, PENDING, texts[-1])  # killed between its last two steps
    assert audited(promoted).problems == ()
    path.write_text("".join(f"{text}\n" for text in texts[:2]))
    assert "was cut after line 2; the registry knows 4 lines" in audited(promoted).problems[0]
    path.write_text("".join(f"{text}\n" for text in texts))
    promoted.set_alias(NAME, "champion", 1)
    assert "the alias champion is at version 1" in audited(promoted).problems[0]
    promoted.set_tag(NAME, PENDING, "x")
    assert "is no line of an audit log" in audited(promoted).problems[0]


def test_the_log_of_one_of_several_adapters_was_removed(promoted: MemoryRegistry) -> None:
    promoted.create_model("lamps.blue--cpu-int4", "lamps.blue", "cpu-int4")
    promoted.set_tag("lamps.blue--cpu-int4", HEAD, "1 abc")
    assert models_here(promoted) == ["lamps--cpu-int4", "lamps.blue--cpu-int4"]  # type: ignore[arg-type]


def test_a_rollback_leads_to_another_version(promoted: MemoryRegistry) -> None:
    write_good("a", answers=right(0.93))
    promote()  # 1, 2 and 1 again
    promoted.delete_version(NAME, 2)
    with pytest.raises(UsageError, match="champions before were deleted"):
        rollback()
