"""docs/tutorial.ipynb: its code runs as it stands in an empty folder, and its outputs are not stored.

The cells are executed one after another in one namespace, as a kernel does it, without Jupyter and its dozens of
packages: what a cell shows is its last expression.
"""

from __future__ import annotations

import ast
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT

NOTEBOOK = ROOT / "docs/tutorial.ipynb"


def cells(kind: str) -> list[dict[str, Any]]:
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    return [cell for cell in notebook["cells"] if cell["cell_type"] == kind]


def code() -> list[ast.Module]:
    return [ast.parse("".join(cell["source"])) for cell in cells("code")]


def test_it_holds_no_outputs() -> None:
    assert len(cells("code")) >= 8 and len(cells("markdown")) >= 6
    for cell in cells("code"):
        assert cell["outputs"] == [] and cell["execution_count"] is None
    ids = [cell["id"] for kind in ("code", "markdown") for cell in cells(kind)]
    assert len(set(ids)) == len(ids)


def test_everything_that_it_imports_exists() -> None:
    imports = [node for module in code() for node in ast.walk(module) if isinstance(node, ast.ImportFrom)]
    names = [(node.module, alias.name) for node in imports for alias in node.names if node.module]
    assert len(names) >= 6
    for module, name in names:
        assert hasattr(importlib.import_module(module), name), f"{module}.{name}"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_it_runs_from_the_recipe_to_the_decision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    shown = [value for module in code() if (value := executed(module, names)) is not None]
    texts = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    titles = ("Plan of tutorial", "Dataset ", "Artifact tutorial/export-cpu-int4", "Device report ", "tutorial on ")
    assert len(texts) == len(titles)
    for text, title in zip(texts, titles, strict=True):
        assert f"<h4>{title}" in text
    assert {outcome.state for _, outcome in names["outcomes"]} == {"done"}
    (decision,) = names["page"].document.decisions
    assert decision.outcome == "ship" and decision.chosen == ("export-cpu-int4",)
    assert Path("runs/tutorial/report/report.html").is_file()


def executed(module: ast.Module, names: dict[str, Any]) -> Any:
    """Run a cell; the value of its last expression."""
    last = module.body.pop() if module.body and isinstance(module.body[-1], ast.Expr) else None
    exec(compile(module, NOTEBOOK.name, "exec"), names)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names) if last else None
