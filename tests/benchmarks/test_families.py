"""``benchmarks/families.py``: its table is that of the recorded evidence, and a line is replaced by a later one."""

from __future__ import annotations

from pathlib import Path

import pytest
from evidence.table import markdown
from families import _drop_former, _store

from olivepress.catalog import evidence as recorded
from olivepress.catalog.evidence import Agreement, Seen, Step, evidence
from olivepress.core.jsonl import read_json_lines
from tests.conftest import ROOT

VERSIONS = {"onnxruntime-genai": "9.9"}


def seen(kind: str, variant: str = "", max_abs: float = 1e-6) -> Seen:
    part = Agreement(rows=2, max_abs=max_abs, kl=max_abs / 10)
    return Seen(
        model_type=kind, variant=variant, architecture="A", float32=Step(prefill=part, decode=part), versions=VERSIONS
    )


def test_the_page_is_what_was_recorded() -> None:
    page = (ROOT / "docs" / "families.md").read_text(encoding="utf-8")
    assert page == markdown(), "make families writes it"
    for name in ("gemma2", "smollm3", "lfm2", "olmo"):
        assert f"| `{name}` |" in page
    assert "**wrong**" in page and "`falcon_h1`" in page.split("## No builder")[1]


def test_a_later_line_takes_the_place_of_an_earlier_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorded, "_HERE", tmp_path)
    path = recorded.evidence_file("build")
    for line in (seen("a"), seen("b"), seen("b", "old"), seen("a", max_abs=2.0)):
        _store(path, line)
    kinds = [(each["model_type"], each["variant"]) for each in read_json_lines(path)]
    assert kinds == [("b", ""), ("b", "old"), ("a", "")]
    _drop_former("build", {"types": {"b": {"": {}}}})
    evidence.cache_clear()
    assert [(each.model_type, each.variant, each.state) for each in evidence("build")] == [
        ("b", "", "right"),
        ("a", "", "wrong"),
    ]
    table = markdown()
    evidence.cache_clear()
    assert "| `a` |  | **wrong** 2 (KL 2.0e-01) | · | · |" in table and "| `b` |  | 1e-06 | · | · |" in table
    assert (
        "Of 2 types, without their variants, right in at least one: 1 in float32 (1 in `build`), 0 in 4 bits" in table
    )
