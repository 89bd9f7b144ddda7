"""Every line of SECURITY.md names tests, and they are there."""

from __future__ import annotations

import ast
import re

from tests.conftest import ROOT

_TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def defined_in(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_it_names_is_there() -> None:
    named = _TEST.findall((ROOT / "SECURITY.md").read_text(encoding="utf-8"))
    assert len(named) > 20
    for path, test in named:
        assert (ROOT / path).is_file() and test in defined_in(path), f"{path}::{test}"


def test_every_line_of_the_model_has_its_test() -> None:
    rows = [line for line in (ROOT / "SECURITY.md").read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    lines = [row for row in rows if not row.endswith("| shown by |")]  # without the heads of the tables
    assert len(lines) > 20 and len(rows) - len(lines) == 2
    for row in lines:
        assert _TEST.search(row), row
