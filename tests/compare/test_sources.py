"""Files, folders, globs and git revisions, with a real repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from olivepress.compare.load import load
from olivepress.compare.sources import find_reports
from olivepress.core.errors import OlivepressError, ReportError, UsageError

from .conftest import WriteReport


def found(*sources: str) -> list[str]:
    with find_reports(sources) as paths:
        return [path.name for path in paths]


def test_files_folders_and_globs(put: WriteReport, tmp_path: Path) -> None:
    a, b = put("a", outcomes={"e0": True}), put("b")
    (tmp_path / ".hidden.json").write_text("{}")
    (tmp_path / "report.json").write_text("{}")  # the page's own
    (tmp_path / "notes.txt").write_text("")
    both = sorted([a.name, b.name])
    assert found(str(tmp_path)) == both and found(str(tmp_path / "*.json")) == both
    assert found(str(b), str(tmp_path)) == [b.name, a.name]
    assert found(str(a), str(a)) == [a.name]
    for nothing in ("none.json", str(tmp_path / "*.yaml")):
        with pytest.raises(UsageError, match="no device report"):
            found(nothing)


def test_a_copy_counts_once(put: WriteReport, tmp_path: Path) -> None:
    path = put("a", outcomes={"e0": True})
    shutil.copy(path, tmp_path / "copy.json")
    assert len(load([path, tmp_path / "copy.json"])) == 1
    with pytest.raises(ReportError, match="no reports to compare"):
        load([])


def test_two_git_revisions(put: WriteReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project = tmp_path / "project"
    results = project / "benchmarks" / "results" / "box"
    results.mkdir(parents=True)
    monkeypatch.chdir(project)

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    git("commit", "-q", "--allow-empty", "-m", "nothing yet")
    git("tag", "empty")
    for name in ("before", "after"):
        source = put(name, outcomes={"e0": name == "after"}, settings={"tag": name})
        for file in (source, *source.parent.glob(f"{source.stem}*.examples.jsonl")):
            shutil.copy(file, results / file.name)
        git("add", "-A")
        git("commit", "-q", "-m", name)
        git("tag", name)
    with find_reports(["git:before", "git:after"]) as paths:
        items = load(paths)
        kept = paths[0]
    assert sorted(item.report.job for item in items) == ["after", "before"]  # the unchanged one counts once
    assert all(item.scores is not None for item in items) and not kept.exists()
    for revision, says in (
        ("empty", "no report in"),
        ("nothing", "no such git revision"),
        ("--help", "no git revision"),
    ):
        with pytest.raises(OlivepressError, match=says):
            found(f"git:{revision}")
