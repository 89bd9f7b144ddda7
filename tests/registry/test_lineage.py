"""The lineage of the champion in one command, also after its files were replaced by the next artifact's."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from olivepress.cli.lineage_text import lineage_lines
from olivepress.core.errors import AuditError, UsageError
from olivepress.core.layout import dataset_dir, promotion_log
from olivepress.registry.lineage import Lineage, Node, lineage
from olivepress.registry.lineage_page import lineage_page
from olivepress.track.record import Ended, Facts
from olivepress.track.writer import begin_run
from tests.registry.memory_registry import MemoryRegistry
from tests.registry.project import JOB, NAME, right, write_good
from tests.registry.test_crashes import promote, registry, rollback
from tests.ui.project import DATA_VERSION

__all__ = ["registry"]
pytestmark = pytest.mark.usefixtures("here")
Command = Callable[..., CompletedProcess[str]]


def parts(found: Lineage) -> dict[str, Node]:
    return {node.title: node for node in found.root.children}


def record(job: str, sha256: str, **facts: Any) -> None:
    known = Facts(dataset="lamps", dataset_version=DATA_VERSION, base_model="embedded:tiny-phi", **facts)
    kind = job.partition("-")[0]
    params = {"finetune.r": "16", "model.path": "embedded:tiny-phi"}
    run = begin_run("lamps", job, kind=kind, store=None, warn=print, facts=known, params=params)
    assert run is not None
    run.append(Ended(at=run.now(), status="finished", sha256=sha256))


@pytest.fixture
def promoted(registry: MemoryRegistry) -> str:
    """Two promotions and a rollback to the first, whose files were replaced; its sha256."""
    artifact = write_good("a", answers=right(0.9))
    facts = dataset_dir("lamps", DATA_VERSION) / "dataset.json"
    facts.parent.mkdir(parents=True)
    source = {"files": ["tickets.csv"], "licence": "CC-BY-4.0", "origin": "the help desk"}
    facts.write_text(json.dumps({"name": "lamps", "version": DATA_VERSION, "source": source}))
    commit = "1" * 40
    record("finetune", "a" * 64, git_commit=commit, git_dirty=True)
    record("merge", "b" * 64, git_commit=commit, parent="finetune", parent_sha256="a" * 64)
    record(JOB, artifact.sha256, git_commit=commit, git_dirty=True, parent="merge", parent_sha256="b" * 64)
    promote()
    write_good("b", answers=right(0.92))
    promote()
    rollback()
    return artifact.sha256


def test_the_champion_from_its_data_to_its_promotions(promoted: str) -> None:
    found = lineage("champion")
    assert found.sha256 == promoted and found.root.title == f"lamps/{JOB}"
    known = parts(found)
    assert list(known) == ["data", "base model", "recipe", "commit", "jobs", "reports", "promotions"]
    assert known["data"].facts["files"] == "tickets.csv" and known["data"].facts["licence"] == "CC-BY-4.0"
    assert known["base model"].facts["name"] == "embedded:tiny-phi"
    assert [node.title for node in known["jobs"].children][-1] == JOB
    (report,) = known["reports"].children
    assert report.facts["exact match" if "exact match" in report.facts else "exact_match"] == "0.9"
    assert "registry/" in report.facts["file"]  # that in benchmarks/results is of the next artifact
    assert [node.title for node in known["promotions"].children] == ["promote of version 1", "rollback of version 1"]


def test_what_was_replaced_is_known_from_the_records_of_its_runs(registry: MemoryRegistry) -> None:
    record("finetune", "a" * 64, git_commit="1" * 40, git_dirty=True)
    record("merge", "b" * 64, parent="finetune", parent_sha256="a" * 64)
    record(JOB, "c" * 64, git_commit="1" * 40, git_dirty=True, parent="merge", parent_sha256="b" * 64)
    known = parts(lineage("cccccc"))
    assert [node.facts["sha256"][0] for node in known["jobs"].children] == ["a", "b", "c"]
    assert [node.facts["run"] for node in known["jobs"].children] == [
        "lamps/finetune.1", "lamps/merge.1", f"lamps/{JOB}.1",
    ]  # fmt: skip
    assert known["commit"].facts == {"commit": "1" * 40, "state": "with uncommitted changes"}
    assert known["recipe"].facts["finetune"] == "r 16"
    assert known["promotions"].children == ()


def test_every_way_to_name_it(promoted: str) -> None:
    for text in (f"{NAME}@champion", "lamps/cpu-int4@champion", promoted[:8]):
        assert lineage(text).sha256 == promoted
    present = lineage(f"lamps/{JOB}").sha256
    assert present != promoted and lineage(f"runs/lamps/{JOB}").sha256 == present
    for wrong in ("nothing", "lamps/merge-2", "champion2", f"{NAME}@challenger", "other@champion", "ffffffffff"):
        with pytest.raises(UsageError):
            lineage(wrong)


def test_a_log_that_is_not_whole_names_no_champion(promoted: str) -> None:
    path = promotion_log(NAME)
    texts = path.read_text().splitlines()
    path.write_text("\n".join([texts[0], texts[1].replace('"by": null', '"by": "Eve"'), texts[2]]) + "\n")
    for text in ("champion", f"{NAME}@champion", f"{NAME}@challenger"):
        with pytest.raises(AuditError, match=r"line 2 was changed: it does not say which version is the .*; next: "):
            lineage(text)
    assert lineage(promoted[:8]).sha256 == promoted
    path.write_text(texts[0][:-30])
    with pytest.raises(AuditError, match="line 1 was not written completely"):
        lineage("champion")


def test_the_command(promoted: str, olivepress_here: Command) -> None:
    done = olivepress_here("lineage", "champion", "--page", "lineage.html")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert all(len(line) <= 80 for line in lines)
    assert lines[0] == f"lamps/{JOB}: sha256 {promoted[:12]}"
    assert any(line.startswith("├── data: name lamps") for line in lines)
    assert "page: lineage.html" in done.stderr and promoted in Path("lineage.html").read_text()
    assert json.loads(olivepress_here("lineage", "champion", "--json").stdout)["sha256"] == promoted


def test_a_long_part_is_filled_to_the_width() -> None:
    gates = Node(title="promote", facts={"gates": "word " * 60})
    root = Node(title="x", children=(Node(title="promotions", children=(gates,)), gates))
    lines = list(lineage_lines(Lineage(sha256="a" * 64, root=root)))
    full = [line for line, after in pairwise(lines) if after.strip("│ ").startswith("word")]
    assert len(full) > 6 and all(75 < len(line) <= 80 for line in full)


def test_foreign_text_is_escaped_on_the_page() -> None:
    hostile = "<script>alert(1)</script>"
    node = Node(title=hostile, facts={hostile: hostile}, children=(Node(title=hostile),))
    page = lineage_page(Lineage(sha256="a" * 64, root=Node(title=hostile, facts={"x": hostile}, children=(node,))))
    assert "<script" not in page and page.count("&lt;script&gt;") == 7
