"""The comparison without a plan: which stored reports it takes; the page is that of ``olivepress report``."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from olivepress.compare import compare, load, to_html
from olivepress.core.errors import ReportError
from olivepress.pipeline.report import budgets
from olivepress.pipeline.stored_comparison import compare_stored, stored_recipe
from olivepress.recipe.schema import load_recipe
from olivepress.report.device_report import DatasetUsed
from tests.conftest import ROOT
from tests.ui.project import DATA_VERSION, RECIPE, write_artifact, write_measured

RECIPE_TEXT = """\
name: lamps
model: {path: "embedded:tiny-phi"}
data: {demo: phrase-tone}
targets: [cpu-int4]
budget:
  all: {max_size_on_disk_bytes: 1000000}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def names(recipe: str = RECIPE) -> list[str]:
    return [row.report.job for row in compare_stored(recipe).document.rows]


def test_it_is_the_comparison_of_these_reports_under_the_limits() -> None:
    manifest = write_artifact("export-cpu-int4")
    write_measured("export-cpu-int4", artifact_sha256=manifest.sha256)
    write_measured("base")
    Path("recipes").mkdir()
    Path("recipes/lamps.yaml").write_text(RECIPE_TEXT)
    stored = compare_stored(RECIPE)
    paths = sorted(Path("benchmarks/results").rglob("*.json"))
    limits = budgets(load_recipe(Path("recipes/lamps.yaml")))
    assert to_html(stored.document) == to_html(compare(load(paths), budgets=limits))
    assert stored.limits and not stored.left_out
    (decision,) = stored.document.decisions
    assert [candidate.outcome for candidate in decision.candidates] == ["over budget"] * 2  # 2.5 MB, the limit is 1


def test_without_the_recipe_no_limit_is_applied() -> None:
    write_measured("export-cpu-int4")
    stored = compare_stored(RECIPE)
    assert not stored.limits and not any(each.limits for d in stored.document.decisions for each in d.candidates)


def test_reports_of_what_is_not_here_any_more_are_left_out() -> None:
    write_artifact("export-cpu-int4")
    write_measured("export-cpu-int4", artifact_sha256="f" * 64)
    write_measured("export-cpu-fp32", artifact_sha256="f" * 64)  # its artifact is elsewhere
    write_measured("base", dataset=DatasetUsed(name="lamps", version="cd" * 32, split="test", n=4, of=4))
    damaged = write_measured("merge").source
    assert damaged is not None and DATA_VERSION == "ab" * 32
    damaged.write_text(damaged.read_text()[:-40])
    assert names() == ["export-cpu-fp32"]
    reasons = {path.stem: reason for path, reason in compare_stored(RECIPE).left_out.items()}
    assert "another version now" in reasons["export-cpu-int4"] and "version of the data" in reasons["base"]
    assert "truncated" in reasons["merge"]


def test_nothing_to_compare() -> None:
    with pytest.raises(ReportError, match="nothing was measured yet"):
        compare_stored(RECIPE)
    write_artifact("export-cpu-int4")
    write_measured("export-cpu-int4", artifact_sha256="f" * 64)
    with pytest.raises(ReportError, match="of an artifact that runs has in another version"):
        compare_stored(RECIPE)


def test_recipes_by_name_and_by_adapter() -> None:
    shutil.copytree(ROOT / "recipes", "recipes")
    recipe = stored_recipe("tiny-phi")
    assert recipe is not None and recipe.name == "tiny-phi" and stored_recipe("nothing") is None
    member = stored_recipe("tiny-tasks.short-qa")
    assert member is not None and member.name == "tiny-tasks.short-qa"
    Path("recipes/broken.yaml").write_text("name: [")
    assert stored_recipe("tiny-phi") == recipe
