"""The same rows give the same dataset, or fall out for the same reason, whatever they are written in."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from olivepress.data.build import prepare_files
from olivepress.data.policy import Policy
from tests.data.planted import clean_rows
from tests.data.written import CONTAINERS

ROWS = clean_rows(40)


def content(path: Path, **policy: Any) -> tuple[dict[str, str], dict[str, int]]:
    dataset = prepare_files([str(path)], Policy(languages=False, **policy))
    assert sum(dataset.facts["read"].values()) == sum(map(len, dataset.splits.values())) + sum(dataset.dropped.values())
    return dataset.hashes.content, dataset.dropped


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize(
    "values",
    [
        pytest.param([7, 12, 0, -3], id="numbers"),
        pytest.param([1.5, 0.25, 12.5, -0.125], id="fractions"),
        pytest.param([True, False, True, False], id="booleans"),
        pytest.param([{"on": True, "level": n} for n in range(4)], id="objects"),
        pytest.param([["a", str(n)] for n in range(4)], id="lists"),
        pytest.param(["2024-01-05", "N/A", "null", "nan"], id="texts"),
        pytest.param(["", "yes it is", "so it is", "thus it is"], id="an empty answer"),
    ],
)
def test_values_of_every_kind(tmp_path: Path, name: str, values: list[Any]) -> None:
    """Four rows at the end have answers of one kind that is no text; the others tell the columns' names."""
    kind = [
        {"prompt": f"What of {row['prompt'][7:]}", "completion": v} for row, v in zip(ROWS, values * 10, strict=True)
    ]
    reference = tmp_path / "reference.jsonl"
    CONTAINERS["rows.jsonl"](reference, kind)
    CONTAINERS[name](tmp_path / name, kind)
    assert content(tmp_path / name) == content(reference)


TALKS: list[dict[str, Any]] = [
    {
        "messages": [
            {"role": "user", "content": row["prompt"]},
            {"role": "assistant", "content": "", "tool_calls": [
                {"type": "function", "function": {"name": "ask", "arguments": {"who": row["completion"]}}}
            ]},
        ],
        "tools": [{"type": "function", "function": {"name": "ask", "parameters": {
            "type": "object", "properties": {"who": {"type": "string"}}}}}],
    }
    for row in ROWS
]  # fmt: skip


@pytest.mark.parametrize("name", CONTAINERS)
def test_conversations_stand_in_cells_as_json(tmp_path: Path, name: str) -> None:
    CONTAINERS["rows.jsonl"](tmp_path / "reference.jsonl", TALKS)
    CONTAINERS[name](tmp_path / name, TALKS)
    assert content(tmp_path / name) == content(tmp_path / "reference.jsonl")


CELL = st.text(st.characters(min_codepoint=32, max_codepoint=0x2FF, exclude_characters="\x7f"), max_size=30)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=6), st.sampled_from(sorted(CONTAINERS)))
def test_any_texts_in_any_container(texts: list[tuple[str, str]], name: str) -> None:
    assume(name != "rows.xlsx" or all(any(row) for row in texts))  # in a sheet a row of empty cells is no row
    rows = [*clean_rows(24), *({"prompt": asked, "completion": answer} for asked, answer in texts)]
    with tempfile.TemporaryDirectory() as folder:
        CONTAINERS["rows.jsonl"](Path(folder, "reference.jsonl"), rows)
        CONTAINERS[name](Path(folder, name), rows)
        assert content(Path(folder, name)) == content(Path(folder, "reference.jsonl"))


def test_a_row_of_empty_cells_in_a_sheet_is_no_row(tmp_path: Path) -> None:
    """A sheet has as many as somebody has formatted; a file of comma-separated values that has one says so itself."""
    empty = {"prompt": "", "completion": ""}
    for name, dropped in (("rows.xlsx", {}), ("rows.csv", {"empty prompt or answer": 2})):
        CONTAINERS[name](tmp_path / name, [*ROWS[:20], empty, *ROWS[20:], empty])
        CONTAINERS["rows.jsonl"](tmp_path / "reference.jsonl", ROWS)
        assert content(tmp_path / name) == (content(tmp_path / "reference.jsonl")[0], dropped)


def test_dates_and_decimals_of_tables_are_written_as_csv_writes_them(tmp_path: Path) -> None:
    import datetime
    from decimal import Decimal

    import pyarrow as pa
    import pyarrow.parquet as pq

    day, amount = datetime.date(2024, 1, 5), Decimal("12.50")
    moment = datetime.datetime(2024, 1, 5, 10, 30)
    for values in ([day] * 40, [moment] * 40, [amount] * 40, [b"raw"] * 40):
        rows = [{"prompt": row["prompt"], "completion": value} for row, value in zip(ROWS, values, strict=True)]
        rows[0]["completion"] = None
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
        if values[0] == b"raw":
            with pytest.raises(Exception, match="39 x bytes in completion, expected text"):
                content(tmp_path / "rows.parquet")
            continue
        CONTAINERS["rows.csv"](tmp_path / "rows.csv", rows)
        found, dropped = content(tmp_path / "rows.parquet")
        assert found == content(tmp_path / "rows.csv")[0] and dropped == {"no text in completion": 1}
